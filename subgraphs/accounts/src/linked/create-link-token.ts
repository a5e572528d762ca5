import { fingerprintOf, type Transaction } from "@florin/db";
import {
  changeLinkAttempt,
  claimIdempotencyKey,
  countLinkAttempts,
  findLinkAttempt,
  insertLinkAttempt,
  listLinkedItemsByIds,
  lockLinkAttempt,
  lockLinkedItem,
  type LinkAttemptRecord,
} from "@florin/db/accounts";
import {
  formatId,
  idempotencyKeyReused,
  parseInstant,
  RequestError,
  temporarilyUnavailable,
  type Instant,
  type Uuid,
} from "@florin/kernel";
import type { LinkToken, SealedSecret } from "@florin/plaid";
import { faultPoint } from "@florin/resilience";
import { setTimeout as delay } from "node:timers/promises";
import { mayRepair } from "./item-status.js";
import {
  badInput,
  clientUserIdOf,
  digestOf,
  itemNotFound,
  laterBy,
  openItemToken,
  ownerOf,
  toLinkError,
  type LinkParts,
} from "./link-parts.js";

/**
 * A visit to Link: row, call, result. The row is CREATING while somebody asks Plaid; whoever comes with the same key waits for that one,
 * or takes over when its time is up. A token costs quota and the page is single-use, so a replay answers the same token while it lives.
 */
export interface LinkTokenRequest {
  readonly userId: Uuid;
  /** Repairs this item (update mode) instead of adding a login. */
  readonly itemId: Uuid | undefined;
  /** In update mode: the person may add and remove accounts. Also offered by itself when the institution announced new ones. */
  readonly selectsAccounts: boolean;
  readonly idempotencyKey: string;
  readonly timeLeftMs: () => number;
}

export interface LinkPage {
  readonly linkToken: string;
  readonly hostedLinkUrl: string;
  readonly expiresAt: Instant;
}

export interface LinkTokenOutcome extends LinkPage {
  readonly isReplay: boolean;
}

const CALL_MS = 30_000;
/** Longer than the call can take: after it, whoever was asking has died. */
const CLAIM_MS = 45_000;
const FIRST_POLL_MS = 30_000;
const DAY_MS = 86_400_000;
const QUOTA_RETRY_MS = 3_600_000;
const LOOK_AGAIN_MS = 100;
export const PAGE_PURPOSE = "link_page";

export async function createLinkToken(parts: LinkParts, request: LinkTokenRequest): Promise<LinkTokenOutcome> {
  for (;;) {
    const { attempt, isMine, isReplay } = await begin(parts, request);
    if (isMine) return { ...(await askPlaid(parts, request, attempt)), isReplay };
    if (attempt.status === "CREATING") {
      if (request.timeLeftMs() < LOOK_AGAIN_MS) throw temporarilyUnavailable(LOOK_AGAIN_MS);
      await delay(LOOK_AGAIN_MS);
      continue;
    }
    return { ...(await openPage(parts, attempt)), isReplay: true };
  }
}

/** The page of an attempt that is open; refused once it is over. */
async function openPage(parts: LinkParts, attempt: LinkAttemptRecord): Promise<LinkPage> {
  const page =
    attempt.expiresAt !== null && attempt.expiresAt > parts.clock.now() ? await unseal(parts, attempt) : undefined;
  if (page === undefined)
    throw badInput(
      "input.idempotencyKey",
      "LINK_TOKEN_OVER",
      "The link token of this key was used or has expired. Ask for a new one with a new key.",
    );
  return page;
}

/** What was stored of an attempt's page; undefined when it is over or was never made. */
export async function unseal(
  parts: Pick<LinkParts, "vault">,
  attempt: LinkAttemptRecord,
): Promise<LinkPage | undefined> {
  if (attempt.linkSealed === null || attempt.expiresAt === null) return undefined;
  const sealed = readSealed(attempt.linkSealed);
  const text = await parts.vault.openText(sealed, ownerOf(attempt.userId, attempt.attemptId), PAGE_PURPOSE);
  const { linkToken, hostedLinkUrl } = JSON.parse(text) as Pick<LinkPage, "linkToken" | "hostedLinkUrl">;
  return { linkToken, hostedLinkUrl, expiresAt: attempt.expiresAt };
}

interface Begun {
  readonly attempt: LinkAttemptRecord;
  /** It is on this call to ask Plaid. */
  readonly isMine: boolean;
  readonly isReplay: boolean;
}

async function begin(parts: LinkParts, request: LinkTokenRequest): Promise<Begun> {
  const attemptId = parts.ids.next();
  const fingerprint = fingerprintOf({
    itemId: request.itemId ?? null,
    selectsAccounts: request.selectsAccounts,
  });
  const begun = await parts.transact(async (tx) => {
    const now = parts.clock.now();
    const claimedUntil = laterBy(now, CLAIM_MS);
    const kept = await claimIdempotencyKey(tx, {
      principal: formatId("user", request.userId),
      key: request.idempotencyKey,
      operation: "createLinkToken",
      fingerprint,
      entityId: attemptId,
      createdAt: now,
    });
    if (kept === undefined) {
      await assertMayLink(parts, tx, request, now);
      await insertLinkAttempt(tx, {
        attemptId,
        userId: request.userId,
        itemId: request.itemId,
        createdAt: now,
        claimedUntil,
      });
      return { attempt: await findLinkAttempt(tx, attemptId), isMine: true, isReplay: false };
    }
    if (kept.operation !== "createLinkToken" || kept.fingerprint !== fingerprint) throw idempotencyKeyReused();
    const attempt = await lockLinkAttempt(tx, kept.entityId);
    // Under our own new attempt's id, the key is ours: a COMMIT of this very call whose answer was lost.
    if (kept.entityId === attemptId) return { attempt, isMine: true, isReplay: false };
    const isAbandoned = attempt?.status === "CREATING" && (attempt.claimedUntil ?? 0n) <= now;
    if (isAbandoned) await changeLinkAttempt(tx, kept.entityId, { status: "CREATING", claimedUntil });
    return { attempt, isMine: isAbandoned, isReplay: true };
  });
  const { attempt } = begun;
  if (attempt === undefined) throw new Error("a visit to Link that was written is not there");
  return { ...begun, attempt };
}

async function assertMayLink(
  parts: LinkParts,
  tx: Transaction,
  request: LinkTokenRequest,
  now: Instant,
): Promise<void> {
  if (request.itemId !== undefined) {
    const item = await lockLinkedItem(tx, request.itemId);
    if (item === undefined || item.userId !== request.userId) throw itemNotFound();
    if (!mayRepair(item.status))
      throw badInput("input.itemId", "ITEM_NOT_REPAIRABLE", "This link cannot be repaired. Link again without itemId.");
  }
  const begun = await countLinkAttempts(tx, request.userId, laterBy(now, -DAY_MS));
  if (begun >= parts.linkTokensPerDay)
    throw new RequestError("RATE_LIMITED", "Too many visits to Link in a day. Try again later.", {
      retryAfterMs: QUOTA_RETRY_MS,
    });
}

async function askPlaid(parts: LinkParts, request: LinkTokenRequest, attempt: LinkAttemptRecord): Promise<LinkPage> {
  faultPoint("accounts.link.before-create");
  const made = await callPlaid(parts, request, attempt);
  faultPoint("accounts.link.after-create");
  const { linkToken, hostedLinkUrl } = made;
  const expiresAt = parseInstant(made.expiresAt);
  if (hostedLinkUrl === undefined || expiresAt === undefined)
    throw new Error("Plaid made a link token without a hosted page; enable Hosted Link for this client id");
  const text = JSON.stringify({ linkToken, hostedLinkUrl });
  const sealed = await parts.vault.sealText(text, ownerOf(attempt.userId, attempt.attemptId), PAGE_PURPOSE);
  await parts.transact(async (tx) => {
    const present = await lockLinkAttempt(tx, attempt.attemptId);
    if (present?.status === "OPEN") return; // a COMMIT of this very call whose answer was lost
    if (present?.status !== "CREATING")
      throw badInput("input.idempotencyKey", "LINK_TOKEN_OVER", "Everything linked was removed meanwhile. Ask again.");
    const now = parts.clock.now();
    await changeLinkAttempt(tx, attempt.attemptId, {
      status: "OPEN",
      linkTokenDigest: digestOf(linkToken),
      linkSealed: writeSealed(sealed),
      expiresAt,
      claimedUntil: null,
      nextPollAt: laterBy(now, FIRST_POLL_MS),
    });
  });
  return { linkToken, hostedLinkUrl, expiresAt };
}

async function callPlaid(parts: LinkParts, request: LinkTokenRequest, attempt: LinkAttemptRecord): Promise<LinkToken> {
  try {
    return await parts.plaid.createLinkToken({
      clientUserId: clientUserIdOf(parts.clientUserKey, attempt.userId),
      update: await updateOf(parts, request, attempt),
      deadlineMs: Math.max(1, Math.min(CALL_MS, request.timeLeftMs())),
    });
  } catch (error) {
    // A link token that nobody heard of expires unused: the next one with this key asks again, at once.
    await parts.transact(async (tx) => {
      const present = await lockLinkAttempt(tx, attempt.attemptId);
      if (present?.status !== "CREATING") return;
      const now = parts.clock.now();
      const nextPollAt = laterBy(now, DAY_MS);
      await changeLinkAttempt(tx, attempt.attemptId, { status: "CREATING", claimedUntil: now, nextPollAt });
    });
    throw toLinkError(error);
  }
}

async function updateOf(parts: LinkParts, request: LinkTokenRequest, attempt: LinkAttemptRecord) {
  if (attempt.itemId === null) return undefined;
  const accessToken = await openItemToken(parts, attempt.itemId);
  const [item] = await listLinkedItemsByIds(parts.database.sql, [attempt.itemId]);
  if (accessToken === undefined || item === undefined) throw itemNotFound();
  return {
    accessToken,
    itemKey: attempt.itemId,
    accountSelection: request.selectsAccounts || item.hasNewAccounts,
  };
}

/** One column for an envelope: base64 of its parts as JSON. */
function writeSealed(sealed: SealedSecret): Uint8Array {
  const encode = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  return Buffer.from(
    JSON.stringify({
      ...sealed,
      ciphertext: encode(sealed.ciphertext),
      nonce: encode(sealed.nonce),
      wrappedDek: encode(sealed.wrappedDek),
    }),
  );
}

function readSealed(stored: Uint8Array): SealedSecret {
  const parsed = JSON.parse(Buffer.from(stored).toString("utf8")) as Record<keyof SealedSecret, string>;
  const decode = (text: string) => Buffer.from(text, "base64");
  return {
    ciphertext: decode(parsed.ciphertext),
    nonce: decode(parsed.nonce),
    wrappedDek: decode(parsed.wrappedDek),
    kekId: parsed.kekId,
    algVersion: Number(parsed.algVersion),
  };
}
