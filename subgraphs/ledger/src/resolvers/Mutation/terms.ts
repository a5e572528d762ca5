import { formatId } from "@florin/kernel";
import * as commands from "../../commands/change-terms.js";
import type { LedgerContext } from "../../context.js";
import type { OperationRecord } from "../../writer/command.js";
import { conversionOf } from "../Query/terms.js";

/** Changes of terms: each answers its operation. */
type Command<Input> = (context: LedgerContext, input: Input) => Promise<OperationRecord>;

function answering<Input>(command: Command<Input>) {
  return async (_root: unknown, { input }: { readonly input: Input }, context: LedgerContext) => ({
    operation: await command(context, input),
  });
}

export const termsMutations = {
  changeAccountParameters: answering(commands.changeAccountParameters),
  changeTemplateParameters: answering(commands.changeTemplateParameters),
  setFlag: answering(commands.setFlag),
  clearFlag: answering(commands.clearFlag),
  defineRestriction: answering(commands.defineRestriction),
  applyRestriction: async (
    _root: unknown,
    { input }: { readonly input: commands.ApplyRestrictionInput },
    context: LedgerContext,
  ) => {
    const operation = await commands.applyRestriction(context, input);
    const isApplied = operation.status === "COMPLETED";
    return { operation, restrictionId: isApplied ? formatId("restriction", operation.operationId) : null };
  },
  liftRestriction: answering(commands.liftRestriction),
  setAccountGuards: answering(commands.setAccountGuards),
  closePeriod: answering(commands.closePeriod),
  uploadProduct: async (
    _root: unknown,
    { input }: { readonly input: commands.UploadProductInput },
    context: LedgerContext,
  ) => {
    const operation = await commands.uploadProduct(context, input);
    const isStored = operation.status === "COMPLETED";
    const version = isStored ? await context.readers.findProductVersion(operation.operationId) : undefined;
    return { operation, productVersion: version ?? null };
  },
  convertAccounts: async (
    _root: unknown,
    { input }: { readonly input: commands.ConvertAccountsInput },
    context: LedgerContext,
  ) => {
    const operation = await commands.convertAccounts(context, input);
    const isBegun = operation.status === "COMPLETED";
    return { operation, conversion: isBegun ? await conversionOf(context, operation.operationId) : null };
  },
  resolvePostProcessingFailure: answering(commands.resolvePostProcessingFailure),
};
