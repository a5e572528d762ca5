import type { Transaction } from "@florin/db";
import { closeOwnAccount, insertOwnAccountOwners, putOwnAccount, type ToldBalance } from "@florin/db/portfolio";
import { PoisonEvent, type EventHandler } from "@florin/events";
import { parseId, parseInstant, type EventEnvelope, type Instant } from "@florin/kernel";
import { z } from "zod";
import { existingDay, utcDayOf } from "../calendar.js";

const idField = (kind: "account" | "batch") =>
  z.string().transform((text, context) => {
    const id = parseId(kind, text);
    if (id === undefined) context.addIssue({ code: "custom", message: `not the id of a ${kind}` });
    return id ?? z.NEVER;
  });
const instantField = z.string().transform((text, context): Instant => {
  const instant = parseInstant(text);
  if (instant === undefined) context.addIssue({ code: "custom", message: "not a point in time" });
  return instant ?? z.NEVER;
});

const asked = z.object({ accountId: idField("account"), owners: z.array(z.string()) });

/** `account.open` of accounts: who asked, and so who owns what the ledger opens. */
export const ownAccountAsked: EventHandler<Transaction, z.infer<typeof asked>> = {
  parse: (json) => asked.parse(json),
  apply: (tx, _event, { accountId, owners }) => insertOwnAccountOwners(tx, accountId, owners),
};

const opened = z.object({
  accountId: idField("account"),
  currency: z.string(),
  openedAt: instantField,
  tside: z.enum(["ASSET", "LIABILITY"]).optional(),
  /** Scale by name of the addresses that the product keeps beside the main one. */
  addresses: z.record(z.string(), z.string()).optional(),
});

/** `account.opened` of the ledger. A loan keeps what is owed on addresses of its own: its balance then says nothing of it. */
export const ownAccountOpened: EventHandler<Transaction, z.infer<typeof opened>> = {
  parse: (json) => opened.parse(json),
  apply: (tx, _event, { accountId, currency, openedAt, tside, addresses = {} }) =>
    putOwnAccount(tx, {
      accountId,
      currency,
      tside,
      hasDebtElsewhere: tside === "ASSET" && Object.keys(addresses).length > 0,
      openedAt,
    }),
};

const closed = z.object({ accountId: idField("account"), closedAt: instantField });

export const ownAccountClosed: EventHandler<Transaction, z.infer<typeof closed>> = {
  parse: (json) => closed.parse(json),
  apply: (tx, _event, { accountId, closedAt }) => closeOwnAccount(tx, accountId, closedAt),
};

const posted = z.object({
  accountId: idField("account"),
  accountSeq: z.string().regex(/^[1-9]\d{0,18}$/),
  batchId: idField("batch"),
  balance: z.object({ committed: z.string().regex(/^-?\d+(\.\d+)?$/), currency: z.string() }),
  asOf: instantField,
  /** Of a backdated batch: the business days that it changed, oldest first. */
  affectedBusinessDates: z.array(z.string()).optional(),
});

/**
 * `account.posted` of the ledger: the balance after a batch. It carries no amounts of its own; what the batch did is the difference from
 * the balance before it, so a batch that pays into an account and takes from it again counts with what was left. The day is the one that
 * the money counts from: of a backdated batch the first that it changed, else the day of the commit, in UTC.
 */
export function parsePosted(event: EventEnvelope): ToldBalance {
  const parsed = posted.safeParse(event.payload);
  if (!parsed.success) throw new PoisonEvent(`The payload of ${event.type} does not parse: ${parsed.error.message}`);
  const { accountId, accountSeq, batchId, balance, asOf, affectedBusinessDates } = parsed.data;
  const backdatedTo = existingDay(affectedBusinessDates?.[0] ?? null);
  return {
    accountId,
    accountSeq: BigInt(accountSeq),
    batchId,
    day: backdatedTo ?? utcDayOf(asOf),
    committed: balance.committed,
    currency: balance.currency,
    asOf,
  };
}
