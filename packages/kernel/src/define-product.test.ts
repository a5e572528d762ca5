import { ADA, dollars, id, NOW, OPENED, USD } from "../test/book-fixture.js";
import { coordinateKey, NO_TOTALS } from "./balance.js";
import { defineProduct, type ProductTerms } from "./define-product.js";
import { failureEffects, recordExecution, replayExecution, runHook } from "./hook-execution.js";
import { hookKinds, readableBy, type HookAccount, type HookData, type Hooks } from "./hook.js";
import type { Amount } from "./money.js";
import type { Product } from "./product.js";
import { refuse } from "./refusal.js";

const me: HookAccount = { accountId: ADA, denomination: USD, tside: "LIABILITY", openedAt: OPENED };
const at0 = { address: "DEFAULT", asset: "COMMERCIAL_BANK_MONEY", denomination: USD, phase: "COMMITTED" } as const;
const snapshot = { [coordinateKey(at0)]: { ...NO_TOTALS, totalCredit: dollars("7.00") } };
const base = { code: "test", name: "Test", version: "1", tside: "LIABILITY" } as const;
const fee = { fee: { description: "A fee.", kind: "AMOUNT_NOT_NEGATIVE", defaultValue: "2" } } as const;

const post: HookData<"postPosting"> = {
  account: me,
  effectiveAt: NOW,
  parameters: { fee: "2.00" },
  flags: ["VIP"],
  observations: { now: snapshot, balances: snapshot },
  occasion: { instructions: [], batchId: id(7), backdated: false },
};

function productOf(hooks: ProductTerms<typeof fee, never>["hooks"]): Product {
  return defineProduct({ ...base, parameters: fee, hooks });
}

/** Never run: what must not compile is the test, and `tsc` its judge. */
export function typed(): void {
  const hooks = (write: ProductTerms<typeof fee, "left">["hooks"]) => write;
  hooks((on) => ({
    // HOOK-1 and the table of §2.9: prePosting objects and does not post.
    // @ts-expect-error -- a directive is no objection
    prePosting: on.prePosting({}, () => ({ postings: { instructions: [] } })),
    // @ts-expect-error -- one batch an execution, not a list of them (HOOK-1)
    postPosting: on.postPosting({}, () => ({ postings: [{ instructions: [] }] })),
    // @ts-expect-error -- it may refuse the change, and nothing else
    preParameterChange: on.preParameterChange({}, () => ({ postings: { instructions: [] } })),
    // @ts-expect-error -- what is committed cannot be rejected
    postParameterChange: on.postParameterChange({}, () => ({ reject: refuse("CONTRACT_REJECTED") })),
    // @ts-expect-error -- closing makes no schedules
    deactivation: on.deactivation({}, () => ({ schedules: [] })),
    // @ts-expect-error -- every declared derived parameter is answered
    derivedParameters: on.derivedParameters({}, () => ({ other: "1" })),
    // @ts-expect-error -- a conversion cannot be rejected by the hook
    conversion: on.conversion({}, () => ({ reject: refuse("CONTRACT_REJECTED") })),
  }));
  hooks((on) => ({
    // @ts-expect-error -- the hot path reads observations and no intervals (FET-5)
    prePosting: on.prePosting({ balanceIntervals: {} }, () => []),
    // @ts-expect-error -- deactivation reads postings and balances only
    deactivation: on.deactivation({ parameters: ["fee"] }, () => ({})),
    // @ts-expect-error -- there is no such parameter
    postPosting: on.postPosting({ parameters: ["fees"] }, () => ({})),
    // @ts-expect-error -- not declared, not there (FET-1)
    activation: on.activation({}, ({ parameters }) => ({ notifications: [{ type: String(parameters) }] })),
  }));
  hooks((on) => ({
    prePosting: on.prePosting({ observations: { now: { at: "LIVE" } }, flags: ["VIP"] }, (input) => {
      const net: Amount = input.observations.now.net();
      const isVip: boolean = input.flags.VIP;
      // @ts-expect-error -- another id than the declared one
      void input.observations.then;
      // @ts-expect-error -- another flag than the declared one
      void input.flags.BLOCKED;
      // @ts-expect-error -- prePosting has no batch id: nothing is committed
      void input.batchId;
      return net > 0n && isVip ? [] : [];
    }),
    derivedParameters: on.derivedParameters({ parameters: ["fee"] }, ({ parameters }) => {
      const amount: Amount = parameters.fee;
      return { left: amount.toString() };
    }),
  }));
}

describe("what a hook reads is what it declared (FET-1)", () => {
  test("decoded parameters, flags and observations by id", () => {
    const seen: unknown[] = [];
    const product = productOf((on) => ({
      postPosting: on.postPosting(
        { parameters: ["fee"], flags: ["VIP", "BLOCKED"], observations: { now: { at: "LIVE" } } },
        ({ parameters, flags, observations, effectiveAt, account: who }) => {
          seen.push(parameters.fee, flags.VIP, flags.BLOCKED, observations.now.net(), effectiveAt, who.accountId);
          seen.push(observations.now.nets().available);
          return {};
        },
      ),
    }));
    expect(runHook(product, "postPosting", post)).toEqual({ kind: "answered", answer: {} });
    expect(seen).toEqual([dollars("2.00"), true, false, dollars("7.00"), NOW, ADA, dollars("7.00")]);
  });

  /** Code without types, as it may be uploaded. */
  const untyped = (read: (input: Record<string, Record<string, unknown>>) => unknown, reads: object = {}): Product => {
    const run = (data: object) => {
      read(data as Record<string, Record<string, unknown>>);
      return {};
    };
    return productOf((on) => ({ postPosting: on.postPosting({ ...reads }, run) }));
  };
  test.each<[string, Product]>([
    ["a kind of data", untyped((input) => input["flags"])],
    ["a flag", untyped((input) => input["flags"]!["BLOCKED"], { flags: ["VIP"] })],
    ["a parameter", untyped((input) => input["parameters"]!["limit"], { parameters: ["fee"] })],
    ["a parameter that the product lacks", untyped(() => 0, { parameters: ["limit"] })],
    ["an observation", untyped((input) => input["observations"]!["then"], { observations: { now: { at: "LIVE" } } })],
  ])("at run time too: %s that was not declared throws", (_what, product) => {
    expect(runHook(product, "postPosting", post)).toMatchObject({
      kind: "failed",
      message: expect.stringContaining("UNDECLARED_READ"),
    });
  });

  test("an address or a phase that the observation did not ask for throws (FET-5)", () => {
    const reading = (address: string, phase: "COMMITTED" | "PENDING_OUT") =>
      runHook(
        productOf((on) => ({
          postPosting: on.postPosting(
            { observations: { now: { at: "LIVE", phases: ["COMMITTED"] } } },
            ({ observations }) => {
              observations.now.net(address, phase);
              return {};
            },
          ),
        })),
        "postPosting",
        post,
      ).kind;
    expect([
      reading("DEFAULT", "COMMITTED"),
      reading("POCKET", "COMMITTED"),
      reading("DEFAULT", "PENDING_OUT"),
    ]).toEqual(["answered", "failed", "failed"]);
  });

  test("intervals, calendars and last executions come by id; what was not fetched is the executor's fault", () => {
    const interval = { start: OPENED, end: NOW, opening: snapshot, changes: [] };
    const period = { calendarId: "bank", name: "holiday", from: OPENED, to: NOW };
    const seen: unknown[] = [];
    const product = productOf((on) => ({
      postPosting: on.postPosting(
        {
          balanceIntervals: { month: { start: "EFFECTIVE", end: "LIVE" } },
          postingIntervals: { week: { start: "EFFECTIVE", end: "LIVE" } },
          calendars: { holidays: { ids: ["bank"], start: "EFFECTIVE", end: "LIVE" } },
          lastExecutions: ["ACCRUE"],
        },
        ({ balanceIntervals, postingIntervals, calendars, lastExecutions }) => {
          seen.push(balanceIntervals.month.end, postingIntervals.week, calendars.holidays, lastExecutions.ACCRUE);
          return {};
        },
      ),
    }));
    const fetched = {
      balanceIntervals: { month: interval },
      postingIntervals: { week: [] },
      calendars: { holidays: [period] },
    };
    runHook(product, "postPosting", { ...post, ...fetched, lastExecutions: { ACCRUE: OPENED } });
    expect(seen).toEqual([NOW, [], [period], OPENED]);
    expect(runHook(product, "postPosting", post)).toMatchObject({
      kind: "failed",
      message: expect.stringContaining("not fetched"),
    });
  });

  test.each<[string, object, string]>([
    ["an observation", { observations: { now: { at: "LIVE" } } }, "observations now"],
    ["balances of a moment", { balances: "latest" }, "observations balances"],
    ["balances of a range", { balances: "1 day" }, "balanceIntervals balances"],
    ["postings of a range", { postings: "1 day" }, "postingIntervals postings"],
    ["an interval", { balanceIntervals: { month: { start: "LIVE", end: "LIVE" } } }, "balanceIntervals month"],
    ["postings", { postingIntervals: { week: { start: "LIVE", end: "LIVE" } } }, "postingIntervals week"],
    ["a calendar", { calendars: { days: { ids: ["bank"], start: "LIVE", end: "LIVE" } } }, "calendars days"],
  ])("%s that was declared and not fetched is named (FET-1)", (_what, reads, name) => {
    const unfetched = { ...post, observations: undefined };
    expect(
      runHook(
        untyped(() => 0, reads),
        "postPosting",
        unfetched,
      ),
    ).toEqual({
      kind: "failed",
      message: `${name} was declared and not fetched`,
    });
  });

  test("no flags fetched is none raised, no execution fetched is none so far", () => {
    const seen: unknown[] = [];
    const product = productOf((on) => ({
      postPosting: on.postPosting({ flags: ["VIP"], lastExecutions: ["ACCRUE"] }, ({ flags, lastExecutions }) => {
        seen.push(flags.VIP, lastExecutions.ACCRUE);
        return {};
      }),
    }));
    runHook(product, "postPosting", { ...post, flags: undefined });
    runHook(product, "postPosting", { ...post, lastExecutions: { OTHER: NOW } });
    expect(seen).toEqual([false, undefined, true, undefined]);
  });

  test.each<[string, object, (input: Record<string, Record<string, unknown>>) => unknown, RegExp]>([
    ["a parameter", { parameters: ["fee"] }, (input) => input["parameters"]!["x"], /x is not in parameters;/],
    ["a flag", { flags: ["VIP"] }, (input) => input["flags"]!["x"], /x is not in flags;/],
    ["an observation", { observations: {} }, (input) => input["observations"]!["x"], /x is not in observations;/],
    ["an execution", { lastExecutions: [] }, (input) => input["lastExecutions"]!["x"], /x is not in lastExecutions;/],
    ["a kind of data", {}, (input) => input["x"], /x is not in the input;/],
  ])("%s that is not there is told with where it was looked for", (_what, reads, read, message) => {
    expect(runHook(untyped(read, reads), "postPosting", post)).toMatchObject({
      message: expect.stringMatching(message),
    });
  });

  test("what JavaScript itself asks of an object throws nothing", () => {
    const printed: string[] = [];
    const print = (input: object) => printed.push(JSON.stringify(input), Object.prototype.toString.call(input));
    const printFlags = (input: Record<string, Record<string, unknown>>) => print(input["flags"]!);
    expect(runHook(untyped(printFlags, { flags: ["VIP"] }), "postPosting", post).kind).toBe("answered");
    expect(printed).toEqual(['{"VIP":true}', "[object Object]"]);
  });

  test("PI-2, FET-5: what is available is read where all phases are, and each phase where it was asked for", () => {
    const reading = (phases: readonly ("COMMITTED" | "PENDING_IN" | "PENDING_OUT")[] | undefined, all: boolean) =>
      runHook(
        productOf((on) => ({
          postPosting: on.postPosting({ observations: { now: { at: "LIVE", phases } } }, ({ observations }) => {
            if (all) observations.now.nets();
            else for (const phase of phases ?? []) observations.now.net("DEFAULT", phase);
            return {};
          }),
        })),
        "postPosting",
        post,
      ).kind;
    expect(reading(undefined, true)).toBe("answered");
    expect(reading(["PENDING_IN", "PENDING_OUT"], false)).toBe("answered");
    expect(reading(["COMMITTED", "PENDING_OUT"], true)).toBe("failed");
    expect(reading(["COMMITTED", "PENDING_IN"], true)).toBe("failed");
    expect(reading(["PENDING_IN", "PENDING_OUT"], true)).toBe("failed");
  });

  test("shorthands (FET-3): a moment is an observation, a range an interval", () => {
    const interval = { start: OPENED, end: NOW, opening: snapshot, changes: [] };
    const seen: unknown[] = [];
    const product = productOf((on) => ({
      postPosting: on.postPosting({ balances: "latest", postings: "1 month" }, ({ balances, postings }) => {
        seen.push(balances.net(), postings.length);
        return {};
      }),
      postParameterChange: on.postParameterChange({ balances: "1 month" }, ({ balances, newParameters }) => {
        seen.push("opening" in balances && balances.end, newParameters["fee"]);
        return {};
      }),
    }));
    runHook(product, "postPosting", { ...post, postingIntervals: { postings: [] } });
    const occasion = { oldParameters: {}, newParameters: { fee: "3.00" } };
    runHook(product, "postParameterChange", { ...post, balanceIntervals: { balances: interval }, occasion });
    expect(seen).toEqual([dollars("7.00"), 0, NOW, "3.00"]);
  });
});

describe("what a definition may ask for", () => {
  const defining = (kind: keyof Hooks, reads: object) => () =>
    productOf((on) => ({ [kind]: { ...on.postPosting({}, () => ({})), kind, reads } }) as Hooks);
  const year = { start: { origin: "EFFECTIVE", shift: { years: -1 } }, end: "EFFECTIVE" };
  const decade = { start: { origin: "EFFECTIVE", shift: { years: -10 } }, end: "EFFECTIVE" };

  test.each<[string, object]>([
    ["balances of a moment and observations", { balances: "latest", observations: {} }],
    ["balances of a range and intervals", { balances: "1 day", balanceIntervals: {} }],
    ["postings of a range and intervals", { postings: "1 day", postingIntervals: {} }],
  ])("FET-4: one kind of data is asked for in one way: %s", (_what, reads) => {
    expect(defining("postPosting", reads)).toThrow(/test: postPosting asks for (balances|postings) both .*FET-4/);
  });

  test("FET-4: balances by fetcher and postings by shorthand are two kinds", () => {
    expect(defining("postPosting", { observations: {}, balanceIntervals: {}, postings: "1 day" })).not.toThrow();
    expect(defining("postPosting", { postingIntervals: {}, balances: "1 day" })).not.toThrow();
  });

  test.each<[string, keyof Hooks, object, RegExp]>([
    ["FET-5: an interval on the hot path", "prePosting", { balances: "1 month" }, /FET-5/],
    ["FET-5: an interval fetcher on the hot path", "prePosting", { balanceIntervals: {} }, /may not read/],
    ["FET-5: more than 400 days", "postPosting", { postingIntervals: { all: decade } }, /FET-5/],
    ["FET-5: more than 400 days in words", "postPosting", { balances: "2 years" }, /FET-5/],
    ["parameters when it is closed", "deactivation", { parameters: ["fee"] }, /may not read/],
    ["a range that is none", "postPosting", { balances: "some time" }, /no range/],
    ["postings of a moment", "postPosting", { postings: "latest" }, /no range/],
  ])("%s", (_what, kind, reads, message) => {
    expect(defining(kind, reads)).toThrow(message);
  });

  test("a year is fine, and what is undefined is not asked for", () => {
    expect(defining("postPosting", { postingIntervals: { year }, balances: undefined })).not.toThrow();
  });

  test("FET-5: 400 days are fine, 401 are not", () => {
    const days = (count: number) => ({ all: { start: { origin: "LIVE", shift: { days: -count } }, end: "LIVE" } });
    expect(defining("postPosting", { postingIntervals: days(400) })).not.toThrow();
    expect(defining("postPosting", { balanceIntervals: days(400), postings: "400 days" })).not.toThrow();
    expect(defining("postPosting", { balanceIntervals: days(401) })).toThrow(/more than 400 days/);
    expect(defining("postPosting", { postings: "401 days" })).toThrow(/more than 400 days/);
  });

  test("a hook is of the kind that it was built as", () => {
    const { hooks } = productOf((on) => ({
      activation: on.activation({}, () => ({})),
      prePosting: on.prePosting({}, () => []),
      postPosting: on.postPosting({}, () => ({})),
      preParameterChange: on.preParameterChange({}, () => ({})),
      postParameterChange: on.postParameterChange({}, () => ({})),
      derivedParameters: on.derivedParameters({}, () => ({})),
      deactivation: on.deactivation({}, () => ({})),
      conversion: on.conversion({}, () => ({})),
    }));
    expect(Object.entries(hooks ?? {}).map(([name, { kind }]) => [name, kind])).toEqual(
      hookKinds.map((kind) => [kind, kind]),
    );
  });

  test("the table of §2.9: only the hot path has no intervals, only closing has no parameters", () => {
    expect(hookKinds.filter((kind) => !(readableBy[kind] as readonly string[]).includes("parameters"))).toEqual([
      "deactivation",
    ]);
    expect(readableBy.prePosting).not.toContain("balanceIntervals");
    expect(readableBy.prePosting).not.toContain("postingIntervals");
  });
});

describe("executions", () => {
  const answering = productOf((on) => ({
    postPosting: on.postPosting({ parameters: ["fee"] }, ({ parameters, effectiveAt }) => ({
      postings: {
        instructions: [
          {
            legs: [
              { account: "SELF", side: "DEBIT", amount: parameters.fee },
              { account: { internalCode: "FEE_INCOME" }, side: "CREDIT", amount: parameters.fee },
            ],
          },
        ],
        valueAt: effectiveAt,
      },
    })),
  }));

  test("HOOK-6: an absent hook is told apart from one that says nothing", () => {
    expect(runHook(answering, "deactivation", { ...post, occasion: {} })).toEqual({ kind: "absent" });
    expect(runHook({ ...answering, hooks: undefined }, "postPosting", post)).toEqual({ kind: "absent" });
  });

  test("what throws has failed as the table says, and no failure makes an account unusable (HOOK-5)", () => {
    const broken = productOf((on) => ({
      postPosting: on.postPosting({}, () => {
        throw new Error("division by zero");
      }),
    }));
    expect(runHook(broken, "postPosting", post)).toEqual({ kind: "failed", message: "division by zero" });
    expect(Object.keys(failureEffects)).toEqual(hookKinds);
  });

  test("HOOK-4: a recorded execution replays to the same bytes, through text and back", () => {
    const outcome = runHook(answering, "postPosting", post);
    const execution = recordExecution("e1", answering, "postPosting", post, outcome);
    const stored = JSON.parse(JSON.stringify(execution)) as typeof execution;
    expect(replayExecution(answering, stored)).toEqual({ kind: "same" });
    expect(recordExecution("e1", answering, "postPosting", structuredClone(post), outcome)).toEqual(execution);
  });

  test("HOOK-4: a hook that remembers is found out", () => {
    let runs = 0;
    const counting = productOf((on) => ({
      postPosting: on.postPosting({}, () => ({ notifications: [{ type: `run ${++runs}` }] })),
    }));
    const execution = recordExecution("e1", counting, "postPosting", post, runHook(counting, "postPosting", post));
    expect(replayExecution(counting, execution)).toMatchObject({
      kind: "different",
      recorded: expect.stringContaining("run 1"),
      replayed: expect.stringContaining("run 2"),
    });
  });

  test("a stranger's details cannot pass for a number of ours", () => {
    const seen: unknown[] = [];
    const watching = productOf((on) => ({
      prePosting: on.prePosting({}, ({ instructions }) => {
        seen.push(instructions[0]?.details);
        return [];
      }),
    }));
    const details = { $bigint: "1", $$: [{ $bigint: "x" }], deep: { $a: null } };
    const change = { index: 0, details } as unknown;
    const data = { ...post, occasion: { instructions: [change] } } as HookData<"prePosting">;
    const execution = recordExecution("e1", watching, "prePosting", data, runHook(watching, "prePosting", data));
    expect(replayExecution(watching, execution)).toEqual({ kind: "same" });
    expect(seen[1]).toEqual(details);
  });

  test("it is replayed with the version that ran", () => {
    const execution = recordExecution("e1", answering, "postPosting", post, { kind: "absent" });
    expect(() => replayExecution({ ...answering, version: "2" }, execution)).toThrow(/version 1/);
    expect(() => replayExecution({ ...answering, code: "other" }, execution)).toThrow(/one of test version 1/);
  });
});
