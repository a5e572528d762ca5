import { setTimeout as delay } from "node:timers/promises";
import { connectDatabase, listen, type Database } from "@florin/db";
import { LINKED_JOB_CHANNEL, PLAID_WEBHOOK_CHANNEL } from "@florin/db/accounts";
import type { Clock, IdSource } from "@florin/kernel";
import { createWebhookVerifier, type PlaidPort, type ProviderCall, type TokenVault } from "@florin/plaid";
import { startRepeatingTask, withDeadline } from "@florin/resilience";
import type { Logger, Metrics } from "@florin/telemetry";
import { startJobLoop } from "./job-loop.js";
import { createLinkOperations, type LinkOperations } from "./link-operations.js";
import { processWebhook } from "./process-webhooks.js";
import { createProviderCalls, type ProviderCalls } from "./provider-calls.js";
import { reconcileItems } from "./reconcile-items.js";
import { runJob } from "./run-job.js";
import { createSyncMeters } from "./sync-meters.js";
import type { SyncParts } from "./sync-parts.js";
import { defaultSyncPolicy, type SyncPolicy } from "./sync-policy.js";
import { createWebhookInbox, type WebhookAnswer } from "./webhook-inbox.js";

export interface LinkedWorkerOptions {
  /** Migrated; the worker connects as florin_linked_worker, the one role that may read tokens. */
  readonly databaseUrl: string;
  readonly timelineFile?: string | undefined;
  /** Default 10. */
  readonly maxConnections?: number | undefined;
  /** Makes the port; `onCall` keeps the record of its calls. The worker closes it. */
  readonly openPlaid: (onCall: (call: ProviderCall) => void) => PlaidPort;
  readonly vault: TokenVault;
  /** 32 bytes, the same as portfolio's: seals what is handed over. */
  readonly snapshotKey: Uint8Array;
  /** 32 bytes, the same at every start: Plaid knows people by an HMAC under it. */
  readonly clientUserKey: Uint8Array;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Uniform in [0, 1). Default Math.random. */
  readonly random?: (() => number) | undefined;
  readonly policy?: Partial<SyncPolicy> | undefined;
  /** See LinkOperationsOptions. */
  readonly acceptsUnboundTokens?: boolean | undefined;
  readonly linkTokensPerDay?: number | undefined;
  /** Something was committed: have the relay look now. */
  readonly wakeRelay: () => void;
}

/** The only part that holds tokens and calls Plaid (linked-accounts.md §5b). Several, in several processes, are safe side by side. */
export interface LinkedWorker {
  /** There may be work: look now. */
  wake(): void;
  readonly linkOperations: LinkOperations;
  receiveWebhook(rawBody: Uint8Array, signature: string | undefined): Promise<WebhookAnswer>;
  /** No further job begins; those that run have until the deadline, and go on elsewhere otherwise. */
  stop(deadlineMs: number): Promise<void>;
}

/** The longest statement applies a run of any length. */
const STATEMENT_DEADLINE_MS = 60_000;
const KEY_BYTES = 32;

/** Starts its loops; throws, with nothing left running, when the database cannot be listened to. */
export async function createLinkedWorker(options: LinkedWorkerOptions): Promise<LinkedWorker> {
  if (options.snapshotKey.length !== KEY_BYTES) throw new Error(`the key of snapshots has to have ${KEY_BYTES} bytes`);
  const database = connectDatabase({
    url: options.databaseUrl,
    timelineFile: options.timelineFile,
    area: "accounts",
    role: "florin_linked_worker",
    applicationName: "florin-linked-worker",
    maxConnections: options.maxConnections ?? 10,
    deadlineMs: STATEMENT_DEADLINE_MS,
  });
  try {
    return await start(options, database);
  } catch (error) {
    await database.stop();
    throw error;
  }
}

async function start(options: LinkedWorkerOptions, database: Database): Promise<LinkedWorker> {
  const { clock, logger, vault, ids, wakeRelay } = options;
  const random = options.random ?? Math.random;
  const meters = createSyncMeters(options.metrics);
  const calls = createProviderCalls({ sql: database.sql, clock, logger, meters });
  const plaid = options.openPlaid(calls.record);
  const linkOperations = createLinkOperations({ ...options, database, plaid, random });
  const stopping = new AbortController();
  const policy: SyncPolicy = { ...defaultSyncPolicy, ...options.policy };
  const pause = (ms: number) => delay(ms, undefined, { signal: stopping.signal }).catch(() => undefined);
  const { snapshotKey } = options;
  const shared = { database, plaid, vault, clock, ids, random, logger, meters, policy, snapshotKey, pause, wakeRelay };
  const inbox = createWebhookInbox({ ...shared, verifier: createVerifier(plaid, clock) });
  const loops = await startLoops(shared, linkOperations);
  return {
    wake: loops.wake,
    linkOperations,
    receiveWebhook: inbox.receive,
    stop: async (deadlineMs) => {
      stopping.abort();
      await withDeadline(loops.stop(), deadlineMs, "stopping the worker of linked accounts").catch((error: unknown) => {
        logger.warn({ err: error }, "The worker of linked accounts stopped in the midst of a job; it is run again.");
      });
      await close(calls, plaid, database);
    },
  };
}

async function close(calls: ProviderCalls, plaid: PlaidPort, database: Database): Promise<void> {
  await plaid.close();
  await calls.stop();
  await database.stop();
}

/** The simulator calls itself what Plaid's sandbox is called. */
function createVerifier(plaid: PlaidPort, clock: Clock) {
  return createWebhookVerifier({
    fetchKey: (keyId) => plaid.getWebhookVerificationKey(keyId),
    clock,
    environment: plaid.environment === "production" ? "production" : "sandbox",
  });
}

interface Loops {
  wake(): void;
  stop(): Promise<void>;
}

async function startLoops(parts: SyncParts, operations: LinkOperations): Promise<Loops> {
  const { database, policy, logger } = parts;
  let onWork = (): void => undefined;
  let onWebhook = (): void => undefined;
  const listening = await Promise.all([
    listen(database, LINKED_JOB_CHANNEL, () => onWork()),
    listen(database, PLAID_WEBHOOK_CHANNEL, () => onWebhook()),
  ]);
  // Nothing fails from here on: what runs by itself is begun last.
  const owner = `linked-worker-${parts.ids.next()}`;
  const jobs = startJobLoop(parts, owner, (lease, job) => runJob(parts, operations, lease, job));
  const webhooks = startWebhookLoop(parts, operations);
  onWork = jobs.wake;
  onWebhook = webhooks.wake;
  const reconciling = startRepeatingTask({
    everyMs: policy.reconcileEveryMs,
    startsNow: true,
    round: (isStopped) => reconcileItems(parts, operations, isStopped),
    onFailure: (error) => logger.error({ err: error }, "Reconciling linked items failed; the next round tries again."),
  });
  return {
    wake: () => {
      jobs.wake();
      webhooks.wake();
    },
    stop: async () => {
      await Promise.all([jobs.stop(), webhooks.stop(), reconciling.stop(), ...listening.map((one) => one.stop())]);
    },
  };
}

/** Calls to Plaid that webhooks of Link ask for, at the same time. */
const MAX_FOLLOW_UPS = 4;

/** One at a time, in the order in which they came; what they ask of Plaid goes on beside them. */
function startWebhookLoop(parts: SyncParts, operations: LinkOperations): Loops {
  const following = new Set<Promise<void>>();
  let running: Promise<void> | undefined;
  let isWoken = false;
  let isStopped = false;
  const follow = async (followUp: () => Promise<void>): Promise<void> => {
    if (following.size >= MAX_FOLLOW_UPS) await Promise.race(following);
    const work = followUp().finally(() => following.delete(work));
    following.add(work);
  };
  const drain = async (): Promise<void> => {
    do {
      isWoken = false;
      for (;;) {
        const processed = isStopped ? undefined : await processWebhook(parts, operations);
        if (processed === undefined) break;
        if (processed.followUp !== undefined) await follow(processed.followUp);
      }
    } while (isWoken && !isStopped);
  };
  const wake = (): void => {
    isWoken = true;
    if (isStopped) return;
    running ??= drain()
      .catch((error: unknown) => {
        parts.logger.warn({ err: error }, "Webhooks could not be worked on now; they are stored, and tried again.");
      })
      .finally(() => (running = undefined));
  };
  const looking = startRepeatingTask({
    everyMs: parts.policy.lookEveryMs,
    startsNow: true,
    round: () => {
      wake();
      return Promise.resolve();
    },
    onFailure: () => undefined,
  });
  return {
    wake,
    stop: async () => {
      isStopped = true;
      await looking.stop();
      await running;
      await Promise.all(following);
    },
  };
}
