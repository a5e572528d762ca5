import type { Viewer } from "@florin/auth";
import { findVariableFaults, toGraphqlError } from "@florin/graph";
import { RequestError } from "@florin/kernel";
import { getOperationAST, OperationTypeNode, type DocumentNode, type GraphQLError } from "graphql";
import { keepReadableFields } from "./field-access.js";
import type { Snapshot } from "./florin-gateway.js";
import { estimateCost, MAX_COST } from "./operation-cost.js";
import { assertShape } from "./operation-shape.js";

export interface OperationToCheck {
  /** Parsed and validated against the snapshot's schema. */
  readonly document: DocumentNode;
  readonly operationName?: string | undefined;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  readonly viewer: Viewer | undefined;
}

/**
 * Everything that is decided before an operation is planned: shape, variables, cost, and for subscriptions whether the viewer may
 * see all of it: an emission is not answered in part. (In queries and mutations a field that may not be seen is answered with null, by the executor.)
 * Empty when it may run.
 */
export function checkOperation(snapshot: Snapshot, operation: OperationToCheck): readonly GraphQLError[] {
  try {
    assertShape(operation.document);
    assertOperation(snapshot, operation);
    return [];
  } catch (error) {
    if (error instanceof RequestError) return [toGraphqlError(error)];
    throw error;
  }
}

/** Throws RequestError: BAD_USER_INPUT with the fields of all faulty variables, COST_LIMIT, UNAUTHENTICATED, FORBIDDEN. */
export function assertOperation(snapshot: Snapshot, checked: OperationToCheck): void {
  const operation = getOperationAST(checked.document, checked.operationName);
  if (!operation) return;
  const variables = checked.variables ?? {};
  const faults = findVariableFaults(snapshot.schema, operation, variables);
  if (faults.length > 0) {
    const summary = faults.map((fault) => `${fault.path}: ${fault.message}`).join(" ");
    throw new RequestError("BAD_USER_INPUT", `The variables do not fit. ${summary}`, { fields: faults });
  }
  if (estimateCost(snapshot.annotated, checked.document, operation, variables) > MAX_COST)
    throw new RequestError(
      "COST_LIMIT",
      `This would cost more than ${MAX_COST}. Ask for fewer rows or fewer fields at once.`,
    );
  if (operation.operation !== OperationTypeNode.SUBSCRIPTION) return;
  const { denials } = keepReadableFields(snapshot.schema, snapshot.requirements, checked.document, checked.viewer);
  for (const denial of denials.values()) throw denial;
}
