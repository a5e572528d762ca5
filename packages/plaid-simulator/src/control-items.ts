/**
 * What the control plane can do to one Item: everything that happens at a bank and that Plaid's sandbox cannot be asked for.
 * Each command is one POST of `/_sim/items/<id>/<command>`. Those that a bank would tell Plaid about send the webhook, unless
 * `announce: false`.
 */
import type { AccountBase, Holding, InvestmentTransaction, LiabilitiesObject, Security } from "plaid";
import { z } from "zod";
import { currentTransactions, type LogChange } from "./change-log.js";
import { revokeAccount, setItemState } from "./item-lifecycle.js";
import { accountIdOf } from "./seed-context.js";
import { buildAccount } from "./seed-users/build-account.js";
import { buildTransaction, category } from "./seed-users/build-transaction.js";
import { pullHistorical, pullInitial, recordNews } from "./transaction-pull.js";
import { usualWebhook } from "./usual-webhook.js";
import { ATTACK_NAMES } from "./webhook-attacks.js";
import type { DeliveryModeInput } from "./delivery-mode.js";
import {
  holdingsDefaultUpdate,
  investmentsTransactionsUpdate,
  liabilitiesDefaultUpdate,
  newAccountsAvailable,
  notify,
} from "./webhook-bodies.js";
import type { WebhookDelivery } from "./webhook-delivery.js";
import { outsideTheTypes, type Wire } from "./wire.js";
import { addDays, ITEM_STATES, type SimItem, type SimulatorWorld } from "./world.js";

const announce = z.boolean().default(true);
const day = z.string().regex(/^\d{4}-\d{2}-\d{2}$/);
const object = z.record(z.string(), z.unknown());

const stateCommand = z.strictObject({
  state: z.enum([...ITEM_STATES, "ACCOUNT_REVOKED"]),
  at: z.iso.datetime().optional(),
  accountId: z.string().optional(),
  announce,
});

const webhookCommand = z.strictObject({
  webhook_type: z.string().min(1),
  webhook_code: z.string().min(1),
  /** Any other members of the body; they win over the usual ones. */
  fields: object.default({}),
  mode: z.unknown().optional(),
  attack: z.enum(ATTACK_NAMES).optional(),
  /** Instead of the Item's own. */
  target: z.string().optional(),
});

const transactionsCommand = z.strictObject({
  add: z
    .array(
      z.looseObject({
        accountId: z.string().optional(),
        date: day.optional(),
        amount: z.number(),
        name: z.string(),
        merchant: z.string().nullish(),
        primary: z.string().optional(),
        detail: z.string().optional(),
        pending: z.boolean().optional(),
        pendingTransactionId: z.string().optional(),
      }),
    )
    .max(50_000)
    .default([]),
  modify: z.array(z.looseObject({ transaction_id: z.string() })).default([]),
  remove: z.array(z.string()).default([]),
});

const accountsCommand = z.strictObject({
  add: z
    .array(
      z.strictObject({
        key: z.string().min(1),
        name: z.string(),
        mask: z.string().nullable().default(null),
        type: z.string(),
        subtype: z.string().nullable().default(null),
        current: z.number().nullable().default(0),
        available: z.number().nullable().default(null),
        limit: z.number().nullable().default(null),
        granted: z.boolean().default(false),
      }),
    )
    .default([]),
  remove: z.array(z.string()).default([]),
  rename: z.array(z.strictObject({ accountId: z.string(), name: z.string() })).default([]),
  announce,
});

const balancesCommand = z.strictObject({
  balances: z.array(
    z.strictObject({
      accountId: z.string(),
      current: z.number().nullish(),
      available: z.number().nullish(),
      limit: z.number().nullish(),
    }),
  ),
  /** true: Plaid has it already; false: only a real-time call will see it. */
  cached: z.boolean().default(false),
});

const holdingsCommand = z.strictObject({
  holdings: z.array(z.looseObject({ account_id: z.string(), security_id: z.string() })).optional(),
  securities: z.array(z.looseObject({ security_id: z.string() })).optional(),
  announce,
});

const investmentsCommand = z.strictObject({
  add: z.array(z.looseObject({ investment_transaction_id: z.string(), account_id: z.string(), date: day })).default([]),
  remove: z.array(z.string()).default([]),
  announce,
});

const liabilitiesCommand = z.strictObject({ liabilities: object, announce });
const pullCommand = z.strictObject({ upTo: z.enum(["INITIAL", "HISTORICAL"]).default("HISTORICAL") });

export class ItemControl {
  readonly #world: SimulatorWorld;
  readonly #delivery: WebhookDelivery;

  constructor(world: SimulatorWorld, delivery: WebhookDelivery) {
    this.#world = world;
    this.#delivery = delivery;
  }

  list() {
    return [...this.#world.items.values()].map((it) => this.#summary(it));
  }

  /** One Item with its truth: accounts, transactions as they are now. Never a token. @throws Error when there is none */
  get(itemId: string) {
    const item = this.#find(itemId);
    return {
      ...this.#summary(item),
      accounts: item.accounts,
      transactions: currentTransactions(item),
      liabilities: item.liabilities,
      investments: item.investments,
    };
  }

  setState(itemId: string, command: z.input<typeof stateCommand>): void {
    const { state, at, accountId, announce: isAnnounced } = stateCommand.parse(command);
    const item = this.#find(itemId);
    if (state === "ACCOUNT_REVOKED") revokeAccount(this.#world, item, accountId ?? "");
    else setItemState(this.#world, item, state, { at, isAnnounced });
  }

  /** Any webhook whatever, once, in any mode, forged if wanted. */
  sendWebhook(itemId: string, command: z.input<typeof webhookCommand>): void {
    const { webhook_type, webhook_code, fields, mode, attack, target } = webhookCommand.parse(command);
    const item = this.#find(itemId);
    const address = target ?? item.webhook;
    if (address === null) throw new Error("the Item has no webhook: give a target");
    const body = { ...usualWebhook(this.#world, item, webhook_type, webhook_code), ...fields };
    this.#delivery.send(address, body, { itemId, attack, mode: mode as DeliveryModeInput | undefined });
  }

  /** News at the bank: they join the change log in the order added, modified, removed. @returns the ids added */
  changeTransactions(itemId: string, command: z.input<typeof transactionsCommand>): { readonly added: string[] } {
    const { add, modify, remove } = transactionsCommand.parse(command);
    const item = this.#find(itemId);
    const current = new Map(currentTransactions(item).map((it) => [it.transaction_id, it]));
    const known = (id: string) => {
      const found = current.get(id);
      if (!found) throw new Error(`the Item has no transaction ${id}`);
      return found;
    };
    const changes: LogChange[] = [
      ...add.map((it): LogChange => ({ kind: "added", transaction: this.#newTransaction(item, it) })),
      ...modify.map((it): LogChange => ({ kind: "modified", transaction: { ...known(it.transaction_id), ...it } })),
      ...remove.map((id): LogChange => ({ kind: "removed", transactionId: id, accountId: known(id).account_id })),
    ];
    recordNews(this.#world, item, changes);
    return { added: changes.flatMap((it) => (it.kind === "added" ? [it.transaction.transaction_id] : [])) };
  }

  /** Accounts opened, closed and renamed at the bank. A new one is not shared until the person says so in update mode. */
  changeAccounts(itemId: string, command: z.input<typeof accountsCommand>): { readonly added: string[] } {
    const { add, remove, rename, announce: isAnnounced } = accountsCommand.parse(command);
    const item = this.#find(itemId);
    for (const { key, granted, type, subtype, ...rest } of add) {
      const kind = { type: outsideTheTypes<Wire<AccountBase>["type"]>(type), subtype: subtypeOf(subtype) };
      const { base } = buildAccount({ key, ...rest, ...kind });
      item.accounts.push({
        key,
        granted,
        live: null,
        base: { ...base, account_id: accountIdOf(this.#world, itemId, key) },
      });
    }
    item.accounts = item.accounts.filter((it) => !remove.includes(it.base.account_id));
    for (const { accountId, name } of rename) {
      const account = this.#account(item, accountId);
      account.base = { ...account.base, name };
    }
    if (add.length > 0 && isAnnounced) notify(this.#world, item, newAccountsAvailable(this.#world, item));
    return { added: add.map(({ key }) => accountIdOf(this.#world, itemId, key)) };
  }

  setBalances(itemId: string, command: z.input<typeof balancesCommand>): void {
    const { balances, cached } = balancesCommand.parse(command);
    const item = this.#find(itemId);
    for (const { accountId, ...changed } of balances) {
      const account = this.#account(item, accountId);
      const told = Object.fromEntries(Object.entries(changed).filter(([, value]) => value !== undefined));
      const next = { ...(account.live ?? account.base.balances), ...told };
      if (cached) account.base = { ...account.base, balances: next };
      account.live = cached ? null : next;
    }
  }

  /** Replaces the holdings, the securities, or both. */
  setHoldings(itemId: string, command: z.input<typeof holdingsCommand>): void {
    const { holdings, securities, announce: isAnnounced } = holdingsCommand.parse(command);
    const item = this.#find(itemId);
    const before = item.investments.holdings.length;
    if (holdings) item.investments.holdings = outsideTheTypes<Wire<Holding>[]>(holdings);
    if (securities) item.investments.securities = outsideTheTypes<Wire<Security>[]>(securities);
    item.lastSuccessfulUpdate = this.#world.nowIso();
    const added = Math.max(0, item.investments.holdings.length - before);
    const updated = item.investments.holdings.length - added;
    if (isAnnounced) notify(this.#world, item, holdingsDefaultUpdate(this.#world, item, added, updated));
  }

  /** Rows that appear, and rows that are gone without a word, as cancelled ones go. */
  changeInvestmentTransactions(itemId: string, command: z.input<typeof investmentsCommand>): void {
    const { add, remove, announce: isAnnounced } = investmentsCommand.parse(command);
    const item = this.#find(itemId);
    const kept = item.investments.transactions.filter((it) => !remove.includes(it.investment_transaction_id));
    const cancelled = item.investments.transactions.length - kept.length;
    item.investments.transactions = [...outsideTheTypes<Wire<InvestmentTransaction>[]>(add), ...kept];
    if (!isAnnounced) return;
    const counts = { added: add.length, cancelled };
    notify(this.#world, item, investmentsTransactionsUpdate(this.#world, item, "DEFAULT_UPDATE", counts));
  }

  /** Replaces the kinds that are given. */
  setLiabilities(itemId: string, command: z.input<typeof liabilitiesCommand>): void {
    const { liabilities, announce: isAnnounced } = liabilitiesCommand.parse(command);
    const item = this.#find(itemId);
    item.liabilities = { ...item.liabilities, ...outsideTheTypes<Partial<Wire<LiabilitiesObject>>>(liabilities) };
    const touched = Object.values(item.liabilities).flatMap((list) => (list ?? []).map((it) => it.account_id));
    const ids = [...new Set(touched)].filter((it) => it !== null);
    const updated = Object.fromEntries(ids.map((id) => [id, ["balance"]]));
    if (isAnnounced) {
      notify(this.#world, item, liabilitiesDefaultUpdate(this.#world, item, { added: [], updated }));
    }
  }

  /** Lets the pulls of transactions happen now instead of at their time. */
  pull(itemId: string, command: z.input<typeof pullCommand> = {}): void {
    const { upTo } = pullCommand.parse(command);
    const item = this.#find(itemId);
    pullInitial(this.#world, item);
    if (upTo === "HISTORICAL") pullHistorical(this.#world, item);
  }

  #newTransaction(item: SimItem, wanted: z.output<typeof transactionsCommand>["add"][number]) {
    const { accountId, date, amount, name, merchant, primary, detail, pending, pendingTransactionId, ...rest } = wanted;
    const account = accountId ?? item.accounts.find((it) => it.granted)?.base.account_id;
    if (account === undefined) throw new Error("the Item shares no account: give an accountId");
    this.#account(item, account);
    const sketch = {
      transactionId: this.#world.ids.next("transaction"),
      accountId: account,
      date: date ?? addDays(this.#world.today(), 0),
      amount,
      name,
      merchant: merchant ?? null,
      category: category(primary ?? "GENERAL_MERCHANDISE", detail ?? "OTHER_GENERAL_MERCHANDISE"),
      isPending: pending ?? false,
      pendingTransactionId: pendingTransactionId ?? null,
    };
    return { ...buildTransaction(sketch), ...rest };
  }

  #summary(item: SimItem) {
    return {
      itemId: item.itemId,
      institutionId: item.institutionId,
      userName: item.userName,
      clientUserId: item.clientUserId,
      state: item.state,
      products: item.products,
      webhook: item.webhook,
      isExchanged: item.accessToken !== null,
      createdAt: item.createdAt,
      loginAt: item.loginAt,
      transactionsStatus: item.transactions.status,
      syncCalls: item.transactions.syncCalls,
      logLength: item.transactions.log.length,
      lastWebhook: item.lastWebhook,
    };
  }

  #find(itemId: string): SimItem {
    const item = this.#world.items.get(itemId);
    if (!item) throw new Error(`there is no Item ${itemId}`);
    return item;
  }

  #account(item: SimItem, accountId: string) {
    const account = item.accounts.find((it) => it.base.account_id === accountId);
    if (!account) throw new Error(`the Item has no account ${accountId}`);
    return account;
  }
}

/** By the last part of the path. Bodies are parsed by the methods. */
export const itemCommands: Readonly<Record<string, (items: ItemControl, itemId: string, body: unknown) => unknown>> = {
  state: (items, id, body) => items.setState(id, stateCommand.parse(body)),
  webhook: (items, id, body) => items.sendWebhook(id, webhookCommand.parse(body)),
  transactions: (items, id, body) => items.changeTransactions(id, transactionsCommand.parse(body)),
  accounts: (items, id, body) => items.changeAccounts(id, accountsCommand.parse(body)),
  balances: (items, id, body) => items.setBalances(id, balancesCommand.parse(body)),
  holdings: (items, id, body) => items.setHoldings(id, holdingsCommand.parse(body)),
  "investment-transactions": (items, id, body) =>
    items.changeInvestmentTransactions(id, investmentsCommand.parse(body)),
  liabilities: (items, id, body) => items.setLiabilities(id, liabilitiesCommand.parse(body)),
  pull: (items, id, body) => items.pull(id, pullCommand.parse(body)),
};

function subtypeOf(subtype: string | null): Wire<AccountBase>["subtype"] {
  return outsideTheTypes<Wire<AccountBase>["subtype"]>(subtype);
}
