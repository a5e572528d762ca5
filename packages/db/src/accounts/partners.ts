import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

export interface PartnerKey {
  readonly partnerId: Uuid;
  readonly scopes: readonly string[];
}

/** The partner of a key that is neither revoked nor expired, and who is not suspended. */
export async function findPartnerByKeyHash(sql: Sql, keyHash: string, now: Instant): Promise<PartnerKey | undefined> {
  const [found] = await sql<PartnerKey[]>`
    select p.partner_id as "partnerId", k.scopes
    from accounts.api_key k join accounts.partner p using (partner_id)
    where k.key_hash = ${keyHash} and k.revoked_at is null and p.status = 'ACTIVE'
      and (k.expires_at is null or k.expires_at > ${formatInstant(now)}::timestamptz)`;
  return found;
}

/** Does nothing when the partner is there. */
export async function insertPartner(
  tx: Transaction,
  partner: { readonly partnerId: Uuid; readonly name: string; readonly createdAt: Instant },
): Promise<void> {
  await tx`
    insert into accounts.partner (partner_id, name, created_at)
    values (${partner.partnerId}, ${partner.name}, ${formatInstant(partner.createdAt)}) on conflict do nothing`;
}

/** Does nothing when the key is there. */
export async function insertApiKey(
  tx: Transaction,
  key: {
    readonly keyHash: string;
    readonly partnerId: Uuid;
    readonly scopes: readonly string[];
    readonly createdAt: Instant;
  },
): Promise<void> {
  await tx`
    insert into accounts.api_key (key_hash, partner_id, scopes, created_at)
    values (${key.keyHash}, ${key.partnerId}, ${[...key.scopes]}::text[],
      ${formatInstant(key.createdAt)})
    on conflict do nothing`;
}
