/**
 * Runs inside the sandbox, once, after the kernel's modules are there and before the product's. Takes away what is impure (clock,
 * randomness, code from text), what differs from machine to machine (locales), and what could run on and on without the interpreter
 * ever looking at its deadline: natives loop over a "length" that costs nothing to claim. Then everything that is left is frozen, so
 * that no call can leave anything behind on a shared object (HOOK-4).
 */
type Native = (this: unknown, ...args: unknown[]) => unknown;

const { apply, defineProperty, deleteProperty, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;
const { freeze } = Object;
const { isArray } = Array;

/** Elements of a list that natives may walk. */
const MAX_ELEMENTS = 100_000;
/** Steps of one native on a text; of a search, text by needle. */
const MAX_TEXT_STEPS = 2_000_000;

const removedGlobals = [
  "eval",
  "JSON",
  "Iterator",
  "WeakMap",
  "WeakSet",
  "WeakRef",
  "FinalizationRegistry",
  "Promise",
  "SharedArrayBuffer",
  "ArrayBuffer",
  "Atomics",
  "DataView",
  "performance",
  "console",
  "gc",
  "queueMicrotask",
  "setTimeout",
  "escape",
  "unescape",
];

/** `exports`: what products may import, which is as shared as the globals are. */
export function restrictGlobals(exports: object): void {
  replaceFunctionConstructors();
  guardArrays();
  guardTexts();
  replaceDate();
  remove(Math, "random");
  for (const name of removedGlobals) remove(globalThis, name);
  freezeAll([
    globalThis,
    ...ownKeys(exports).map((name): unknown => Reflect.get(exports, name)),
    // What syntax makes and no name reaches.
    function* () {},
    async () => {},
    async function* () {},
    [][Symbol.iterator](),
    ""[Symbol.iterator](),
    new Map().entries(),
    new Set().entries(),
    "".matchAll(/./g),
  ]);
}

function remove(from: object, name: string): void {
  deleteProperty(from, name);
}

function define(on: object, name: string, value: unknown): void {
  const isDefined = defineProperty(on, name, { value, writable: false, enumerable: false, configurable: true });
  if (!isDefined) throw new TypeError(`${name} cannot be replaced`);
}

function refuse(what: string, instead: string): never {
  throw new TypeError(`${what} is not there for products: ${instead}`);
}

/** `(() => {}).constructor("…")` and its three relatives make code from text. */
function replaceFunctionConstructors(): void {
  const makers = [() => {}, function* () {}, async () => {}, async function* () {}];
  const refusing = function Function(): never {
    return refuse("Function", "write the function in the source");
  };
  defineProperty(refusing, "prototype", { value: Function.prototype });
  for (const maker of makers) define(getPrototypeOf(maker) as object, "constructor", refusing);
  define(globalThis, "Function", refusing);
}

/**
 * One step of the interpreter's own count for every few steps of a native's, so that the deadline is looked at in time whoever does the
 * work.
 */
function charge(steps: number): void {
  for (let left = steps; left > 0; left -= 16);
}

function assertList(list: unknown): void {
  if (!isArray(list)) throw new TypeError("methods of lists work on lists only: copy it with Array.from first");
  if (list.length > MAX_ELEMENTS) throw new RangeError(`a list of more than ${MAX_ELEMENTS} elements: keep it shorter`);
  charge(list.length);
}

function guardArrays(): void {
  for (const name of ownKeys(Array.prototype)) {
    if (name === "constructor" || name === "length" || name === "push" || name === "pop" || name === "at") continue;
    const native: unknown = getOwnPropertyDescriptor(Array.prototype, name)?.value;
    if (typeof native !== "function" || typeof name === "symbol") continue;
    define(Array.prototype, name, guarded(native as Native, name));
  }
  // These walk lists within lists, which no single length tells.
  define(Array.prototype, "concat", function (this: unknown[], ...parts: unknown[]) {
    const all: unknown[] = [];
    for (const part of [this, ...parts])
      if (isArray(part)) for (const one of part as unknown[]) all.push(one);
      else all.push(part);
    return all;
  });
  define(Array.prototype, "flat", function (this: unknown[], depth = 1) {
    return flatten(this, depth);
  });
  define(Array.prototype, "flatMap", function (this: unknown[], map: (one: unknown, place: number) => unknown) {
    const mapped: unknown[] = [];
    for (let place = 0; place < this.length; place++) mapped.push(map(this[place], place));
    return flatten(mapped, 1);
  });
  for (const name of ["copyWithin", "toLocaleString"]) remove(Array.prototype, name);
  for (const name of ["fromAsync"]) remove(Array, name);
  for (const name of ["union", "intersection", "difference", "symmetricDifference"]) remove(Set.prototype, name);
  for (const name of ["isSubsetOf", "isSupersetOf", "isDisjointFrom"]) remove(Set.prototype, name);
}

/** Those that take a function and a `this` for it, and do the same for an absent one as for undefined. */
const callbackMethods = ["every", "filter", "find", "findIndex", "findLast", "findLastIndex", "forEach", "map", "some"];

function guarded(native: Native, name: string): Native {
  if (callbackMethods.includes(name))
    return function (this: unknown, callback: unknown, self?: unknown) {
      assertList(this);
      return native.call(this, callback, self);
    };
  return function (this: unknown, ...args: unknown[]) {
    assertList(this);
    return apply(native, this, args);
  };
}

function flatten(list: readonly unknown[], depth: number): unknown[] {
  const flat: unknown[] = [];
  for (const one of list)
    if (depth >= 1 && isArray(one)) for (const inner of flatten(one as unknown[], depth - 1)) flat.push(inner);
    else flat.push(one);
  return flat;
}

/** Natives on texts walk the whole text, and these once for each place of the needle. */
const searches = ["indexOf", "lastIndexOf", "includes", "split", "replace", "replaceAll"];
/** The interpreter makes templates with `concat`, these guards' own among them. */
const unguardedTexts = ["constructor", "length", "toString", "valueOf", "concat"];
/** And these make one as long as they are told. */
const stretchers = ["repeat", "padStart", "padEnd"];

function guardTexts(): void {
  for (const name of ["normalize", "localeCompare", "toLocaleLowerCase", "toLocaleUpperCase"])
    remove(String.prototype, name);
  for (const prototype of [Number.prototype, BigInt.prototype, Object.prototype]) remove(prototype, "toLocaleString");
  for (const name of ["raw"]) remove(String, name);
  for (const name of ownKeys(String.prototype)) {
    if (typeof name === "symbol" || unguardedTexts.includes(name)) continue;
    const native: unknown = getOwnPropertyDescriptor(String.prototype, name)?.value;
    if (typeof native === "function") define(String.prototype, name, guardedText(native as Native, name));
  }
}

function guardedText(native: Native, name: string): Native {
  const isSearch = searches.includes(name);
  const isStretcher = stretchers.includes(name);
  return function (this: unknown, ...args: unknown[]) {
    const text = `${this as string}`;
    const [first] = args;
    if (isSearch && !(first instanceof RegExp)) {
      const needle = (args[0] = `${first as string}`);
      chargeText(text.length * (needle.length || 1));
    } else if (isStretcher) {
      const length = (args[0] = Number(first));
      chargeText(name === "repeat" ? text.length * length : length);
    } else chargeText(text.length);
    return apply(native, text, args);
  };
}

function chargeText(steps: number): void {
  if (steps > MAX_TEXT_STEPS) throw new RangeError("a text too long to work on: keep texts shorter");
  charge(steps / 4);
}

/** Instants in, text out: what the kernel formats with. Nothing of it asks what time it is, or where it is. */
function replaceDate(): void {
  const Native = Date;
  const UTC = Native.UTC;
  const toText = Native.prototype.toISOString;
  class PureDate {
    readonly #date: Date;
    constructor(...args: readonly unknown[]) {
      const [millis] = args;
      if (args.length !== 1 || typeof millis !== "number") refuse("the clock", "use effectiveAt, which is passed in");
      this.#date = new Native(millis as number);
    }
    static UTC(...parts: [number, number]): number {
      return UTC(...parts);
    }
    toISOString(): string {
      return apply(toText, this.#date, []);
    }
  }
  define(globalThis, "Date", PureDate);
}

/** Everything that can be reached from these by property, prototype or accessor. */
function freezeAll(roots: readonly unknown[]): void {
  const seen = new Set<object>();
  const waiting: unknown[] = [...roots];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (next === null || (typeof next !== "object" && typeof next !== "function") || seen.has(next)) continue;
    seen.add(next);
    waiting.push(getPrototypeOf(next));
    for (const key of ownKeys(next)) {
      const member = getOwnPropertyDescriptor(next, key);
      if (member === undefined) continue;
      waiting.push(member.value, member.get, member.set);
    }
    freeze(next);
  }
}
