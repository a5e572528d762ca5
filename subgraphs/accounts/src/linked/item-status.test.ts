import { addMicros, instantFromMillis } from "@florin/kernel";
import { plaidErrorClasses } from "@florin/plaid";
import fc from "fast-check";
import {
  mayCall,
  nextActionOf,
  nextStanding,
  type ItemSignal,
  type ItemStanding,
  type LinkedItemStatus,
} from "./item-status.js";

const now = instantFromMillis(Date.UTC(2026, 10, 21));
const DAY = 86_400_000_000n;
const inDays = (days: number) => addMicros(now, BigInt(days) * DAY);
const healthy: ItemStanding = { status: "HEALTHY", reason: undefined, expiresAt: undefined, hasNewAccounts: false };
const after = (...signals: readonly ItemSignal[]): ItemStanding => signals.reduce(nextStanding, healthy);
const failed = (errorCode: string, errorClass: (typeof plaidErrorClasses)[number]): ItemSignal => ({
  kind: "CALL_FAILED",
  error: { errorCode, class: errorClass },
});
const read = (consentExpiresAt = undefined as ReturnType<typeof inDays> | undefined): ItemSignal => ({
  kind: "ITEM_READ",
  error: undefined,
  consentExpiresAt,
  now,
});

describe("an item's standing", () => {
  test.each<[string, readonly ItemSignal[], LinkedItemStatus, string | undefined, string | undefined]>([
    ["a wrong login", [failed("ITEM_LOGIN_REQUIRED", "RELINK")], "LOGIN_REQUIRED", "ITEM_LOGIN_REQUIRED", "RELINK"],
    ["a lock", [failed("ITEM_LOCKED", "USER_AT_BANK")], "ACTION_AT_INSTITUTION", "ITEM_LOCKED", "ACT_AT_INSTITUTION"],
    ["an item that is gone", [failed("ITEM_NOT_FOUND", "GONE")], "REVOKED", "ITEM_NOT_FOUND", "LINK_AGAIN"],
    ["a dead token", [failed("INVALID_ACCESS_TOKEN", "GONE")], "TOKEN_LOST", "INVALID_ACCESS_TOKEN", "LINK_AGAIN"],
    [
      "an institution that is down",
      [failed("INSTITUTION_DOWN", "TRANSIENT")],
      "INSTITUTION_DOWN",
      "INSTITUTION_DOWN",
      "WAIT",
    ],
    ["Plaid's own trouble", [failed("INTERNAL_SERVER_ERROR", "TRANSIENT")], "HEALTHY", undefined, undefined],
    [
      "a product that does not apply",
      [failed("NO_LIABILITY_ACCOUNTS", "NOT_APPLICABLE")],
      "HEALTHY",
      undefined,
      undefined,
    ],
    ["new accounts", [{ kind: "NEW_ACCOUNTS" }], "HEALTHY", undefined, "ADD_ACCOUNTS"],
    ["withdrawn permission", [{ kind: "PERMISSION_REVOKED" }], "REVOKED", "USER_PERMISSION_REVOKED", "LINK_AGAIN"],
    [
      "a login repaired",
      [failed("ITEM_LOGIN_REQUIRED", "RELINK"), { kind: "REPAIRED" }],
      "HEALTHY",
      undefined,
      undefined,
    ],
    [
      "an outage that ended",
      [failed("INSTITUTION_DOWN", "TRANSIENT"), { kind: "CALL_SUCCEEDED", now }],
      "HEALTHY",
      undefined,
      undefined,
    ],
    ["consent that ends in months", [read(inDays(80))], "HEALTHY", undefined, undefined],
    ["consent that ends in days", [read(inDays(6))], "EXPIRING", "PENDING_EXPIRATION", "RELINK"],
  ])("after %s", (_what, signals, status, reason, action) => {
    const standing = after(...signals);
    expect([standing.status, standing.reason, nextActionOf(standing)]).toEqual([status, reason, action]);
  });

  test("keeps working while its end is announced, also through an outage and a reading that knows nothing of it", () => {
    const ending: ItemSignal = { kind: "ENDING", reason: "PENDING_DISCONNECT", expiresAt: inDays(7) };
    const announced = after(ending);
    expect(announced).toMatchObject({ status: "EXPIRING", reason: "PENDING_DISCONNECT", expiresAt: inDays(7) });
    expect(mayCall(announced.status)).toBe(true);
    expect(nextStanding(announced, read())).toBe(announced);
    const down = nextStanding(announced, failed("INSTITUTION_DOWN", "TRANSIENT"));
    expect(nextStanding(down, { kind: "CALL_SUCCEEDED", now })).toMatchObject({ status: "EXPIRING" });
  });

  test("does not let an outage cover what the person has to do, nor a reading a consent that a product lacks", () => {
    const locked = after(failed("ITEM_LOGIN_REQUIRED", "RELINK"));
    expect(nextStanding(locked, failed("INSTITUTION_DOWN", "TRANSIENT"))).toBe(locked);
    const lacking = after(failed("ADDITIONAL_CONSENT_REQUIRED", "RELINK"));
    expect(nextStanding(lacking, read()).status).toBe("LOGIN_REQUIRED");
  });

  const signal: fc.Arbitrary<ItemSignal> = fc.oneof(
    fc.record({
      kind: fc.constantFrom("CALL_FAILED" as const, "ERROR_REPORTED" as const),
      error: fc.record({
        errorCode: fc.constantFrom(
          "ITEM_LOGIN_REQUIRED",
          "ITEM_NOT_FOUND",
          "INVALID_ACCESS_TOKEN",
          "INSTITUTION_DOWN",
          "X",
        ),
        class: fc.constantFrom(...plaidErrorClasses),
      }),
    }),
    fc.constantFrom<ItemSignal>(
      { kind: "CALL_SUCCEEDED", now },
      { kind: "REPAIRED" },
      { kind: "NEW_ACCOUNTS" },
      { kind: "PERMISSION_REVOKED" },
      { kind: "ENDING", reason: "PENDING_DISCONNECT", expiresAt: inDays(7) },
      read(),
      read(inDays(3)),
      { kind: "TOKEN_LOST", reason: "NO_TOKEN" },
      { kind: "REMOVED", reason: "REQUESTED" },
    ),
  );

  test("is final when removed, ends a lost token in removal alone, and says nothing changed by the same object", () => {
    fc.assert(
      fc.property(fc.array(signal, { maxLength: 20 }), (signals) => {
        let standing = healthy;
        for (const one of signals) {
          const next = nextStanding(standing, one);
          if (standing.status === "REMOVED") expect(next).toBe(standing);
          if (standing.status === "TOKEN_LOST") expect(["TOKEN_LOST", "REMOVED"]).toContain(next.status);
          if (next !== standing) expect(next).not.toEqual(standing);
          expect(nextStanding(next, one)).toEqual(next); // hearing it twice is hearing it once
          expect(nextActionOf(next) === undefined).toBe(
            next.status === "REMOVED" || (next.status === "HEALTHY" && !next.hasNewAccounts),
          );
          standing = next;
        }
      }),
    );
  });
});
