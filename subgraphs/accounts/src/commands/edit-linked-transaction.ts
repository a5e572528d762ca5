import type { Viewer } from "@florin/auth";
import { appendOutbox } from "@florin/db";
import {
  editLinkedTransaction as saveEdit,
  listLinkedAccountsByIds,
  listLinkedItemsByIds,
  listLinkedTransactionsByIds,
  type LinkedTransactionRecord,
} from "@florin/db/accounts";
import { assertInput, notFound, parseId, type FieldFault } from "@florin/kernel";
import { checkIdempotencyKey } from "../input-checks.js";
import { linkedItemUpdated } from "../linked/linked-events.js";
import type { RequestFacts, Services } from "../services.js";
import { claimKey, ownsLinked, POSITION_WAIT_MS } from "./linked-command.js";

export interface EditLinkedTransactionInput {
  readonly transactionId: string;
  readonly category?: string | null | undefined;
  readonly note?: string | null | undefined;
  readonly idempotencyKey: string;
}

export interface EditLinkedTransactionOutcome {
  readonly transaction: LinkedTransactionRecord;
  readonly isReplay: boolean;
  readonly position: bigint | undefined;
}

const MAX_CATEGORY = 100;
const MAX_NOTE = 500;
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f\u2028\u2029]/;

/** The viewer's own word on a transaction. What the institution says stays beside it, and a sync never touches it. */
export async function editLinkedTransaction(
  services: Services,
  viewer: Viewer,
  input: EditLinkedTransactionInput,
  facts: RequestFacts,
): Promise<EditLinkedTransactionOutcome> {
  const faults: FieldFault[] = [];
  checkIdempotencyKey(input.idempotencyKey, faults);
  const category = parseText(input.category, "input.category", MAX_CATEGORY, faults);
  const note = parseText(input.note, "input.note", MAX_NOTE, faults);
  assertInput(faults);
  const transactionId = parseId("linkedTransaction", input.transactionId);
  if (transactionId === undefined) throw notFound("linked transaction");
  const eventId = services.ids.next();
  const position = services.answers.expectPosition(eventId, Math.min(POSITION_WAIT_MS, facts.timeLeftMs()));
  const outcome = await services.transact(async (tx) => {
    const find = async () => (await listLinkedTransactionsByIds(tx, [transactionId]))[0];
    const known = await find();
    if (known === undefined || !ownsLinked(viewer, known.userId)) throw notFound("linked transaction");
    const isReplay = await claimKey(services, tx, viewer, {
      idempotencyKey: input.idempotencyKey,
      operation: "editLinkedTransaction",
      // What is left out is not what is null.
      fingerprint: { transactionId: input.transactionId, category: { is: category }, note: { is: note } },
      entityId: transactionId,
    });
    if (isReplay) return { transaction: known, isReplay };
    await saveEdit(tx, transactionId, { category, note }, services.clock.now());
    const [account] = await listLinkedAccountsByIds(tx, [known.linkedAccountId]);
    const [item] = account === undefined ? [] : await listLinkedItemsByIds(tx, [account.itemId]);
    if (item !== undefined) {
      const about = { ...item, reason: item.statusReason ?? undefined };
      await appendOutbox(tx, "accounts", [{ ...linkedItemUpdated(services, about, facts.correlationId), eventId }]);
    }
    return { transaction: (await find()) ?? known, isReplay };
  });
  if (!outcome.isReplay) services.wakeRelay();
  return { ...outcome, position: outcome.isReplay ? undefined : await position };
}

/** undefined: stays. null, and text of nothing but spaces: taken back. */
function parseText(
  text: string | null | undefined,
  path: string,
  maxLength: number,
  faults: FieldFault[],
): string | null | undefined {
  if (text === undefined || text === null) return text;
  const trimmed = text.normalize("NFC").trim();
  if ([...trimmed].length > maxLength)
    faults.push({ path, code: "TEXT_TOO_LONG", message: `Use at most ${maxLength} characters.` });
  else if (CONTROL.test(trimmed))
    faults.push({ path, code: "TEXT_INVALID", message: "Use text without control characters." });
  return trimmed === "" ? null : trimmed;
}
