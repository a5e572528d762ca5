import { at } from "../test/book-fixture.js";
import { isWithin, parametersAt, raisedFlags, findValueAt, type Timeseries } from "./timeseries.js";

describe("FLAG-1: values hold [from, to) on value time, and their insertion is kept", () => {
  const rates: Timeseries<string> = [
    { value: "1", from: at(10n), insertedAt: at(100n) },
    { value: "2", from: at(20n), to: at(30n), insertedAt: at(200n) },
    { value: "3", from: at(25n), to: at(27n), insertedAt: at(300n) }, // told later about the same time
  ];
  test.each([
    [9n, undefined, undefined],
    [10n, undefined, "1"],
    [20n, undefined, "2"],
    [25n, undefined, "3"],
    [27n, undefined, "2"],
    [30n, undefined, "1"],
    [25n, 299n, "2"],
    [25n, 300n, "3"],
    [25n, 199n, "1"],
    [25n, 99n, undefined],
  ])("at %s, as known at %s: %s", (value, known, expected) => {
    expect(findValueAt(rates, at(value), known === undefined ? undefined : at(known))).toBe(expected);
  });

  test("a window has its start and not its end", () => {
    const window = { from: at(1n), to: at(2n) };
    expect([0n, 1n, 2n].map((micros) => isWithin(window, at(micros)))).toEqual([false, true, false]);
    expect(isWithin({ from: at(1n) }, at(10n ** 18n))).toBe(true);
  });

  test("raised flags, sorted by name, and none that was lowered later", () => {
    const flags = {
      VIP: [{ value: true, from: at(1n), insertedAt: at(1n) }],
      DORMANT: [
        { value: true, from: at(1n), insertedAt: at(1n) },
        { value: false, from: at(5n), insertedAt: at(50n) },
      ],
      EMPTY: [],
    };
    expect(raisedFlags(flags, at(4n))).toEqual(["DORMANT", "VIP"]);
    expect(raisedFlags(flags, at(5n))).toEqual(["VIP"]);
    expect(raisedFlags(flags, at(5n), at(49n))).toEqual(["DORMANT", "VIP"]);
  });

  test("parameters: the account's own goes before the template's, and that before what is stored now", () => {
    const history = {
      template: { rate: rates, fee: [{ value: "5", from: at(1n), insertedAt: at(1n) }] },
      instance: { rate: [{ value: "9", from: at(12n), to: at(14n), insertedAt: at(400n) }] },
    };
    const current = { rate: "0", limit: "7" };
    expect(parametersAt(current, undefined, at(12n))).toBe(current);
    expect(parametersAt(current, history, at(0n))).toEqual({ rate: "0", limit: "7" });
    expect(parametersAt(current, history, at(11n))).toEqual({ fee: "5", limit: "7", rate: "1" });
    expect(parametersAt(current, history, at(12n))).toEqual({ fee: "5", limit: "7", rate: "9" });
    expect(parametersAt(current, history, at(12n), at(399n))).toEqual({ fee: "5", limit: "7", rate: "1" });
  });
});

test("FLAG-1: parameters come sorted, the account's own first, and one that was told too late not at all", () => {
  const late = { to: undefined, insertedAt: at(50n) };
  const history = {
    template: { b: [{ value: "t", from: at(1n), ...late }], z: [{ value: "t", from: at(1n), ...late }] },
    instance: { a: [{ value: "i", from: at(1n), ...late }], b: [{ value: "i", from: at(5n), ...late }] },
  };
  const names = (at_: bigint, known?: bigint) =>
    Object.entries(parametersAt({ z: "c", m: "c" }, history, at(at_), known === undefined ? undefined : at(known)));
  expect(names(5n)).toEqual([
    ["a", "i"],
    ["b", "i"],
    ["m", "c"],
    ["z", "t"],
  ]);
  expect(names(4n)).toEqual([
    ["a", "i"],
    ["b", "t"],
    ["m", "c"],
    ["z", "t"],
  ]);
  expect(names(5n, 49n)).toEqual([
    ["m", "c"],
    ["z", "c"],
  ]);
  expect(names(0n)).toEqual([
    ["m", "c"],
    ["z", "c"],
  ]);
});
