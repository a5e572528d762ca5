import { hashApiKey, isApiKey, type TokenIssuer } from "@florin/auth";
import type { Sql } from "@florin/db";
import { findPartnerByKeyHash } from "@florin/db/accounts";
import { formatId, type Clock } from "@florin/kernel";

/** An access token for a partner's key; undefined when the key opens nothing. A revoked key's last token dies within ten minutes. */
export async function exchangeApiKey(
  parts: { readonly sql: Sql; readonly clock: Clock; readonly issuer: TokenIssuer },
  key: string,
): Promise<{ readonly token: string; readonly expiresIn: number } | undefined> {
  if (!isApiKey(key)) return undefined;
  const partner = await findPartnerByKeyHash(parts.sql, hashApiKey(key), parts.clock.now());
  if (partner === undefined) return undefined;
  return parts.issuer.issueAccessToken({
    principal: formatId("partner", partner.partnerId),
    roles: ["PARTNER"],
    scopes: partner.scopes,
  });
}
