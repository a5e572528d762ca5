import fc from "fast-check";
import { canonicalJson, type AuditJson } from "./canonical-json.js";
import { GENESIS, linkOf } from "./chain.js";
import { digestOfFreeText, hasFreeText } from "./free-text.js";
import { recordText, type AuditRecord, type BatchRecord, type InstructionPart, type PostingPart } from "./record.js";
import { anyBatchRecord, anyJson, anyResourceRecord } from "../test/any-record.js";

// The slow serialiser: the members of record.ts in a list, and JSON.stringify for everything.
const postingMembers =
  "ordinal accountId accountSeq address asset denomination phase side amount valueAt bookedAt committedAfter pendingInAfter pendingOutAfter";
const members = {
  batch:
    "seq knownAt batchId clientId clientBatchId origin emittedBy cascadeDepth status valueAt bookedAt rejections remarks detailsDigest operation instructions postings",
  operation:
    "operationId principal idempotencyKey fingerprint type status rejectionCode rejectionMessage accountId amount denomination correlationId createdAt completedAt",
  instruction: "ordinal type clientId clientTransactionId terms effect reversesBatchId reversesOrdinal",
  posting: postingMembers,
  resource: "seq knownAt kind key principal correlationId body",
};

/** Maps keep the order that they are given; objects do not where a key is a number. */
type Ordered = AuditJson | undefined | ReadonlyMap<string, Ordered> | readonly Ordered[];

function print(value: Ordered): string {
  if (value instanceof Map) {
    const present = [...value].filter(([, member]) => member !== undefined);
    return `{${present.map(([key, member]: [string, Ordered]) => `${JSON.stringify(key)}:${print(member)}`).join(",")}}`;
  }
  return Array.isArray(value) ? `[${value.map((one: Ordered) => print(one)).join(",")}]` : JSON.stringify(value);
}

function inOrder(value: object, list: string): Map<string, Ordered> {
  const source = new Map<string, Ordered>(Object.entries(value));
  return new Map(list.split(" ").map((name) => [name, source.get(name)]));
}

function sorted(value: AuditJson | undefined): Ordered {
  if (Array.isArray(value)) return value.map((one: AuditJson) => sorted(one));
  if (value === null || typeof value !== "object") return value;
  const entries: [string, AuditJson | undefined][] = Object.entries(value);
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, member]) => [key, sorted(member)]));
}

function slowText(record: AuditRecord): string {
  if (!("batchId" in record))
    return print(new Map<string, Ordered>([["v", 1], ["record", "resource"], ...inOrder(record, members.resource)]));
  const usual: Readonly<Record<string, string>> = {
    address: "DEFAULT",
    asset: "COMMERCIAL_BANK_MONEY",
    phase: "COMMITTED",
    valueAt: record.valueAt,
    bookedAt: record.bookedAt,
  };
  const posting = (one: PostingPart) =>
    new Map([...inOrder(one, members.posting)].filter(([name, value]) => usual[name] !== value));
  const instruction = (one: InstructionPart) =>
    new Map(
      [...inOrder(one, members.instruction)].filter(
        ([name, value]) => name !== "clientId" || value !== record.clientId,
      ),
    );
  const order = (a: PostingPart, b: PostingPart) =>
    a.ordinal - b.ordinal ||
    (a.accountId < b.accountId
      ? -1
      : a.accountId > b.accountId
        ? 1
        : Number(BigInt(a.accountSeq) - BigInt(b.accountSeq)));
  const parts = inOrder(record, members.batch)
    .set("rejections", sorted(record.rejections))
    .set("remarks", sorted(record.remarks ?? undefined))
    .set("operation", record.operation && inOrder(record.operation, members.operation))
    .set(
      "instructions",
      [...record.instructions]
        .sort((a, b) => a.ordinal - b.ordinal)
        .map((one) =>
          instruction(one)
            .set("terms", sorted(one.terms ?? undefined))
            .set("effect", sorted(one.effect ?? undefined)),
        ),
    )
    .set("postings", [...record.postings].sort(order).map(posting));
  return print(new Map<string, Ordered>([["v", 1], ["record", "batch"], ...parts]));
}

test("AUD-1: the text by hand is the text of a slow serialiser over the documented members", () => {
  fc.assert(
    fc.property(fc.oneof(anyBatchRecord, anyResourceRecord), (record) => {
      expect(recordText(record)).toBe(slowText(record));
    }),
    { numRuns: 500 },
  );
});

test("canonical JSON does not depend on the order of keys, and is JSON", () => {
  fc.assert(
    fc.property(anyJson, (value) => {
      const text = canonicalJson(value);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      expect(canonicalJson(reversedKeys(value))).toBe(text);
    }),
  );
  expect(canonicalJson({ b: [1, { d: null, c: 'é"\\\n\ud83d\ude00' }], a: undefined })).toBe(
    '{"b":[1,{"c":"é\\"\\\\\\n😀","d":null}]}',
  );
  // As they come back from a jsonb column.
  const numbers = [Number.POSITIVE_INFINITY, -0, 1e21, 5e-324, 0.1];
  expect(canonicalJson(numbers)).toBe("[null,0,1e+21,5e-324,0.1]");
  expect(canonicalJson(numbers)).toBe(canonicalJson(JSON.parse(JSON.stringify(numbers))));
});

function reversedKeys(value: AuditJson): AuditJson {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((one: AuditJson) => reversedKeys(one));
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]: [string, AuditJson | undefined]) => [
        key,
        member === undefined ? undefined : reversedKeys(member),
      ]),
  );
}

test("AUD-1: a link is SHA-256 over the link before and the text", () => {
  // printf '\0%.0s' {1..32} | cat - <(printf 'abc') | sha256sum, and the same over that with 'é'.
  const first = linkOf(GENESIS, "abc");
  expect(Buffer.from(first).toString("hex")).toBe("365aa7d8f7f9402c4b9434502b4cc89ddb09fe50d7cd95b493b834c62d5a5370");
  expect(Buffer.from(linkOf(first, "é")).toString("hex")).toBe(
    "05dcfdbe0523f84b5107a7b794a718f62cd0e2f93ad6688d2c4e4b25362ac250",
  );
  expect(() => linkOf(first.subarray(1), "abc")).toThrow("A link has 32 bytes");
});

test("a link does not share memory with the next one, and long texts are hashed whole", () => {
  const long = "x".repeat(200_000);
  const one = linkOf(GENESIS, long);
  const copy = Uint8Array.from(one);
  expect(linkOf(one, `${long}y`)).not.toEqual(one);
  expect(one).toEqual(copy);
  expect(linkOf(GENESIS, `${long.slice(1)}y`)).not.toEqual(one);
});

test("AUD-4: the digest of free text depends on every part of it, and on the salt", () => {
  const salt = new Uint8Array(16).fill(7);
  const text = { batch: { note: "rent" }, instructions: [{ ordinal: 1, details: "b" }], proposed: undefined };
  const digests = [
    digestOfFreeText(salt, text),
    digestOfFreeText(new Uint8Array(16).fill(8), text),
    digestOfFreeText(salt, { ...text, batch: { note: "Rent" } }),
    digestOfFreeText(salt, { ...text, instructions: [{ ordinal: 0, details: "b" }] }),
    digestOfFreeText(salt, { ...text, instructions: [] }),
    digestOfFreeText(salt, { ...text, proposed: [null] }),
  ];
  expect(new Set(digests).size).toBe(digests.length);
  const silent = { batch: null, instructions: [{ ordinal: 0, details: null }], proposed: null };
  expect(hasFreeText(silent)).toBe(false);
  expect(hasFreeText(text)).toBe(true);
  expect(digestOfFreeText(salt, silent)).toBe(digestOfFreeText(salt, { instructions: [] }));
  expect(() => digestOfFreeText(new Uint8Array(8), text)).toThrow("A salt has at least 16 bytes");
});

test("a record whose parts come in another order has the same text", () => {
  fc.assert(
    fc.property(anyBatchRecord, (record: BatchRecord) => {
      const shuffled = {
        ...record,
        instructions: [...record.instructions].reverse(),
        postings: [...record.postings].reverse(),
      };
      expect(recordText(shuffled)).toBe(recordText(record));
    }),
  );
});
