import type { LedgerContext } from "../../context.js";
import { getReadableBatch } from "../PostingInstructionBatch.js";

export const postingInstructionBatch = (_root: unknown, { id }: { readonly id: string }, context: LedgerContext) =>
  getReadableBatch(context, id);
