import { readFileSync } from "node:fs";
import { environmentSchemas } from "@florin/service";
import { parse } from "yaml";

// No Docker runs here, so what can be wrong in docker-compose.yml is checked against what the parts really read.

interface Service {
  readonly image?: string;
  readonly command?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

const text = readFileSync(new URL("../docker-compose.yml", import.meta.url), "utf8");
const { services, volumes } = parse(text, { merge: true }) as {
  services: Readonly<Record<string, Service>>;
  volumes: Readonly<Record<string, unknown>>;
};
/** For tests of what must never happen; no deployment sets them. */
const testOnly = new Set(["FLORIN_FAULT", "FLORIN_FAULT_RECORD", "FLORIN_UNSAFE_NO_FENCE"]);

type Part = keyof typeof environmentSchemas;
const parts = Object.entries(services).flatMap(([name, service]): [string, Part, Service][] => {
  const part = /main\.js (gateway|accounts|ledger|portfolio)$/.exec(service.command ?? "")?.[1] as Part | undefined;
  return part === undefined ? [] : [[name, part, service]];
});

it("runs every part, the ledger twice, over PostgreSQL 18 and Redis 7", () => {
  expect(parts.map(([name, part]) => `${name}: ${part}`).sort()).toEqual([
    "accounts: accounts",
    "gateway: gateway",
    "ledger-1: ledger",
    "ledger-2: ledger",
    "portfolio: portfolio",
  ]);
  expect(services["postgres"]?.image).toMatch(/^postgres:18/);
  expect(services["redis"]?.image).toMatch(/^redis:[7-9]/);
  expect(services["redis"]?.command).toContain("--appendonly yes --appendfsync everysec");
});

it.each(parts)("gives %s exactly the variables that a %s reads", (_name, part, { environment }) => {
  const known = Object.keys(environmentSchemas[part].shape).filter((name) => !testOnly.has(name));
  expect(Object.keys(environment ?? {}).sort()).toEqual(known.sort());
});

it.each(parts)("gives %s values that a %s takes", (_name, part, { environment }) => {
  const given = Object.fromEntries(Object.entries(environment ?? {}).filter(([, value]) => value !== ""));
  expect(environmentSchemas[part].safeParse(given).error?.issues ?? []).toEqual([]);
});

it("points every URL at a service that is there, on the port that it listens on", () => {
  const listensOn = (host: string): string | undefined =>
    ({ postgres: "5432", redis: "6379" })[host] ?? services[host]?.environment?.["PORT"];
  const urls = parts.flatMap(([, , { environment = {} }]) =>
    Object.entries(environment).flatMap(([name, value]) =>
      /_URL$/.test(name) && value !== "" ? value.split(",") : [],
    ),
  );
  expect(urls.length).toBeGreaterThan(8);
  for (const url of urls) {
    const { hostname, port } = new URL(url);
    expect([hostname, listensOn(hostname)]).toEqual([hostname, port]);
  }
});

it("asks each part for its health on its own port, publishes the gateway alone, and waits for what it needs", () => {
  for (const [name, , service] of parts) {
    const port = service.environment?.["PORT"] ?? "";
    expect(service.healthcheck?.test.join(" ")).toContain(`http://127.0.0.1:${port}/health/ready`);
    expect(service.depends_on?.["init"]?.condition).toBe("service_completed_successfully");
    expect(service.ports ?? []).toEqual(name === "gateway" ? ["127.0.0.1:4000:4000"] : []);
  }
  for (const { depends_on = {} } of Object.values(services))
    for (const needed of Object.keys(depends_on)) expect(Object.keys(services)).toContain(needed);
});

it("makes the keys where the parts look for them, in a volume that exists", () => {
  expect(services["init"]?.command).toContain("main.js keys /keys");
  for (const [, , service] of parts) expect(service.environment?.["FLORIN_KEYS"]).toBe("/keys");
  const named = Object.values(services).flatMap(({ volumes: mounts = [] }) =>
    mounts.map((mount) => mount.split(":")[0]!),
  );
  for (const volume of named.filter((source) => !source.startsWith(".")))
    expect(Object.keys(volumes)).toContain(volume);
});
