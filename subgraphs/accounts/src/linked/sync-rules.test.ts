import { describe, expect, test } from "@jest/globals";
import { plaidErrorClasses } from "@florin/plaid";
import { instantFromMicros } from "@florin/kernel";
import fc from "fast-check";
import { listStale } from "./check-item.js";
import { planAfterFailure, waitAgain } from "./plan-after-failure.js";
import { toStorable, withStorableTexts } from "./storable-text.js";
import { readWebhookFacts } from "./webhook-facts.js";
import { reactToWebhook } from "./webhook-reaction.js";

const HOUR = 3_600_000;
const facts = { failures: 0, maxFailures: 12, waitedMs: 0, random: () => 0.5 };

describe("what becomes of a job whose call failed", () => {
  test.each(["RELINK", "USER_AT_BANK", "GONE", "TERMINAL", "NOT_APPLICABLE"] as const)("%s rests", (errorClass) => {
    expect(
      planAfterFailure({ class: errorClass, errorCode: "X", retryAfterMs: undefined }, facts).again,
    ).toBeUndefined();
  });

  test("what does not apply is no failure, and what is not ready waits as long again as it has waited", () => {
    const plan = (errorClass: "NOT_APPLICABLE" | "WAIT") =>
      planAfterFailure({ class: errorClass, errorCode: "X", retryAfterMs: undefined }, facts).productState;
    expect(plan("NOT_APPLICABLE")).toBe("NOT_APPLICABLE");
    expect(plan("WAIT")).toBe("NOT_READY");
    expect(waitAgain(0)?.afterMs).toBe(30_000);
    expect(waitAgain(90_000)?.afterMs).toBe(90_000);
    expect(waitAgain(9 * HOUR)?.afterMs).toBe(HOUR);
    expect(waitAgain(49 * HOUR)).toBeUndefined();
  });

  test("our own limit is nobody's failure: the turn comes", () => {
    const plan = planAfterFailure({ class: "BACKOFF", errorCode: "LOCAL_RATE_LIMIT", retryAfterMs: 4_000 }, facts);
    expect(plan).toEqual({
      productState: undefined,
      reason: "LOCAL_RATE_LIMIT",
      again: { afterMs: 4_000, isFailure: false },
    });
  });

  test("whoever says when is not asked before, and nobody is asked for ever", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...plaidErrorClasses),
        fc.integer({ min: 0, max: 20 }),
        fc.option(fc.integer({ min: 0, max: 100_000 }), { nil: undefined }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (errorClass, failures, retryAfterMs, drawn) => {
          const failure = { class: errorClass, errorCode: "X", retryAfterMs };
          const { again } = planAfterFailure(failure, { ...facts, failures, random: () => drawn });
          if (again === undefined) return;
          expect(again.afterMs).toBeGreaterThanOrEqual(errorClass === "BACKOFF" ? (retryAfterMs ?? 60_000) : 1_000);
          expect(again.afterMs).toBeLessThanOrEqual(7 * HOUR);
          if (again.isFailure) expect(failures).toBeLessThan(facts.maxFailures);
        },
      ),
    );
  });
});

describe("what an item is asked for when it was silent", () => {
  const at = (hours: number) => instantFromMicros(BigInt(hours) * 3_600_000_000n);
  const now = at(100);
  const synced = (hours: number) =>
    new Map(
      (["BALANCES", "TRANSACTIONS", "LIABILITIES", "INVESTMENTS"] as const).map((product) => [
        product,
        { state: "READY" as const, at: at(hours) },
      ]),
    );
  const never = { transactions: undefined, investments: undefined };

  test("nothing when it has no news and everything is fresh; everything when it is old", () => {
    expect(listStale(never, synced(99), now, 24 * HOUR)).toEqual([]);
    expect(listStale(never, synced(50), now, 24 * HOUR)).toEqual([
      "ACCOUNTS",
      "TRANSACTIONS",
      "LIABILITIES",
      "HOLDINGS",
      "INVESTMENT_TRANSACTIONS",
    ]);
  });

  test("what it has newer than we have", () => {
    const update = { lastSuccessfulAt: "1970-01-05T03:30:00Z", lastFailedAt: undefined };
    expect(listStale({ ...never, transactions: update }, synced(99), now, 24 * HOUR)).toEqual([
      "ACCOUNTS",
      "TRANSACTIONS",
    ]);
  });

  test("not for what does not apply", () => {
    const known = synced(50).set("LIABILITIES", { state: "READY", at: at(99) });
    for (const product of ["BALANCES", "TRANSACTIONS", "INVESTMENTS"] as const)
      (known as Map<string, unknown>).set(product, { state: "NOT_APPLICABLE", at: null });
    expect(listStale(never, known, now, 24 * HOUR)).toEqual([]);
  });
});

describe("what a webhook sets going", () => {
  test.each([
    ["TRANSACTIONS", "SYNC_UPDATES_AVAILABLE", ["TRANSACTIONS"]],
    ["TRANSACTIONS", "HISTORICAL_UPDATE", []],
    ["LIABILITIES", "DEFAULT_UPDATE", ["LIABILITIES", "ACCOUNTS"]],
    ["HOLDINGS", "DEFAULT_UPDATE", ["HOLDINGS", "ACCOUNTS"]],
    ["INVESTMENTS_TRANSACTIONS", "DEFAULT_UPDATE", ["INVESTMENT_TRANSACTIONS"]],
    ["INVESTMENTS_TRANSACTIONS", "HISTORICAL_UPDATE", ["INVESTMENT_TRANSACTIONS"]],
    ["ITEM", "ERROR", ["ITEM"]],
    ["ITEM", "USER_PERMISSION_REVOKED", []],
    ["ITEM", "SOMETHING_NEW", []],
    ["SOMETHING_ELSE", "DEFAULT_UPDATE", []],
  ])("%s %s: %j", (type, code, jobs) => {
    expect(reactToWebhook(type, code, {}).jobs).toEqual(jobs);
  });

  test("revoking an account needs no error in the body, and names it", () => {
    expect(reactToWebhook("ITEM", "USER_ACCOUNT_REVOKED", { account_id: "abc" }).revokesAccount).toBe("abc");
    expect(reactToWebhook("ITEM", "USER_ACCOUNT_REVOKED", {}).revokesAccount).toBeUndefined();
  });

  test("an end that was announced has its reason and its time", () => {
    const told = { reason: "INSTITUTION_MIGRATION", disconnect_time: "2026-12-01T00:00:00Z" };
    expect(reactToWebhook("ITEM", "PENDING_DISCONNECT", told).signal).toMatchObject({
      kind: "ENDING",
      reason: "INSTITUTION_MIGRATION",
      expiresAt: 1_796_083_200_000_000n,
    });
  });
});

describe("what is kept of a webhook", () => {
  test("codes, dates and ids from a closed list; no token, no name, no amount", () => {
    const { facts: kept, linkToken } = readWebhookFacts({
      webhook_type: "LINK",
      webhook_code: "SESSION_FINISHED",
      link_token: "link-sandbox-1",
      public_tokens: ["public-sandbox-1"],
      reason: "not a code",
      account_id: "abc",
      disconnect_time: "tomorrow",
      consent_expiration_time: "2026-12-01T00:00:00Z",
      historical_update_complete: true,
      error: { error_code: "ITEM_LOGIN_REQUIRED", display_message: "Hello" },
    });
    expect(kept).toEqual({
      account_id: "abc",
      consent_expiration_time: "2026-12-01T00:00:00Z",
      historical_update_complete: true,
      error_code: "ITEM_LOGIN_REQUIRED",
    });
    expect(linkToken).toBe("link-sandbox-1");
  });

  test("reads any body at all", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (body) => {
        const read = readWebhookFacts(body);
        expect(read.type.length).toBeLessThanOrEqual(100);
        expect(Object.keys(read.facts).length).toBeLessThanOrEqual(7);
      }),
    );
  });
});

describe("text of institutions", () => {
  test("is kept as it is, but for what no table can hold", () => {
    expect(toStorable("قهوة 👩‍👩‍👧 \u0000x")).toBe("قهوة 👩‍👩‍👧 x");
    expect(toStorable("half \ud83d")).toBe("half \ufffd");
    expect(withStorableTexts({ a: ["\0", { b: "\0c" }], n: null, t: true })).toEqual({
      a: ["", { b: "c" }],
      n: null,
      t: true,
    });
  });
});
