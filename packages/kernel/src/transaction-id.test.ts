import fc from "fast-check";
import { asUuid, formatId, uuidV8, type Uuid } from "./ids.js";
import { formatTransactionId, parseTransactionId } from "./transaction-id.js";

const account = asUuid("018f0000-0000-7000-8000-000000000001");
const uuids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes): Uuid => uuidV8(bytes));

test("is the account's id and the sequence in base 32", () => {
  const id = formatTransactionId(account, 33n);
  expect(id).toBe(`txn_${formatId("account", account).slice("acct_".length)}_11`);
  expect(parseTransactionId(id)).toEqual({ accountId: account, accountSeq: 33n });
});

test("reads back what it wrote, and only that", () => {
  fc.assert(
    fc.property(uuids, fc.bigInt({ min: 1n, max: 2n ** 63n - 1n }), (accountId, accountSeq) => {
      const id = formatTransactionId(accountId, accountSeq);
      expect(parseTransactionId(id)).toEqual({ accountId, accountSeq });
    }),
  );
});

test.each(["", "txn_", "acct_018f", "txn_zzzzzzzzzzzzzzzzzzzzzzzzzz_1", `${formatTransactionId(account, 1n)} `])(
  "is not one: %j",
  (text) => expect(parseTransactionId(text)).toBeUndefined(),
);

test("has one spelling: no leading zero, no upper case, nothing past a bigint column", () => {
  const id = formatTransactionId(account, 1n);
  expect(parseTransactionId(id.replace(/_1$/, "_01"))).toBeUndefined();
  expect(parseTransactionId(id.toUpperCase())).toBeUndefined();
  expect(parseTransactionId(id.replace(/_1$/, "_fzzzzzzzzzzzz"))).toBeUndefined();
  expect(() => formatTransactionId(account, 0n)).toThrow("not an account sequence");
});

test("the last sequence that a bigint column holds has an id, the next has none", () => {
  const last = 2n ** 63n - 1n;
  expect(parseTransactionId(formatTransactionId(account, last))).toEqual({ accountId: account, accountSeq: last });
  expect(() => formatTransactionId(account, last + 1n)).toThrow("not an account sequence");
  expect(
    parseTransactionId(formatTransactionId(account, last).replace(/7zzzzzzzzzzzz$/, "8000000000000")),
  ).toBeUndefined();
  expect(parseTransactionId(`x${formatTransactionId(account, 1n)}`)).toBeUndefined();
});
