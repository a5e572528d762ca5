import { formatInstant, type Instant, type Json } from "@florin/kernel";
import type { JsonValue, Sql, Transaction } from "../connect-database.js";

export interface SigningKeyRecord {
  readonly keyId: string;
  readonly state: "NEXT" | "ACTIVE" | "RETIRING" | "RETIRED";
  readonly publicJwk: Json;
  /** Null from RETIRING on: what cannot sign any more cannot be stolen. */
  readonly privateJwkSealed: Uint8Array | null;
  readonly createdAt: Instant;
  readonly activatedAt: Instant | null;
  readonly retiringAt: Instant | null;
  readonly retiredAt: Instant | null;
}

/** One process at a time plans the rotation; held until the transaction ends. */
export async function lockSigningKeys(tx: Transaction): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtext('accounts.signing_key'))`;
}

export async function listSigningKeys(sql: Sql | Transaction): Promise<SigningKeyRecord[]> {
  return sql<SigningKeyRecord[]>`
    select key_id as "keyId", state, public_jwk as "publicJwk", private_jwk_sealed as "privateJwkSealed",
      created_at as "createdAt", activated_at as "activatedAt", retiring_at as "retiringAt", retired_at as "retiredAt"
    from accounts.signing_key order by created_at, key_id`;
}

export async function insertSigningKey(
  tx: Transaction,
  key: SigningKeyRecord & { readonly privateJwkSealed: Uint8Array },
): Promise<void> {
  await tx`
    insert into accounts.signing_key (key_id, state, public_jwk, private_jwk_sealed, created_at, activated_at)
    values (${key.keyId}, ${key.state}, ${tx.json(key.publicJwk as JsonValue)}, ${Buffer.from(key.privateJwkSealed)},
      ${formatInstant(key.createdAt)}, ${toText(key.activatedAt)})`;
}

export async function updateSigningKeyState(
  tx: Transaction,
  key: Pick<SigningKeyRecord, "keyId" | "state" | "activatedAt" | "retiringAt" | "retiredAt">,
): Promise<void> {
  await tx`
    update accounts.signing_key set state = ${key.state}, activated_at = ${toText(key.activatedAt)}::timestamptz,
      retiring_at = ${toText(key.retiringAt)}::timestamptz, retired_at = ${toText(key.retiredAt)}::timestamptz,
      private_jwk_sealed = case when ${key.state} in ('NEXT', 'ACTIVE') then private_jwk_sealed end
    where key_id = ${key.keyId}`;
}

function toText(instant: Instant | null): string | null {
  return instant === null ? null : formatInstant(instant);
}
