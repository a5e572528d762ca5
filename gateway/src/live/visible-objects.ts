import { parse, type FormattedExecutionResult } from "graphql";
import { LiveQueryError, unavailable } from "./live-error.js";
import type { LiveCaller, LiveExecutor, LiveSnapshot } from "./live-execution.js";

/**
 * Asks the graph itself, with the viewer's own token, whether an object may be seen: live queries have no rules of their own
 * about whose account is whose.
 */
const accountText = "query LiveAccount($id: ID!) { account(id: $id) { id } }";
const accountDocument = parse(accountText);
const operationText = "query LiveOperation($id: ID!) { operation(id: $id) { id status } }";
const operationDocument = parse(operationText);
const itemsText = "query LiveLinkedItems($id: ID) { virtualAccount(id: $id) { id items { id } } }";
const itemsDocument = parse(itemsText);

const AT_ONCE = 10;

/** Throws NOT_FOUND when one of them is not there for this viewer. */
export async function assertAccountsVisible(
  executor: LiveExecutor,
  snapshot: LiveSnapshot,
  caller: LiveCaller,
  accountIds: readonly string[],
): Promise<void> {
  for (let from = 0; from < accountIds.length; from += AT_ONCE) {
    const some = accountIds.slice(from, from + AT_ONCE);
    await Promise.all(
      some.map(async (id) => {
        const operation = { snapshot, document: accountDocument, text: accountText, operationName: "LiveAccount" };
        readObject(await executor.run({ ...operation, variables: { id } }, caller, {}), "account");
      }),
    );
  }
}

/** The present status. Throws NOT_FOUND when it is not there for this viewer. */
export async function readOperationStatus(
  executor: LiveExecutor,
  snapshot: LiveSnapshot,
  caller: LiveCaller,
  id: string,
  consistency: string,
): Promise<string> {
  const operation = { snapshot, document: operationDocument, text: operationText, operationName: "LiveOperation" };
  const result = await executor.run({ ...operation, variables: { id } }, caller, {}, consistency);
  const found = readObject(result, "operation");
  return String(found["status"]);
}

/**
 * The items of a virtual account, in its order; the viewer's own when no id is given, and then none for somebody who has linked
 * nothing. Throws NOT_FOUND when the virtual account is not there for this viewer.
 */
export async function readLinkedItemIds(
  executor: LiveExecutor,
  snapshot: LiveSnapshot,
  caller: LiveCaller,
  virtualAccountId: string | undefined,
  consistency: string,
): Promise<readonly string[]> {
  const operation = { snapshot, document: itemsDocument, text: itemsText, operationName: "LiveLinkedItems" };
  const variables = virtualAccountId === undefined ? {} : { id: virtualAccountId };
  const result = await executor.run({ ...operation, variables }, caller, {}, consistency);
  const isEmpty = result.errors === undefined && result.data?.["virtualAccount"] === null;
  if (virtualAccountId === undefined && isEmpty) return [];
  const { items } = readObject(result, "virtualAccount");
  if (!Array.isArray(items)) throw unavailable();
  return items.map((item: { readonly id: string }) => item.id);
}

const nouns = { account: "account", operation: "operation", virtualAccount: "virtual account" } as const;

function readObject(result: FormattedExecutionResult, field: keyof typeof nouns): Record<string, unknown> {
  const found = result.data?.[field];
  if (found !== null && found !== undefined && typeof found === "object") return { ...found };
  const codes = (result.errors ?? []).map((error) => error.extensions?.["code"]);
  if (codes.includes("TEMPORARILY_UNAVAILABLE") || codes.includes("INTERNAL")) throw unavailable();
  const refused = (result.errors ?? []).find(({ extensions }) =>
    ["UNAUTHENTICATED", "FORBIDDEN"].includes(String(extensions?.["code"])),
  );
  if (refused !== undefined) throw new LiveQueryError(String(refused.extensions?.["code"]), refused.message);
  throw new LiveQueryError("NOT_FOUND", `No ${nouns[field]} with this id that you may see. Check the id.`);
}
