import {
  activate,
  currencyCodes,
  defineProduct,
  hookKinds,
  instantFromMicros,
  parseCurrency,
  planFetches,
  type CurrencyCode,
  type DataRequirements,
  type HookKind,
  type Hooks,
  type ParameterDefinition,
  type ParameterKind,
  type Point,
  type Product,
  type Shift,
} from "@florin/kernel";
import {
  count,
  flag,
  list,
  maybe,
  oneOf,
  parseExactText,
  record,
  refuseShape,
  shape,
  text,
  type Reader,
} from "./strict-shape.js";

/** What a product's module says of itself, with the reads of each hook in the hook's place. */
export interface ProductDescription extends Omit<Product, "hooks"> {
  readonly hooks: { readonly [K in HookKind]?: DataRequirements };
}

const parameterKinds = [
  "AMOUNT_NOT_NEGATIVE",
  "AMOUNT_OR_NONE",
  "RATE",
  "COUNT",
  "TIERS",
] as const satisfies ParameterKind[];
const shifts = ["years", "months", "days", "hours", "minutes", "seconds"] as const;

const name = text(64, /^[A-Za-z][A-Za-z0-9_]*$/, "write letters, digits and underscores, a letter first");
const address = text(64, /^[A-Z0-9_]+$/, "write upper-case letters, digits and underscores");
const currency: Reader<CurrencyCode> = (value, path) =>
  (typeof value === "string" ? parseCurrency(value) : undefined) ?? refuseShape(path, "not a registered currency");

const shift: Reader<Shift> = (value, path) => {
  const read = record(count, shifts.length, oneOf(shifts))(value, path);
  return read as Shift;
};
const origin = oneOf(["EFFECTIVE", "LIVE", "INTERVAL_START"]);
const relative = shape<Exclude<Point, string>>({
  origin,
  shift: maybe(shift) as Reader<Shift>,
  at: maybe(text(40)) as Reader<string>,
});
const point: Reader<Point> = (value, path) => (typeof value === "string" ? origin(value, path) : relative(value, path));

const filter = {
  addresses: maybe(list(address, 100)) as Reader<readonly string[]>,
  phases: maybe(list(oneOf(["COMMITTED", "PENDING_IN", "PENDING_OUT"]), 3)) as Reader<
    readonly ("COMMITTED" | "PENDING_IN" | "PENDING_OUT")[]
  >,
};
const interval = shape({ start: point, end: point, ...filter });

type Reads = { -readonly [Key in keyof DataRequirements]: NonNullable<DataRequirements[Key]> };
const absentOr = <T>(read: Reader<T>) => maybe(read) as Reader<T>;
const reads: Reader<DataRequirements> = shape<Required<Reads>>({
  parameters: absentOr(list(name, 100)),
  flags: absentOr(list(text(64), 100)),
  observations: absentOr(record(shape({ at: point, ...filter }), 20, name)),
  balanceIntervals: absentOr(record(interval, 20, name)),
  postingIntervals: absentOr(record(interval, 20, name)),
  calendars: absentOr(record(shape({ ids: list(text(64), 20), start: point, end: point }), 20, name)),
  lastExecutions: absentOr(list(text(100), 20)),
  balances: absentOr(text(40)),
  postings: absentOr(text(40)),
});

const description = shape<ProductDescription>({
  code: text(63, /^[a-z][a-z0-9_]*$/, "write lower-case letters, digits and underscores"),
  name: text(100, /\S/, "give it a name"),
  version: text(32, /^[A-Za-z0-9._-]+$/, "write letters, digits, dots and dashes"),
  tside: oneOf(["ASSET", "LIABILITY"]),
  currencies: maybe(list(currency, 200)),
  parameters: list(
    shape<ParameterDefinition>({
      name,
      description: text(500),
      kind: oneOf(parameterKinds),
      defaultValue: text(1_000),
    }),
    100,
  ),
  addresses: maybe(record(oneOf(["MINOR", "INTERNAL"]), 100, address)),
  closureExemptAddresses: maybe(list(address, 100)),
  derivedParameters: maybe(list(name, 100)),
  strictBackdating: maybe(flag),
  hooks: record(reads, hookKinds.length, oneOf(hookKinds)),
} as { readonly [Key in keyof ProductDescription]-?: Reader<ProductDescription[Key]> });

export function parseDescription(described: string): ProductDescription {
  return description(parseExactText(described, "product"), "product");
}

/** The kernel's own judgement of the terms: it throws as it does for a built-in product. */
export function toProduct({ parameters, ...terms }: ProductDescription, hooks: Hooks): Product {
  const definitions = Object.fromEntries(parameters.map(({ name: key, ...definition }) => [key, definition]));
  const product = defineProduct({ ...definedOnly(terms), parameters: definitions, hooks: () => hooks });
  for (const kind of hookKinds) {
    const asked = hooks[kind]?.reads;
    if (asked === undefined) continue;
    const unknown = asked.parameters?.find((one) => !Object.hasOwn(definitions, one));
    if (unknown !== undefined)
      refuseShape(`product.hooks.${kind}`, `reads the parameter ${unknown}, which the product lacks`);
    assertResolvable(kind, asked);
  }
  assertDefaults(product);
  return product;
}

function definedOnly(terms: Omit<ProductDescription, "parameters">) {
  const { code, version, tside, currencies, addresses, closureExemptAddresses, derivedParameters, strictBackdating } =
    terms;
  return {
    code,
    name: terms.name,
    version,
    tside,
    ...(currencies && { currencies }),
    ...(addresses && { addresses }),
    ...(closureExemptAddresses && { closureExemptAddresses }),
    ...(derivedParameters && { derivedParameters }),
    ...(strictBackdating !== undefined && { strictBackdating }),
  };
}

/** Every point can be resolved: a time of the day that is none would throw at each execution. */
function assertResolvable(kind: HookKind, asked: DataRequirements): void {
  const at = instantFromMicros(1_735_689_600_000_000n);
  const group = { timeZone: "UTC", cutoff: "00:00:00" };
  try {
    planFetches(asked, { effectiveAt: at, executedAt: at, knownAt: at, group });
  } catch (fault) {
    refuseShape(`product.hooks.${kind}`, fault instanceof Error ? fault.message : String(fault));
  }
}

/** An account opened without parameters gets the defaults, in whatever currency the product is offered. */
function assertDefaults(product: Product): void {
  for (const code of product.currencies ?? currencyCodes) {
    const activated = activate(product, code, {});
    if ("refusal" in activated)
      refuseShape(
        "product.parameters",
        `the defaults do not fit ${code}: ${activated.refusal.message} Change them, or name the currencies it is offered in`,
      );
  }
}
