import type { Viewer } from "@florin/auth";
import { notFound, parseId, type Instant } from "@florin/kernel";
import type { RequestFacts, Services } from "../services.js";
import { assertKey, linkOperationsOf, personOf } from "./linked-command.js";

export interface CreateLinkTokenInput {
  readonly itemId?: string | null | undefined;
  readonly selectAccounts?: boolean | null | undefined;
  readonly idempotencyKey: string;
}

export interface CreateLinkTokenOutcome {
  readonly linkToken: string;
  readonly hostedLinkUrl: string;
  readonly expiresAt: Instant;
  readonly isReplay: boolean;
  readonly position: undefined;
}

/** A visit to Link: for a new login, or with `itemId` to repair one of the viewer's own. */
export async function createLinkToken(
  services: Services,
  viewer: Viewer,
  input: CreateLinkTokenInput,
  facts: RequestFacts,
): Promise<CreateLinkTokenOutcome> {
  const userId = personOf(viewer);
  assertKey(input.idempotencyKey);
  const isRepair = input.itemId !== undefined && input.itemId !== null;
  const itemId = isRepair ? parseId("linkedItem", input.itemId ?? "") : undefined;
  if (isRepair && itemId === undefined) throw notFound("linked item");
  const page = await linkOperationsOf(services).createLinkToken({
    userId,
    itemId,
    selectsAccounts: input.selectAccounts === true,
    idempotencyKey: input.idempotencyKey,
    timeLeftMs: facts.timeLeftMs,
  });
  return { ...page, position: undefined };
}
