import { describe, expect, test } from "@jest/globals";
import { acceptCorrelationId, currentCorrelationId, newCorrelationId, runWithCorrelation } from "./correlation.js";
import { createLogger, type LogLevel } from "./logger.js";

function createCaptured(level: LogLevel = "debug") {
  const lines: string[] = [];
  const logger = createLogger({ name: "ledger", level, destination: { write: (line) => void lines.push(line) } });
  const parsed = (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { logger, text: () => lines.join(""), parsed };
}

describe("the logger", () => {
  test("writes one JSON object per line: time, level, service, fields, sentence", () => {
    const { logger, parsed, text } = createCaptured();
    logger.info({ batch: 3, position: 12n }, "batch committed");
    logger.warn("without fields");
    expect(text().split("\n")).toHaveLength(3);
    expect(parsed()).toEqual([
      {
        level: "info",
        time: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T.*Z$/),
        service: "ledger",
        batch: 3,
        position: "12",
        msg: "batch committed",
      },
      { level: "warn", time: expect.any(String), service: "ledger", msg: "without fields" },
    ]);
  });

  test("writes what its level asks for and nothing below", () => {
    const { logger, parsed } = createCaptured("warn");
    for (const level of ["debug", "info", "warn", "error", "fatal"] as const) logger[level](`at ${level}`);
    expect(parsed().map((line) => line["level"])).toEqual(["warn", "error", "fatal"]);
  });

  test("shows an error with its type, message, stack, own fields and cause", () => {
    const { logger, parsed } = createCaptured();
    const cause = new TypeError("the root of it");
    logger.error({ err: Object.assign(new Error("failed", { cause }), { code: "40001" }) }, "batch failed");
    expect(parsed()[0]).toMatchObject({
      msg: "batch failed",
      err: {
        type: "Error",
        message: "failed",
        code: "40001",
        stack: expect.stringContaining("logger.test"),
        cause: { type: "TypeError", message: "the root of it" },
      },
    });
  });

  test("children carry their fields, also grandchildren", () => {
    const { logger, parsed } = createCaptured();
    logger.child({ area: "accounts" }).child({ task: "relay" }).info("started");
    expect(parsed()[0]).toMatchObject({ service: "ledger", area: "accounts", task: "relay", msg: "started" });
  });

  test("planted secrets never come out, whichever way they go in", () => {
    const { logger, text } = createCaptured();
    const canary = "canary-value-7d1f";
    const jwt = `eyJhbGciOiJFZERTQSJ9.${Buffer.from('{"sub":"usr_canary"}').toString("base64url")}.c2lnbmF0dXJl`;
    const apiKey = `florin_sk_${"canaryCANARY".repeat(4)}`;

    logger.info({ password: canary }, "by name");
    logger.info({ input: { credentials: [{ refreshToken: canary }] } }, "deep");
    logger.info({ headers: { authorization: `Bearer ${canary}` } }, "header");
    logger.error({ err: Object.assign(new Error(`bad token ${jwt}`), { accessToken: canary }) }, "in an error");
    logger.child({ secret: canary, nested: { apiKey: canary } }).info("in a child");
    logger.child({ note: jwt }).info("a token in a child's innocent field");
    logger.warn(`key ${apiKey} and token ${jwt} in the sentence`);
    logger.warn({ note: `Bearer ${canary}-and-more` }, "in an innocent field");
    logger.warn({ [`name ${apiKey}`]: 1 }, "in a field's name");
    logger.error({ err: new Error("no", { cause: { url: `postgres://florin:${canary}@db/florin` } }) }, "in a URL");

    expect(text().split("\n")).toHaveLength(11);
    expect(text()).not.toContain(canary);
    expect(text()).not.toContain(jwt.slice(0, 30));
    expect(text()).not.toContain("canaryCANARY");
    for (const line of text().trimEnd().split("\n")) JSON.parse(line);
  });
});

describe("correlation", () => {
  test("every line that a request causes carries its id, across awaits and beside other requests", async () => {
    const { logger, parsed } = createCaptured();
    const request = (id: string) =>
      runWithCorrelation(id, async () => {
        await new Promise((resolve) => setImmediate(resolve));
        logger.info({ expected: id }, "handled");
        return currentCorrelationId();
      });
    expect(await Promise.all([request("request-1"), request("request-2")])).toEqual(["request-1", "request-2"]);
    logger.info("outside");
    for (const line of parsed().slice(0, 2)) expect(line["correlationId"]).toBe(line["expected"]);
    expect(parsed()[2]).not.toHaveProperty("correlationId");
  });

  test("what a line says about itself wins over the ambient id", () => {
    const { logger, parsed } = createCaptured();
    runWithCorrelation("ambient-id", () => logger.info({ correlationId: "of-the-event" }, "consumed"));
    expect(parsed()[0]?.["correlationId"]).toBe("of-the-event");
  });

  test("takes a caller's well-formed id and replaces any other", () => {
    expect(acceptCorrelationId("client.request_0042-a")).toBe("client.request_0042-a");
    for (const bad of [
      undefined,
      "",
      "short",
      "x".repeat(65),
      "with space",
      "line\nbreak",
      '{"a":1}',
      "ümlaut-ümlaut",
    ]) {
      const accepted = acceptCorrelationId(bad);
      expect(accepted).not.toBe(bad);
      expect(acceptCorrelationId(accepted)).toBe(accepted); // ours are well formed
    }
    expect(newCorrelationId()).not.toBe(newCorrelationId());
  });
});
