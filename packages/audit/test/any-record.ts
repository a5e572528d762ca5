import fc from "fast-check";
import type { AuditJson } from "../src/canonical-json.js";
import type { BatchRecord, OperationPart, PostingPart, ResourceRecord } from "../src/record.js";

/** Records of every shape, for properties: whatever a column can hold stands in them. */
// Text as PostgreSQL can hold it: no NUL, no half of a surrogate pair.
const anyText = fc.string({ unit: "binary", maxLength: 12 }).map((text) => text.replaceAll("\u0000", "\u0001"));
export const anyJson: fc.Arbitrary<AuditJson> = fc
  .jsonValue({ maxDepth: 3 })
  .map((value) => JSON.parse(JSON.stringify(value)));
const anyUuid = fc.uuid();
const anyInstant = fc
  .tuple(fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }), fc.integer({ min: 0, max: 999 }))
  .map(([date, micros]) => date.toISOString().replace("Z", `${String(micros).padStart(3, "0")}Z`));
const anyCount = fc.bigInt({ min: 1n, max: 1_000_000_000_000n }).map(String);
const anyAmount = fc
  .tuple(fc.bigInt({ min: -1_000_000_000_000n, max: 1_000_000_000_000n }), fc.nat({ max: 9_999_999 }))
  .map(([whole, part]) => `${whole}.${String(part).padStart(7, "0")}`);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const anyOperation: fc.Arbitrary<OperationPart> = fc.record({
  operationId: anyUuid,
  principal: anyText,
  idempotencyKey: anyText,
  fingerprint: anyText,
  type: anyText,
  status: fc.constantFrom("COMPLETED", "REJECTED"),
  rejectionCode: maybe(anyText),
  rejectionMessage: maybe(anyText),
  accountId: maybe(anyUuid),
  amount: maybe(anyAmount),
  denomination: maybe(anyText),
  correlationId: anyText,
  createdAt: anyInstant,
  completedAt: anyInstant,
});

const anyPosting = (valueAt: string, bookedAt: string): fc.Arbitrary<PostingPart> =>
  fc.record({
    ordinal: fc.nat({ max: 3 }),
    accountId: anyUuid,
    accountSeq: anyCount,
    address: fc.oneof(fc.constant("DEFAULT"), anyText),
    asset: fc.oneof(fc.constant("COMMERCIAL_BANK_MONEY"), anyText),
    denomination: anyText,
    phase: fc.constantFrom("COMMITTED", "PENDING_IN", "PENDING_OUT"),
    side: fc.constantFrom("DEBIT", "CREDIT"),
    amount: anyAmount,
    valueAt: fc.oneof(fc.constant(valueAt), anyInstant),
    bookedAt: fc.oneof(fc.constant(bookedAt), anyInstant),
    committedAfter: anyAmount,
    pendingInAfter: anyAmount,
    pendingOutAfter: anyAmount,
  });

const anyInstructions = (clientId: string) =>
  fc.uniqueArray(
    fc.record({
      ordinal: fc.nat({ max: 5 }),
      type: anyText,
      clientId: maybe(fc.oneof(fc.constant(clientId), anyText)),
      clientTransactionId: anyText,
      terms: maybe(anyJson),
      effect: maybe(anyJson),
      reversesBatchId: maybe(anyUuid),
      reversesOrdinal: maybe(fc.nat({ max: 9 })),
    }),
    { maxLength: 4, selector: ({ ordinal }) => ordinal },
  );

export const anyBatchRecord: fc.Arbitrary<BatchRecord> = fc
  .tuple(anyInstant, anyInstant, anyText)
  .chain(([valueAt, bookedAt, clientId]) =>
    fc.record({
      seq: anyCount,
      knownAt: anyInstant,
      batchId: anyUuid,
      clientId: fc.constant(clientId),
      clientBatchId: maybe(anyText),
      origin: anyText,
      emittedBy: maybe(anyUuid),
      cascadeDepth: maybe(fc.nat({ max: 8 })),
      status: fc.constantFrom("ACCEPTED", "REJECTED"),
      valueAt: fc.constant(valueAt),
      bookedAt: fc.constant(bookedAt),
      rejections: anyJson,
      remarks: maybe(anyJson),
      detailsDigest: maybe(fc.constant("ab".repeat(32))),
      operation: maybe(anyOperation),
      instructions: anyInstructions(clientId),
      postings: fc.uniqueArray(anyPosting(valueAt, bookedAt), {
        maxLength: 5,
        selector: ({ accountId, accountSeq }) => `${accountId} ${accountSeq}`,
      }),
    }),
  );

export const anyResourceRecord: fc.Arbitrary<ResourceRecord> = fc.record({
  seq: anyCount,
  knownAt: anyInstant,
  kind: anyText,
  key: anyText,
  principal: anyText,
  correlationId: anyText,
  body: anyText,
});
