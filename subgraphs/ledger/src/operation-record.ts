import { amountFromNumeric } from "@florin/kernel";
import type { OperationRow } from "@florin/db/ledger";
import { commandFromJson } from "./writer/command-json.js";
import type { OperationRecord, PostingCommand } from "./writer/command.js";
import type { TermsCommand } from "./writer/terms-command.js";

/** A stored operation as the graph shows it; one that still waits is PENDING and shows what was asked for. */
export function toOperationRecord(row: OperationRow): OperationRecord {
  if (row.state === "WAITING") {
    const command = commandFromJson(row.payload);
    if (command.kind !== "posting" && command.kind !== "terms")
      throw new Error(`command ${row.operationId} is no operation`);
    return pendingOperation(command);
  }
  const { rejectionCode, rejectionMessage, amount, denomination } = row;
  return {
    operationId: row.operationId,
    principal: row.principal,
    type: row.type,
    status: row.status,
    rejection:
      rejectionCode === null || rejectionMessage === null
        ? undefined
        : { code: rejectionCode, message: rejectionMessage },
    accountId: row.accountId ?? undefined,
    amount:
      amount === null || denomination === null
        ? undefined
        : { amount: amountFromNumeric(amount, denomination), currency: denomination },
    batchId: row.batchId ?? undefined,
    createdAt: row.createdAt,
    completedAt: row.completedAt,
  };
}

export function pendingOperation(command: PostingCommand | TermsCommand): OperationRecord {
  const { commandId: operationId, principal, createdAt } = command;
  if (command.kind === "terms") {
    const accountId = "accountId" in command.change ? command.change.accountId : undefined;
    return { operationId, principal, type: "OTHER", status: "PENDING", accountId, createdAt };
  }
  return {
    operationId: command.commandId,
    principal: command.principal,
    type: command.type,
    status: "PENDING",
    accountId: command.account,
    amount: command.amount,
    createdAt: command.createdAt,
  };
}
