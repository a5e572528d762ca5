import { parseArgs } from "node:util";

/** What every bench takes beside its own options. */
export const EVERY_BENCH = { seconds: 10, runs: 3, seed: 1, set: "" } as const;

type Options<Defaults> = { readonly [Name in keyof Defaults]: Defaults[Name] extends number ? number : string };

/**
 * Options of a bench from its command line: `--name value`, a number where the default is one (`5%` is 5). `--help` tells them with their
 * defaults and ends the process; an unknown name or a value that is no number does so with exit code 2.
 */
export function readOptions<const Defaults extends Readonly<Record<string, number | string>>>(
  shows: string,
  defaults: Defaults,
): Options<Defaults> {
  const names = Object.keys(defaults);
  try {
    const { values } = parseArgs({
      options: Object.fromEntries([...names, "help"].map((name) => [name, { type: typeOf(name) }])),
    });
    if (values["help"] === true) usage(shows, defaults, 0);
    return Object.fromEntries(
      Object.entries(defaults).map(([name, fallback]) => [name, valueOf(name, values[name], fallback)]),
    ) as Options<Defaults>;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return usage(shows, defaults, 2);
  }
}

function typeOf(name: string): "boolean" | "string" {
  return name === "help" ? "boolean" : "string";
}

function valueOf(
  name: string,
  given: string | boolean | (string | boolean)[] | undefined,
  fallback: number | string,
): number | string {
  if (typeof given !== "string") return fallback;
  if (typeof fallback === "string") return given;
  if (!/^\d{1,12}(\.\d{1,6})?%?$/.test(given)) throw new Error(`--${name} is a number, not "${given}".`);
  return Number(given.replace("%", ""));
}

function usage(shows: string, defaults: Readonly<Record<string, number | string>>, code: number): never {
  const lines = Object.entries(defaults).map(([name, value]) => `  --${name.padEnd(16)} ${value === "" ? "-" : value}`);
  (code === 0 ? process.stdout : process.stderr).write(`${[shows, ...lines].join("\n")}\n`);
  process.exit(code);
}

/** `--set name=value,name=value`: settings of the server over those that it starts with. What makes a commit durable stays as it is. */
export function parseSettings(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(",").filter((pair) => pair !== "");
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, name = "", value = ""] = /^([a-z_]+)=(.+)$/.exec(pair) ?? [];
      if (name === "") throw new Error(`--set takes name=value, not "${pair}".`);
      if (["fsync", "full_page_writes", "synchronous_commit"].includes(name))
        throw new Error(`A bench with another ${name} measures something that is not the ledger. Leave it out.`);
      return [name, value];
    }),
  );
}
