import { finishJob, saveProduct } from "@florin/db/accounts";
import { faultPoint } from "@florin/resilience";
import { handOverSnapshot } from "./hand-over-snapshot.js";
import { withStorableTexts } from "./storable-text.js";
import { writeFenced, type JobRun, type SyncParts } from "./sync-parts.js";

/** All liabilities of the item, read whole and handed over whole. A webhook's field names are never used (§1.4). */
export async function syncLiabilities(parts: SyncParts, run: JobRun): Promise<void> {
  const { liabilities } = withStorableTexts(await parts.plaid.getLiabilities(run.call));
  faultPoint("accounts.sync.after-fetch");
  await writeFenced(parts, run.lease, run.job.correlationId, async (fenced) => {
    const { tx, item, at } = fenced;
    await handOverSnapshot(parts, tx, {
      item,
      product: "LIABILITIES",
      capturedAt: at,
      rows: liabilities.map((data) => ({ data })),
      correlationId: run.job.correlationId,
    });
    await saveProduct(tx, item.itemId, { product: "LIABILITIES", state: "READY", saidBy: run.job.kind, syncedAt: at });
    await fenced.hear({ kind: "CALL_SUCCEEDED", now: fenced.at });
    fenced.noteChange();
    await finishJob(tx, item.itemId, run.job, undefined);
  });
}
