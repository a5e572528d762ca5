import {
  createCheckpointSigner,
  createRangeBuilder,
  digestOfFreeText,
  GENESIS,
  leafHash,
  linkOf,
  recordText,
  type AuditEntry,
  type AuditRecord,
  type BatchRecord,
  type FreeText,
  type PostingPart,
} from "../src/index.js";

/** A small book whose records are in order: deposits, a hold, a refusal, resource changes. For verifiers to read and for tests to damage. */
export const ORIGIN = "florin.test/book/main";
export const signer = createCheckpointSigner(ORIGIN, new Uint8Array(32).fill(1));

const accountA = "0190a2b4-7c1d-7e3f-8a5b-00000000000a";
const accountB = "0190a2b4-7c1d-7e3f-8a5b-00000000000b";
const uuid = (n: number): string => `0190a2b4-7c1d-7e3f-8a5b-${String(n).padStart(12, "0")}`;
const at = (n: number): string => `2026-01-31T09:00:00.${String(n).padStart(6, "0")}Z`;

type Phase = "COMMITTED" | "PENDING_OUT";
/** A of sense LIABILITY, B of sense ASSET: the same legs, told the other way round. */
export function sampleRecords(): { record: AuditRecord; freeText?: NonNullable<AuditEntry["freeText"]> }[] {
  const nets = { COMMITTED: 0, PENDING_OUT: 0 };
  let accountSeq = 0;
  const legs = (phase: Phase, amount: number, n: number): PostingPart[] => {
    nets[phase] += amount;
    accountSeq++;
    return [accountA, accountB].map((accountId, index) => ({
      ordinal: 0,
      accountId,
      accountSeq: String(accountSeq),
      address: "DEFAULT",
      asset: "COMMERCIAL_BANK_MONEY",
      denomination: "USD",
      phase,
      side: amount > 0 === (index === 0) ? "CREDIT" : "DEBIT",
      amount: `${Math.abs(amount)}.00`,
      valueAt: at(n),
      bookedAt: at(n),
      committedAfter: `${nets.COMMITTED}.0000000`,
      pendingInAfter: "0",
      pendingOutAfter: `${nets.PENDING_OUT}.00`,
    }));
  };
  const batch = (n: number, postings: PostingPart[], more: Partial<BatchRecord> = {}): BatchRecord => ({
    seq: String(n),
    knownAt: at(n),
    batchId: uuid(n),
    clientId: "usr_client",
    origin: "CLIENT",
    status: "ACCEPTED",
    valueAt: at(n),
    bookedAt: at(n),
    rejections: [],
    operation: {
      operationId: uuid(1000 + n),
      principal: "usr_client",
      idempotencyKey: `key "${n}" é`,
      fingerprint: "ab".repeat(32),
      type: "OTHER",
      status: "COMPLETED",
      accountId: accountA,
      amount: "1.00",
      denomination: "USD",
      correlationId: `cor-${n}`,
      createdAt: at(n),
      completedAt: at(n),
    },
    instructions:
      postings.length === 0 ? [] : [{ ordinal: 0, type: "CUSTOM_INSTRUCTION", clientTransactionId: `ctx-${n}` }],
    postings,
    ...more,
  });
  const salt = new Uint8Array(16).fill(9);
  const text: FreeText = {
    batch: { note: "rent, März" },
    instructions: [{ ordinal: 0, details: { reference: "A-17" } }],
  };
  const proposed: FreeText = { instructions: [], proposed: { instructions: [{ amount: "1000000.00" }] } };
  return [
    {
      record: {
        seq: "1",
        knownAt: at(1),
        kind: "account.opened",
        key: "acct_a",
        principal: "svc",
        correlationId: "c",
        body: '{"tside":"LIABILITY"}',
      },
    },
    {
      record: batch(2, legs("COMMITTED", 100, 2), { detailsDigest: digestOfFreeText(salt, text) }),
      freeText: { salt, text },
    },
    { record: batch(3, legs("PENDING_OUT", -40, 3), { remarks: { acceptedDespite: ["LIMIT"] } }) },
    {
      record: batch(4, [], {
        status: "REJECTED",
        rejections: [{ code: "INSUFFICIENT_FUNDS", message: "not enough" }],
        detailsDigest: digestOfFreeText(salt, proposed),
      }),
      freeText: { salt, text: proposed },
    },
    { record: batch(5, [...legs("PENDING_OUT", 40, 5), ...legs("COMMITTED", -40, 5)]) },
    {
      record: {
        seq: "6",
        knownAt: at(6),
        kind: "parameter.changed",
        key: "acct_a",
        principal: "usr_op",
        correlationId: "c",
        body: "{}",
      },
    },
  ];
}

/** Links from the genesis on, as the writer gives them. `unchained`: so many of the first have none. */
export function chain(
  records: readonly { readonly record: AuditRecord; readonly freeText?: AuditEntry["freeText"] }[],
  { unchained = 0 } = {},
): AuditEntry[] {
  let link = GENESIS;
  return records.map(({ record, freeText }, index) => {
    if (index < unchained) return { record, link: undefined, freeText };
    link = linkOf(link, recordText(record));
    return { record, link, freeText };
  });
}

/** The signed checkpoint after the entry with this seq. */
export function checkpointAt(entries: readonly AuditEntry[], seq: string): string {
  const tree = createRangeBuilder();
  for (const { record, link } of entries) {
    if (link === undefined) continue;
    tree.append(leafHash(link));
    if (record.seq === seq)
      return signer.sign({
        origin: ORIGIN,
        size: tree.range().size,
        root: tree.root(),
        seq: BigInt(seq),
        link,
        knownAt: record.knownAt,
      });
  }
  throw new Error(`there is no record ${seq}`);
}
