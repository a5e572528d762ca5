import {
  claimDueItem,
  listDueJobs,
  releaseItem,
  renewItemLease,
  type DueJob,
  type ItemLease,
} from "@florin/db/accounts";
import { LeaseLost, type SyncParts } from "./sync-parts.js";

/**
 * Serves due jobs, item by item.
 *
 *   claim   as many items as there is room for; each is this worker's alone while its lease is renewed
 *   serve   the item's due jobs in their order, looked for anew after each, as one job asks for others; a bounded number, then the item
 *           goes back, so that a storm for one does not starve the rest
 *   wait    until a notification, or a look in time
 *
 * A database that fails ends the work on an item, never the loop. Nothing here holds a transaction while Plaid is asked.
 */
export interface JobLoop {
  /** There may be work: look now. */
  wake(): void;
  /** Lets the jobs that run end. */
  stop(): Promise<void>;
}

const MAX_JOBS_A_LEASE = 24;
const FAILURE_PAUSE_MS = 1_000;

export function startJobLoop(
  parts: SyncParts,
  owner: string,
  run: (lease: ItemLease, job: DueJob) => Promise<void>,
): JobLoop {
  const { policy, logger, clock } = parts;
  const { sql } = parts.database;
  const working = new Set<Promise<void>>();
  let isStopping = false;
  let isWoken = false;
  let endWait = (): void => undefined;

  async function serve(lease: ItemLease): Promise<void> {
    let isOurs = true;
    const renewal = setInterval(() => {
      renewItemLease(sql, lease, policy.leaseMs).then(
        (isRenewed) => (isOurs &&= isRenewed),
        () => undefined, // the next one may come through; the fence holds in any case
      );
    }, policy.leaseMs / 3);
    renewal.unref();
    try {
      for (let served = 0; served < MAX_JOBS_A_LEASE && isOurs && !isStopping; served++) {
        const [job] = await listDueJobs(sql, lease.itemId, clock.now());
        if (job === undefined) break;
        await run(lease, job);
      }
    } catch (error) {
      if (error instanceof LeaseLost) parts.meters.job("ANY", "lease_lost");
      else logger.error({ itemId: lease.itemId, err: error }, "Work on a linked item broke off; it goes on later.");
      if (!(error instanceof LeaseLost)) await parts.pause(FAILURE_PAUSE_MS);
    } finally {
      clearInterval(renewal);
      await releaseItem(sql, lease).catch(() => undefined); // else it runs out
    }
  }

  async function fill(): Promise<void> {
    while (working.size < policy.itemsAtOnce && !isStopping) {
      const lease = await claimDueItem(sql, { owner, leaseMs: policy.leaseMs }, clock.now());
      if (lease === undefined) return;
      const work = serve(lease).finally(() => {
        working.delete(work);
        wake();
      });
      working.add(work);
    }
  }

  async function loop(): Promise<void> {
    while (!isStopping) {
      isWoken = false;
      try {
        await fill();
      } catch (error) {
        logger.warn({ err: error }, "Looking for work on linked items failed; it is tried again.");
      }
      if (!isWoken && !isStopping) await rest();
    }
    await Promise.all(working);
  }

  function rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, policy.lookEveryMs);
      timer.unref();
      endWait = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  function wake(): void {
    isWoken = true;
    endWait();
  }

  const ended = loop();
  return {
    wake,
    stop: async () => {
      isStopping = true;
      wake();
      await ended;
    },
  };
}
