import { mayDo, type Viewer } from "@florin/auth";
import { appendOutbox, fingerprintOf } from "@florin/db";
import {
  claimIdempotencyKey,
  insertAccount,
  listAccountsByIds,
  type AccountRecord,
  type NewAccount,
} from "@florin/db/accounts";
import {
  assertInput,
  idempotencyKeyReused,
  parseCurrency,
  RequestError,
  type FieldFault,
  type Json,
  type Uuid,
} from "@florin/kernel";
import { accountOpen } from "../account-events.js";
import type { Rejection } from "../account-lifecycle.js";
import { checkIdempotencyKey, parseName, parseParameters, parseWaitMs } from "../input-checks.js";
import type { RequestFacts, Services } from "../services.js";

export interface OpenAccountInput {
  readonly productId: string;
  readonly currency: string;
  readonly name?: string | null | undefined;
  readonly parameters?: unknown;
  readonly idempotencyKey: string;
  readonly waitMs?: number | null | undefined;
}

export interface AccountOutcome {
  readonly account: AccountRecord;
  readonly rejection: Rejection | undefined;
  readonly isReplay: boolean;
  readonly position: bigint | undefined;
}

interface OpeningRequest {
  readonly product: string;
  readonly currency: string;
  readonly name: string;
  readonly parameters: { readonly [name: string]: Json };
  readonly idempotencyKey: string;
  readonly waitMs: number;
}

const MAX_NAME = 100;
/** A product's id or code; whether there is one, the ledger says. */
const PRODUCT = /^[A-Za-z0-9_-]{1,100}$/;

/**
 * Asks the ledger for an account. Row (PENDING), owner, key and command commit together; then a bounded wait for the ledger's
 * answer. A refusal of the ledger is a result: the account is REJECTED and says why, here and whenever the key comes again.
 */
export async function openAccount(
  services: Services,
  viewer: Viewer,
  input: OpenAccountInput,
  facts: RequestFacts,
): Promise<AccountOutcome> {
  if (!mayDo(viewer, "account:open").allowed)
    throw new RequestError("FORBIDDEN", "Accounts are opened by people. Sign in as the person who is to own it.");
  return openAccountFor(services, [viewer.principal], input, facts);
}

/** Of the first owner's key; every owner may use and see the account. */
export async function openAccountFor(
  services: Services,
  owners: readonly [string, ...string[]],
  input: OpenAccountInput,
  facts: Pick<RequestFacts, "correlationId" | "timeLeftMs">,
): Promise<AccountOutcome> {
  const request = parseOpening(input);
  const [requester] = owners;
  const planned: NewAccount = {
    accountId: services.ids.next(),
    name: request.name,
    currency: request.currency,
    requestedProduct: request.product,
    parameters: request.parameters,
    createdAt: services.clock.now(),
    owners,
  };
  const event = accountOpen(services, planned, requester, facts.correlationId);
  const waitMs = Math.min(request.waitMs, facts.timeLeftMs());
  const position = services.answers.expectPosition(event.eventId, waitMs);
  const kept = await services.transact(async (tx) => {
    const known = await claimIdempotencyKey(tx, {
      principal: requester,
      key: request.idempotencyKey,
      operation: "openAccount",
      fingerprint: fingerprintOfOpening(request),
      entityId: planned.accountId,
      createdAt: planned.createdAt,
    });
    if (known !== undefined) return known;
    await insertAccount(tx, planned);
    await appendOutbox(tx, "accounts", [event]);
    return undefined;
  });
  // Under our own new account's id, the key is ours: a COMMIT of this very call whose answer was lost.
  if (kept !== undefined && kept.entityId !== planned.accountId) {
    if (kept.operation !== "openAccount" || kept.fingerprint !== fingerprintOfOpening(request))
      throw idempotencyKeyReused();
    // Joins the first call when that still waits for the ledger.
    return { ...(await awaitOutcome(services, kept.entityId, waitMs)), isReplay: true, position: undefined };
  }
  services.wakeRelay();
  const outcome = await awaitOutcome(services, planned.accountId, waitMs);
  return { ...outcome, isReplay: false, position: await position };
}

function awaitOutcome(
  services: Services,
  accountId: Uuid,
  waitMs: number,
): Promise<Pick<AccountOutcome, "account" | "rejection">> {
  return services.answers.waitForAccount(
    accountId,
    waitMs,
    () => readOutcome(services, accountId),
    ({ account }) => account.status === "PENDING",
  );
}

async function readOutcome(
  services: Services,
  accountId: Uuid,
): Promise<Pick<AccountOutcome, "account" | "rejection">> {
  const [account] = await listAccountsByIds(services.sql, [accountId]);
  if (account === undefined) throw new Error(`an account that was written is not there: ${accountId}`);
  const { rejectionCode: code, rejectionMessage: message } = account;
  return { account, rejection: code === null || message === null ? undefined : { code, message } };
}

function parseOpening(input: OpenAccountInput): OpeningRequest {
  const faults: FieldFault[] = [];
  const product = input.productId.trim();
  if (!PRODUCT.test(product))
    faults.push({
      path: "input.productId",
      code: "PRODUCT_INVALID",
      message: "Send a product's id or its code, such as current_account. The query products lists them.",
    });
  const currency = parseCurrency(input.currency);
  if (currency === undefined)
    faults.push({
      path: "input.currency",
      code: "CURRENCY_UNKNOWN",
      message: "Not a currency that is registered here. Use an ISO 4217 code such as USD.",
    });
  const isNamed = input.name !== undefined && input.name !== null;
  const name = isNamed ? parseName(input.name ?? "", "input.name", MAX_NAME, faults) : `${currency ?? ""} account`;
  const parameters = parseParameters(input.parameters, faults);
  checkIdempotencyKey(input.idempotencyKey, faults);
  const waitMs = parseWaitMs(input.waitMs, faults);
  assertInput(faults);
  if (currency === undefined) throw new Error("an opening without faults has no currency");
  return { product, currency, name, parameters, idempotencyKey: input.idempotencyKey, waitMs };
}

function fingerprintOfOpening({ product, currency, name, parameters }: OpeningRequest): string {
  return fingerprintOf({ product, currency, name, parameters });
}
