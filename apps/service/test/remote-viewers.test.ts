import { createTokenIssuer, generateSigningKey, type JwkSet, type SigningKey } from "@florin/auth";
import {
  addMicros,
  asUuid,
  formatInstant,
  instantFromMillis,
  type Clock,
  type EventEnvelope,
  type Instant,
} from "@florin/kernel";
import { createLogger } from "@florin/telemetry";
import { eventually } from "@florin/testkit";
import { createRemoteViewers, type RemoteViewers } from "../src/remote-viewers.js";

const clock: Clock = { now: () => instantFromMillis(Date.now()) };
const inTenMinutes = (): Instant => addMicros(clock.now(), 600_000_000n);
let key: SigningKey;
let isAway: boolean;
let ended: { sessionId: string; until: Instant }[];
let tell: (event: EventEnvelope) => void;
let viewers: RemoteViewers;

function unlessAway<T>(answer: () => T): Promise<T> {
  return isAway ? Promise.reject(new Error("accounts is away")) : Promise.resolve(answer());
}

function start(): void {
  viewers = createRemoteViewers({
    identity: {
      jwks: () => unlessAway<JwkSet>(() => ({ keys: [key.publicJwk] })),
      listRevokedSessions: () => unlessAway(() => ended),
    },
    bus: {
      tap: (_stream, listener) => {
        tell = listener;
        return () => undefined;
      },
    },
    clock,
    logger: createLogger({ name: "test", level: "silent" }),
  });
}

async function tokenOf(sessionId: string): Promise<string> {
  const issuer = createTokenIssuer({ issuer: "florin", clock, activeKey: () => Promise.resolve(key) });
  return (await issuer.issueAccessToken({ principal: "usr_1", roles: ["CUSTOMER"], scopes: [], sessionId })).token;
}

function revoked(payload: EventEnvelope["payload"]): EventEnvelope {
  return {
    eventId: asUuid("00000000-0000-7000-8000-000000000001"),
    stream: "accounts",
    position: 1n,
    key: "ses_b",
    type: "session.revoked",
    schemaVersion: 1,
    occurredAt: clock.now(),
    correlationId: "cor-1",
    audience: [],
    payload,
  };
}

beforeEach(async () => {
  key = await generateSigningKey("key-1", clock.now());
  isAway = false;
  ended = [{ sessionId: "ses_a", until: inTenMinutes() }];
});
afterEach(() => viewers.stop());

it("knows the sessions that ended before it started", async () => {
  start();
  await expect(viewers.verifyViewer(await tokenOf("ses_a"))).rejects.toMatchObject({ reason: "REVOKED" });
  await expect(viewers.verifyViewer(await tokenOf("ses_c"))).resolves.toMatchObject({ principal: "usr_1" });
});

it("learns from the bus that a session ended, and reads on after an event that it cannot read", async () => {
  start();
  const token = await tokenOf("ses_b");
  await viewers.verifyViewer(token);
  tell(revoked({ nonsense: true }));
  tell(revoked({ sessionId: "ses_b", until: formatInstant(inTenMinutes()) }));
  await expect(viewers.verifyViewer(token)).rejects.toMatchObject({ reason: "REVOKED" });
});

it("believes nobody while accounts is away from the start, and goes on by itself when it comes", async () => {
  isAway = true;
  start();
  const token = await tokenOf("ses_c");
  await expect(viewers.verifyViewer(token)).rejects.toMatchObject({ code: "TEMPORARILY_UNAVAILABLE" });
  expect(viewers.isReady()).toBe(false);
  isAway = false;
  await eventually(() => viewers.isReady(), 30_000);
  await expect(viewers.verifyViewer(token)).resolves.toMatchObject({ principal: "usr_1" });
});

it("goes on knowing people, and showing the public keys, when accounts goes away later", async () => {
  start();
  await viewers.verifyViewer(await tokenOf("ses_c"));
  isAway = true;
  await expect(viewers.verifyViewer(await tokenOf("ses_d"))).resolves.toMatchObject({ sessionId: "ses_d" });
  await expect(viewers.jwks()).resolves.toEqual({ keys: [key.publicJwk] });
});

it("refuses a token that accounts did not sign", async () => {
  start();
  await viewers.verifyViewer(await tokenOf("ses_c"));
  const published = key;
  key = await generateSigningKey("key-2", clock.now());
  const forged = await tokenOf("ses_c");
  key = published;
  await expect(viewers.verifyViewer(forged)).rejects.toMatchObject({ reason: "UNKNOWN_KEY" });
});
