import { fingerprintOf, operationIdOf } from "@florin/db";
import {
  formatId,
  formatMinor,
  type Amount,
  type Clock,
  type CurrencyCode,
  type Money,
  type Uuid,
} from "@florin/kernel";
import { randomIds } from "@florin/resilience";
import { createSeededRandom } from "../../chaos/seeded-random.js";
import type {
  OpenAccountCommand,
  PostingCommand,
  ProposedInstruction,
  WriterOutcome,
} from "../../subgraphs/ledger/src/writer/command.js";

/**
 * Commands as the ledger's own mutations make them: the operation's id from (principal, key), the fingerprint over the canonical input.
 * Making them is part of what is measured, as it is part of what a request costs.
 */
const PRINCIPAL = "usr_bench";
const CURRENCY = "USD" as CurrencyCode;
/** More than any wallet holds. */
const TOO_MUCH = (10n ** 18n) as Amount;

export function openCommand(product: string, clock: Clock): OpenAccountCommand {
  const commandId = randomIds.next();
  return {
    kind: "account.open",
    commandId,
    principal: "svc:accounts",
    idempotencyKey: commandId,
    fingerprint: "open",
    correlationId: "bench-open",
    createdAt: clock.now(),
    accountId: randomIds.next(),
    owners: [PRINCIPAL],
    product,
    currency: CURRENCY,
    parameters: {},
  };
}

export function depositCommand(wallet: Uuid, money: Money, key: string, clock: Clock): PostingCommand {
  const instruction: ProposedInstruction = {
    type: "INBOUND_HARD_SETTLEMENT",
    target: { accountId: wallet },
    counterparty: { internalCode: "CASH_IN" },
    money,
  };
  return toCommand("DEPOSIT", instruction, { account: wallet, amount: money, key }, clock);
}

function transferCommand(from: Uuid, to: Uuid, money: Money, key: string, clock: Clock): PostingCommand {
  const instruction: ProposedInstruction = {
    type: "TRANSFER",
    target: { accountId: from },
    counterparty: { accountId: to },
    money,
  };
  return toCommand("BOOK_TRANSFER", instruction, { account: from, amount: money, key, to }, clock);
}

function toCommand(
  type: PostingCommand["type"],
  instruction: ProposedInstruction,
  given: { readonly account: Uuid; readonly amount: Money; readonly key: string; readonly to?: Uuid },
  clock: Clock,
): PostingCommand {
  const { account, amount, key, to } = given;
  return {
    kind: "posting",
    type,
    commandId: operationIdOf(PRINCIPAL, key),
    principal: PRINCIPAL,
    idempotencyKey: key,
    fingerprint: fingerprintOf({
      accountId: formatId("account", account),
      toAccountId: to && formatId("account", to),
      amount: { amount: formatMinor(amount.amount, amount.currency), currency: amount.currency },
    }),
    correlationId: key,
    createdAt: clock.now(),
    instructions: [instruction],
    account,
    amount,
  };
}

export function expectOpened(outcome: WriterOutcome): void {
  if (outcome.kind !== "account" || outcome.rejection !== undefined)
    throw new Error(`an account was not opened: ${describe(outcome)}`);
}

export function expectCompleted(outcome: WriterOutcome): void {
  if (outcome.kind !== "operation" || outcome.operation.status !== "COMPLETED" || outcome.isReplay)
    throw new Error(`an operation was not completed: ${describe(outcome)}`);
}

function expectRefused(outcome: WriterOutcome): void {
  if (outcome.kind !== "operation" || outcome.operation.rejection?.code !== "INSUFFICIENT_FUNDS" || outcome.isReplay)
    throw new Error(`an operation was not refused for its funds: ${describe(outcome)}`);
}

function describe(outcome: WriterOutcome): string {
  return JSON.stringify(outcome, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value));
}

/** A stream of transfers, each with the check of its answer. The same seed gives the same ones in the same order. */
export interface TransferMix {
  readonly next: () => { readonly command: PostingCommand; readonly expect: (outcome: WriterOutcome) => void };
  /** Of all that were taken so far. */
  readonly counts: () => { readonly completed: number; readonly rejected: number };
}

export interface MixOptions {
  readonly wallets: readonly Uuid[];
  /** Begins every key, so it must differ from run to run. */
  readonly name: string;
  readonly seed: number;
  /** How many of a hundred ask for more than there is. */
  readonly refusedPercent: number;
  /** Every transfer is from or to the first wallet. */
  readonly isHot: boolean;
  readonly clock: Clock;
}

export function createTransferMix(options: MixOptions): TransferMix {
  const { wallets, name, seed, refusedPercent, isHot, clock } = options;
  const random = createSeededRandom(seed);
  let completed = 0;
  let rejected = 0;
  const pickPair = (): readonly [Uuid, Uuid] => {
    const first = isHot ? 0 : random.below(wallets.length);
    const second = (first + 1 + random.below(wallets.length - 1)) % wallets.length;
    const [from, to] = isHot && random.below(2) === 0 ? [second, first] : [first, second];
    return [walletAt(wallets, from), walletAt(wallets, to)];
  };
  return {
    next: () => {
      const [from, to] = pickPair();
      const isRefused = random.below(10_000) < refusedPercent * 100;
      const cents = BigInt(1 + random.below(999));
      const key = `bench-${seed}-${name}-${completed + rejected}`;
      if (isRefused) rejected++;
      else completed++;
      const amount = isRefused ? TOO_MUCH : ((cents * MINOR) as Amount);
      return {
        command: transferCommand(from, to, { amount, currency: CURRENCY }, key, clock),
        expect: isRefused ? expectRefused : expectCompleted,
      };
    },
    counts: () => ({ completed, rejected }),
  };
}

/** One cent at the scale that amounts have inside (MON-2). */
const MINOR = 100_000n;

function walletAt(wallets: readonly Uuid[], at: number): Uuid {
  const wallet = wallets[at];
  if (wallet === undefined) throw new Error("a transfer needs two wallets");
  return wallet;
}
