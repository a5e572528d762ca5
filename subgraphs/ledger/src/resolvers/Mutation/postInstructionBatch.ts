import {
  postInstructionBatch as perform,
  type PostInstructionBatchInput,
} from "../../commands/post-instruction-batch.js";
import type { LedgerContext } from "../../context.js";
import { batchOfOperation, type BatchView } from "../PostingInstructionBatch.js";

export async function postInstructionBatch(
  _root: unknown,
  { input }: { readonly input: PostInstructionBatchInput },
  context: LedgerContext,
): Promise<{ batch: BatchView }> {
  return { batch: await batchOfOperation(context, await perform(context, input)) };
}
