import { applyTransition, generateSigningKey, newKeyId, planRotation, toPublicJwks } from "@florin/auth";
import type { JwkSet, KeyTransition, PrivateJwk, RotationPolicy, SigningKey } from "@florin/auth";
import type { Database, Transaction } from "@florin/db";
import {
  insertSigningKey,
  listSigningKeys,
  lockSigningKeys,
  updateSigningKeyState,
  type SigningKeyRecord,
} from "@florin/db/accounts";
import type { Clock, Instant } from "@florin/kernel";
import type { Logger } from "@florin/telemetry";
import { z } from "zod";
import { deriveKey, openSecret, sealSecret } from "./secret-box.js";

/**
 * The keys that sign access tokens, as stored and as this process knows them.
 *
 * `refresh` takes the one lock, makes the moves that `planRotation` finds due, commits, and replaces what is in memory. Every process
 * does so each half minute; whoever comes first makes the move, the others read it. Private halves rest sealed with the master
 * key, bound to their key's id.
 */
export interface KeyRing {
  refresh(): Promise<void>;
  activeKey(): Promise<SigningKey>;
  jwks(): Promise<JwkSet>;
}

/** Within `issuerReloadMs` of the rotation policy (60 s), with room for a slow round. */
export const KEY_REFRESH_MS = 30_000;

const publicJwkSchema = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string(),
  kid: z.string(),
  alg: z.literal("EdDSA"),
  use: z.literal("sig"),
});
const privateJwkSchema = publicJwkSchema.extend({ d: z.string() });

export function createKeyRing(options: {
  readonly database: Database;
  readonly clock: Clock;
  readonly masterKey: Uint8Array;
  readonly logger: Logger;
  readonly policy?: RotationPolicy | undefined;
}): KeyRing {
  const { database, clock, logger } = options;
  const sealingKey = deriveKey(options.masterKey, "signing-keys");
  let keys: readonly SigningKey[] = [];

  async function rotate(tx: Transaction): Promise<readonly SigningKey[]> {
    await lockSigningKeys(tx);
    const known = new Map((await listSigningKeys(tx)).map((row) => [row.keyId, fromRecord(row, sealingKey)]));
    const now = clock.now();
    for (const transition of planRotation([...known.values()], now, options.policy)) {
      const key = await makeTransition(tx, known, transition, now);
      known.set(key.keyId, key);
      logger.info({ keyId: key.keyId, state: key.state }, "A signing key entered a new state.");
    }
    return [...known.values()];
  }

  async function makeTransition(
    tx: Transaction,
    known: ReadonlyMap<string, SigningKey>,
    transition: KeyTransition,
    now: Instant,
  ): Promise<SigningKey> {
    if (transition.kind === "create") {
      const next = await generateSigningKey(newKeyId(), now);
      const key = transition.state === "ACTIVE" ? applyTransition(next, "ACTIVE", now) : next;
      await insertSigningKey(tx, toRecord(key, sealingKey));
      return key;
    }
    const key = known.get(transition.keyId);
    if (key === undefined) throw new Error(`the rotation moves a key that is not stored: ${transition.keyId}`);
    const moved = applyTransition(key, transition.to, now);
    await updateSigningKeyState(tx, statesOf(moved));
    return moved;
  }

  return {
    refresh: async () => {
      keys = await database.transaction(rotate);
    },
    activeKey: () => {
      const active = keys.find((key) => key.state === "ACTIVE");
      return active === undefined
        ? Promise.reject(new Error("there is no active signing key; refresh the key ring first"))
        : Promise.resolve(active);
    },
    jwks: () => Promise.resolve(toPublicJwks(keys)),
  };
}

function statesOf(key: SigningKey): Omit<SigningKeyRecord, "publicJwk" | "privateJwkSealed"> {
  const instant = (micros: bigint | undefined) => (micros === undefined ? null : (micros as Instant));
  return {
    keyId: key.keyId,
    state: key.state,
    createdAt: key.createdAt as Instant,
    activatedAt: instant(key.activatedAt),
    retiringAt: instant(key.retiringAt),
    retiredAt: instant(key.retiredAt),
  };
}

function toRecord(
  key: SigningKey,
  sealingKey: Uint8Array,
): SigningKeyRecord & { readonly privateJwkSealed: Uint8Array } {
  if (key.privateJwk === undefined) throw new Error(`a new signing key has no private part: ${key.keyId}`);
  return {
    ...statesOf(key),
    publicJwk: { ...key.publicJwk },
    privateJwkSealed: sealSecret(sealingKey, JSON.stringify(key.privateJwk), `signing_key:${key.keyId}`),
  };
}

function fromRecord(row: SigningKeyRecord, sealingKey: Uint8Array): SigningKey {
  return {
    keyId: row.keyId,
    state: row.state,
    publicJwk: publicJwkSchema.parse(row.publicJwk),
    privateJwk: row.privateJwkSealed === null ? undefined : openPrivateJwk(row.keyId, row.privateJwkSealed, sealingKey),
    createdAt: row.createdAt,
    activatedAt: row.activatedAt ?? undefined,
    retiringAt: row.retiringAt ?? undefined,
    retiredAt: row.retiredAt ?? undefined,
  };
}

/** Throws when the master key is not the one that this database was made with. */
function openPrivateJwk(keyId: string, sealed: Uint8Array, sealingKey: Uint8Array): PrivateJwk {
  const text = openSecret(sealingKey, sealed, `signing_key:${keyId}`);
  if (text === undefined)
    throw new Error(
      `The master key does not open signing key ${keyId}. Start with the master key that this database was made with.`,
    );
  return privateJwkSchema.parse(JSON.parse(text));
}
