import { createHash } from "node:crypto";
import type { Database } from "@florin/db";
import { insertWebhook } from "@florin/db/accounts";
import { instantFromMillis, type Clock, type IdSource } from "@florin/kernel";
import type { WebhookVerifier } from "@florin/plaid";
import { faultPoint } from "@florin/resilience";
import type { Logger } from "@florin/telemetry";
import { digestOf } from "./link-parts.js";
import type { SyncMeters } from "./sync-meters.js";
import { readWebhookFacts } from "./webhook-facts.js";

export interface WebhookAnswer {
  readonly status: 200 | 401 | 413 | 503;
}

export interface WebhookInbox {
  /**
   * Verify, store, answer; the work comes later (§1.4). 200: stored, now or before. 401: not Plaid's, or not fresh. 503: not stored, send
   * it again. `signature`: the header `Plaid-Verification`.
   */
  receive(rawBody: Uint8Array, signature: string | undefined): Promise<WebhookAnswer>;
}

export interface WebhookInboxOptions {
  /** Either role of the area. Who receives needs no key to any token (§5.9). */
  readonly database: Database;
  readonly verifier: WebhookVerifier;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly meters: Pick<SyncMeters, "webhook">;
}

const MAX_BODY_BYTES = 256 * 1_024;

export function createWebhookInbox(options: WebhookInboxOptions): WebhookInbox {
  const { database, verifier, clock, ids, logger, meters } = options;

  async function store(rawBody: Uint8Array, replayKey: string, iat: number, body: Readonly<Record<string, unknown>>) {
    const { type, code, plaidItemId, linkToken, facts } = readWebhookFacts(body);
    const stored = await database.transaction(async (tx) => {
      const isNew = await insertWebhook(tx, {
        webhookId: ids.next(),
        replayDigest: digestOf(replayKey),
        bodyDigest: createHash("sha256").update(rawBody).digest(),
        issuedAt: instantFromMillis(iat * 1_000),
        receivedAt: clock.now(),
        type,
        code,
        plaidItemId: plaidItemId ?? null,
        linkTokenDigest: linkToken === undefined ? null : digestOf(linkToken),
        facts,
      });
      faultPoint("accounts.webhook.before-commit");
      return isNew;
    });
    faultPoint("accounts.webhook.after-commit");
    return stored;
  }

  async function receive(rawBody: Uint8Array, signature: string | undefined): Promise<WebhookAnswer> {
    if (rawBody.length > MAX_BODY_BYTES) {
      meters.webhook("refused");
      return { status: 413 };
    }
    const verdict = await verifier.verify({ rawBody, header: signature });
    if (verdict.outcome === "refused") {
      meters.webhook("refused");
      logger.warn({ reason: verdict.reason }, "A webhook was refused.");
      return { status: verdict.reason === "too_large" ? 413 : 401 };
    }
    if (verdict.outcome === "unavailable") {
      meters.webhook("unavailable");
      return { status: 503 };
    }
    const isNew = await store(rawBody, verdict.replayKey, verdict.iat, verdict.body);
    meters.webhook(isNew ? "stored" : "replay");
    return { status: 200 };
  }

  return {
    receive: async (rawBody, signature) => {
      try {
        return await receive(rawBody, signature);
      } catch (error) {
        meters.webhook("unavailable");
        logger.error({ err: error }, "A webhook could not be stored; Plaid is asked to send it again.");
        return { status: 503 };
      }
    },
  };
}
