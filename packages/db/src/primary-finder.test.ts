import { decide } from "./primary-finder.js";
import { parseDatabaseUrl } from "./database-url.js";

const h1 = { host: "h1", port: 5432 };
const h2 = { host: "h2", port: 5432 };

describe("which host is the primary", () => {
  test("the only one, and the one on the higher timeline of two", () => {
    const old = { ...h1, timeline: 1, flushed: 900n };
    const promoted = { ...h2, timeline: 2, flushed: 500n };
    expect(decide([old], undefined, 0)).toBe(old);
    expect(decide([old, promoted], undefined, 0)).toBe(promoted);
    expect(decide([old, promoted], old, 1)).toBe(promoted);
  });

  test("none below the highest timeline that was in use, seen or remembered", () => {
    const old = { ...h1, timeline: 1, flushed: 900n };
    expect(decide([old], { ...h2, timeline: 2, flushed: 500n }, 0)).toMatch(/must be fenced/);
    expect(decide([old], undefined, 2)).toMatch(/must be fenced/);
    expect(decide([old], undefined, 1)).toBe(old);
  });

  test("none whose log ends before what was seen on the same timeline", () => {
    const seen = { ...h1, timeline: 3, flushed: 900n };
    const restored = { ...h1, timeline: 3, flushed: 899n };
    expect(decide([restored], seen, 0)).toMatch(/old copy/);
    expect(decide([{ ...restored, flushed: 900n }], seen, 0)).toMatchObject(h1);
  });

  test("of two on one timeline the one that was it before, else none", () => {
    const both = [h1, h2].map((host) => ({ ...host, timeline: 2, flushed: 500n }));
    expect(decide(both, { ...h2, timeline: 2, flushed: 400n }, 0)).toMatchObject(h2);
    expect(decide(both, { ...h2, timeline: 1, flushed: 400n }, 0)).toMatchObject(h2);
    expect(decide(both, undefined, 0)).toMatch(/split brain/);
  });

  test("none when nobody says so", () => {
    expect(decide([], undefined, 0)).toMatch(/no host answers/);
  });
});

describe("the database URL", () => {
  test.each([
    ["postgres://u:p@h1:1,h2:2/db", [1, 2], "postgres://u:p@h2:2/db"],
    [
      "postgresql://u:p%40x@h1,h2/db?application_name=x",
      [5432, 5432],
      "postgresql://u:p%40x@h2:5432/db?application_name=x",
    ],
    ["postgres://h1,[::1]:7/db", [5432, 7], "postgres://[::1]:7/db"],
  ])("%s", (url, ports, second) => {
    const parsed = parseDatabaseUrl(url);
    expect(parsed.hosts.map((host) => host.port)).toEqual(ports);
    expect(parsed.urlOf(parsed.hosts[1]!)).toBe(second);
  });

  test.each([
    "mysql://u:secret@h/db",
    "postgres://u:secret@/db",
    "postgres://u:secret@h1,,h2/db",
    "postgres://u:secret@h:x/db",
    "",
  ])("refuses %p without repeating it", (url) => {
    expect(() => parseDatabaseUrl(url)).toThrow("must look like");
    expect(() => parseDatabaseUrl(url)).not.toThrow("secret");
  });
});
