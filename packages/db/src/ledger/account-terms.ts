import {
  amountFromNumeric,
  parseCurrency,
  parseId,
  parseInstant,
  type AddressScale,
  type AccountState,
  type CurrencyCode,
  type Instant,
  type Json,
  type KernelGuards,
  type Restriction,
  type RestrictionType,
  type TimeseriesEntry,
  type Uuid,
} from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

/**
 * What holds on accounts beside their postings: parameters and flags in time, restrictions, guards, the closed period, the scales of internal
 * addresses. One statement, one union: each arm is an index probe for an account, and an account of which nothing was ever said gives no row.
 */
export type AccountTerms = Pick<
  AccountState,
  "parameterHistory" | "flags" | "restrictions" | "guards" | "closedUntil" | "addressScales"
>;

interface TermRow {
  readonly accountId: Uuid;
  readonly denomination: CurrencyCode;
  readonly kind: "account" | "template" | "flag" | "restriction" | "guard" | "closedUntil" | "scale";
  readonly facts: Facts;
}

type Facts = Readonly<Record<string, Json | undefined>> & { readonly rules?: readonly RestrictionRule[] };

/** Accounts of which nothing was said are not in the answer. Rows stand in order of insertion. */
export async function findAccountTerms(
  sql: Sql | Transaction,
  bookId: number,
  accountIds: readonly Uuid[],
): Promise<ReadonlyMap<Uuid, AccountTerms>> {
  if (accountIds.length === 0) return new Map();
  const rows = await sql<TermRow[]>`
    with wanted as (
      select book_id, account_id, denomination, product_version_id, processing_group, code, kind
      from ledger.account where book_id = ${bookId} and account_id = any(${[...accountIds]}::uuid[])),
    said as (
      select w.account_id, w.denomination, 'account' as kind, t.seq, to_jsonb(t) as facts
      from wanted w join ledger.account_parameter t using (book_id, account_id)
      union all
      select w.account_id, w.denomination, 'template', t.seq, to_jsonb(t)
      from wanted w join ledger.template_parameter t using (book_id, product_version_id)
      union all
      select w.account_id, w.denomination, 'flag', t.seq, to_jsonb(t)
      from wanted w join ledger.account_flag t using (book_id, account_id)
      union all
      select w.account_id, w.denomination, 'restriction', t.seq,
        to_jsonb(t) || jsonb_build_object('rules', d.rules, 'lifted_at', l.lifted_at)
      from wanted w
      cross join lateral (
        select * from ledger.restriction r where r.book_id = w.book_id and r.account_id = w.account_id
        union all
        select r.* from ledger.account_owner o
        join ledger.restriction r on r.book_id = o.book_id and r.customer = o.principal
        where o.book_id = w.book_id and o.account_id = w.account_id) t
      join ledger.restriction_definition d on d.book_id = t.book_id and d.code = t.code and d.version = t.version
      left join ledger.restriction_lift l on l.book_id = t.book_id and l.restriction_id = t.restriction_id
      union all
      select w.account_id, w.denomination, 'guard', t.seq,
        jsonb_build_object('min_available', t.min_available::text, 'max_committed', t.max_committed::text)
      from wanted w
      cross join lateral (
        select * from ledger.account_guard g where g.book_id = w.book_id and g.account_id = w.account_id
        order by g.seq desc limit 1) t
      union all
      select w.account_id, w.denomination, 'closedUntil', 0, jsonb_build_object('until', t.until)
      from wanted w
      cross join lateral (
        select max(until) as until from ledger.period_close p
        where p.book_id = w.book_id and p.processing_group = w.processing_group) t
      where t.until is not null
      union all
      select w.account_id, w.denomination, 'scale', 0, to_jsonb(t)
      from wanted w join ledger.internal_address_scale t on t.code = w.code)
    select account_id as "accountId", denomination, kind, facts from said order by account_id, seq`;
  const termsByAccount = new Map<Uuid, TermsInTheMaking>();
  for (const row of rows) {
    const known = termsByAccount.get(row.accountId) ?? {};
    addTo(known, row);
    termsByAccount.set(row.accountId, known);
  }
  return termsByAccount;
}

interface TermsInTheMaking {
  parameterHistory?: {
    template?: Record<string, TimeseriesEntry<string>[]>;
    instance?: Record<string, TimeseriesEntry<string>[]>;
  };
  flags?: Record<string, TimeseriesEntry<boolean>[]>;
  restrictions?: Restriction[];
  guards?: KernelGuards;
  closedUntil?: Instant;
  addressScales?: Record<string, AddressScale>;
}

function addTo(terms: TermsInTheMaking, { kind, facts, denomination }: TermRow): void {
  switch (kind) {
    case "account":
    case "template": {
      terms.parameterHistory ??= {};
      const series = (terms.parameterHistory[kind === "account" ? "instance" : "template"] ??= {});
      (series[text(facts, "name")] ??= []).push(toEntry(facts, text(facts, "value")));
      return;
    }
    case "flag":
      terms.flags ??= {};
      (terms.flags[text(facts, "name")] ??= []).push(toEntry(facts, facts["value"] === true));
      return;
    case "restriction":
      (terms.restrictions ??= []).push(...toRestrictions(facts, denomination));
      return;
    case "guard":
      terms.guards = toGuards(facts, denomination);
      return;
    case "closedUntil":
      terms.closedUntil = instant(facts, "until");
      return;
    case "scale":
      terms.addressScales ??= {};
      terms.addressScales[text(facts, "address")] = facts["scale"] === "INTERNAL" ? "INTERNAL" : "MINOR";
  }
}

function toEntry<T>(facts: Facts, value: T): TimeseriesEntry<T> {
  const to = facts["to_at"] === null ? undefined : instant(facts, "to_at");
  return { value, from: instant(facts, "from_at"), to, insertedAt: instant(facts, "inserted_at") };
}

function toGuards(facts: Facts, denomination: CurrencyCode): KernelGuards {
  const amount = (name: string) =>
    facts[name] === null ? undefined : amountFromNumeric(text(facts, name), denomination);
  return { minAvailable: amount("min_available"), maxCommitted: amount("max_committed") };
}

/** An account that is to be opened: by whom and with which product, by its id (`prod_…`) or code. */
export interface Opening {
  readonly accountId: Uuid;
  readonly owners: readonly string[];
  readonly product: string;
  readonly currency: string;
}

/**
 * What is said already of accounts that are not there yet: restrictions of their owners (RES-1), and their product's template. The period that is
 * closed lies before they open.
 */
export async function findOpeningTerms(
  sql: Sql | Transaction,
  bookId: number,
  openings: readonly Opening[],
): Promise<ReadonlyMap<Uuid, AccountTerms>> {
  if (openings.length === 0) return new Map();
  const owners = openings.flatMap(({ accountId, owners }) => owners.map((owner) => ({ accountId, owner })));
  const rows = await sql<Omit<TermRow, "denomination">[]>`
    select o.account_id as "accountId", 'restriction' as kind, r.seq,
      to_jsonb(r) || jsonb_build_object('rules', d.rules, 'lifted_at', l.lifted_at) as facts
    from unnest(${owners.map((one) => one.accountId)}::uuid[], ${owners.map((one) => one.owner)}::text[]) as o (account_id, principal)
    join ledger.restriction r on r.book_id = ${bookId} and r.customer = o.principal
    join ledger.restriction_definition d on d.book_id = r.book_id and d.code = r.code and d.version = r.version
    left join ledger.restriction_lift l on l.book_id = r.book_id and l.restriction_id = r.restriction_id
    union all
    select w.account_id, 'template', t.seq, to_jsonb(t)
    from unnest(${openings.map((one) => one.accountId)}::uuid[], ${openings.map((one) => parseId("product", one.product) ?? null)}::uuid[],
      ${openings.map((one) => one.product)}::text[]) as w (account_id, product_id, code)
    join ledger.product p on p.product_id = w.product_id or p.code = w.code
    cross join lateral (select v.product_version_id from ledger.product_version v where v.product_id = p.product_id
      order by v.created_at desc, v.library_order desc, v.product_version_id desc limit 1) v
    join ledger.template_parameter t on t.book_id = ${bookId} and t.product_version_id = v.product_version_id
    order by seq`;
  const denominations = new Map(openings.map(({ accountId, currency }) => [accountId, parseCurrency(currency)]));
  const termsByAccount = new Map<Uuid, TermsInTheMaking>();
  for (const row of rows) {
    const denomination = denominations.get(row.accountId);
    if (denomination === undefined) continue; // the opening is refused for it
    const known = termsByAccount.get(row.accountId) ?? {};
    addTo(known, { ...row, denomination });
    termsByAccount.set(row.accountId, known);
  }
  return termsByAccount;
}

/** As a definition's rules are stored; they were checked when they were written. */
export interface RestrictionRule {
  readonly type: RestrictionType;
  /** Of LIMIT types, by currency: decimal text. An account in a currency that is not named here has no such limit. */
  readonly limits?: Readonly<Record<string, string>> | undefined;
  /** RES-2. */
  readonly exemptions?: readonly Readonly<Record<string, Json>>[] | undefined;
}

/** A set of rules that lies on an account: one of the kernel's restrictions for each rule that concerns its currency. */
function toRestrictions(facts: Facts, denomination: CurrencyCode): Restriction[] {
  const lifted = facts["lifted_at"] === null ? undefined : instant(facts, "lifted_at");
  const ends = facts["to_at"] === null ? undefined : instant(facts, "to_at");
  const to = lifted !== undefined && (ends === undefined || lifted < ends) ? lifted : ends;
  const restrictions: Restriction[] = [];
  for (const { type, limits, exemptions } of facts.rules ?? []) {
    const limit = limits?.[denomination];
    if (type.startsWith("LIMIT_") && limit === undefined) continue;
    restrictions.push({
      code: text(facts, "code"),
      version: String(facts["version"]),
      level: text(facts, "level") as Restriction["level"],
      type,
      limit: limit === undefined ? undefined : amountFromNumeric(limit, denomination),
      paymentDevice: facts["payment_device"] === null ? undefined : text(facts, "payment_device"),
      from: instant(facts, "from_at"),
      to,
      exemptions,
    });
  }
  return restrictions;
}

function text(facts: Facts, name: string): string {
  const value = facts[name];
  if (typeof value !== "string") throw new Error(`a stored term has no ${name}`);
  return value;
}

/** jsonb prints timestamptz in the session's zone with its offset, to the microsecond. */
function instant(facts: Facts, name: string): Instant {
  const parsed = parseInstant(text(facts, name));
  if (parsed === undefined) throw new Error(`a stored term has no time ${name}`);
  return parsed;
}

/** Those of the accounts that exist. */
export async function findDenominations(
  sql: Sql | Transaction,
  bookId: number,
  accountIds: readonly Uuid[],
): Promise<ReadonlyMap<Uuid, CurrencyCode>> {
  if (accountIds.length === 0) return new Map();
  const rows = await sql<{ accountId: Uuid; denomination: CurrencyCode }[]>`
    select account_id as "accountId", denomination from ledger.account
    where book_id = ${bookId} and account_id = any(${[...accountIds]}::uuid[])`;
  return new Map(rows.map(({ accountId, denomination }) => [accountId, denomination]));
}
