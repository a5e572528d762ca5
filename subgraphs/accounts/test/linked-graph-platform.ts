import { createDerivedKeyProvider, createPlaidPort, createTokenVault } from "@florin/plaid";
import { startPlaidSimulator, type PlaidSimulator } from "@florin/plaid-simulator";
import type { SubgraphResponse } from "@florin/graph";
import { systemClock } from "@florin/resilience";
import { eventually } from "@florin/testkit";
import { dataOf, startPlatform, type Person, type Platform } from "./accounts-platform.js";
import { makePublicToken, openDoor, snapshotKey } from "./linked-platform.js";
import type { LinkedOptions } from "../src/index.js";

/** The accounts area with the simulator behind it, and what people ask of it. */
export interface LinkedGraph {
  readonly simulator: PlaidSimulator;
  readonly platform: Platform;
  /** Everything that the subgraph said, as JSON. */
  readonly answers: readonly string[];
  publicTokenOf(userName?: string): Promise<string>;
  begin(person: Person, input?: Record<string, unknown>): Promise<SubgraphResponse>;
  hand(person: Person, publicToken: string, idempotencyKey?: string): Promise<SubgraphResponse>;
  linkFor(person: Person, userName?: string): Promise<Exchanged["exchangePublicToken"]>;
  itemOf(person: Person, id: string): Promise<ItemView>;
  /** Every product of the item was read, or does not apply. */
  isSynced(person: Person, id: string): Promise<boolean>;
  stop(): Promise<void>;
}

export interface Page {
  readonly createLinkToken: { readonly linkToken: string; readonly hostedLinkUrl: string; readonly expiresAt: string };
}
export interface Exchanged {
  readonly exchangePublicToken: {
    readonly rejection: { readonly code: string } | null;
    readonly virtualAccount: { readonly id: string };
    readonly linkedItem: { readonly id: string; readonly status: string; readonly institutionName: string | null };
  };
}
interface ItemView {
  readonly status: string;
  readonly lastSyncedAt: string | null;
  readonly products: readonly { readonly product: string; readonly status: string }[];
}

export const LINK_TOKENS_PER_DAY = 12;
const products = ["transactions", "liabilities", "investments"];
const createMutation = `mutation ($input: CreateLinkTokenInput!) { createLinkToken(input: $input) { linkToken hostedLinkUrl expiresAt } }`;
const exchangeMutation = `mutation ($input: ExchangePublicTokenInput!) {
  exchangePublicToken(input: $input) { rejection { code } virtualAccount { id } linkedItem { id status institutionName } } }`;

let keys = 0;
export const newKey = () => `linked-key-${++keys}`;

export async function startLinkedGraph(): Promise<LinkedGraph> {
  const simulator = await startPlaidSimulator({
    seed: "graph",
    limitsScale: Infinity,
    notReadyCalls: 0,
    initialPullMs: 0,
    historicalPullMs: 0,
  });
  const { door, server } = await openDoor();
  const publicTokenOf = (userName = "user_good") =>
    makePublicToken(simulator.url, { userName, products, webhook: door.url });
  const area = await startPlatform({ linked: linkedOptions(simulator, door.url, publicTokenOf) });
  door.worker = area.area.linkedWorker;
  const answers: string[] = [];
  const platform: Platform = {
    ...area,
    call: async (...request) => {
      const answer = await area.call(...request);
      answers.push(JSON.stringify(answer));
      return answer;
    },
  };
  const begin: LinkedGraph["begin"] = (person, input = {}) =>
    platform.call(createMutation, { input: { idempotencyKey: newKey(), ...input } }, { token: person.token });
  const hand: LinkedGraph["hand"] = (person, publicToken, idempotencyKey = newKey()) =>
    platform.call(exchangeMutation, { input: { publicToken, idempotencyKey } }, { token: person.token });
  const itemOf: LinkedGraph["itemOf"] = async (person, id) => {
    const query = "query ($id: ID!) { linkedItem(id: $id) { status lastSyncedAt products { product status } } }";
    return dataOf<{ linkedItem: ItemView }>(await platform.call(query, { id }, { token: person.token })).linkedItem;
  };
  return {
    simulator,
    platform,
    answers,
    publicTokenOf,
    begin,
    hand,
    linkFor: async (person, userName) => {
      dataOf(await begin(person));
      const response = await hand(person, await publicTokenOf(userName));
      expect(response.extensions?.florin?.written?.["accounts"]).toMatch(/^\d+$/);
      return dataOf<Exchanged>(response).exchangePublicToken;
    },
    itemOf,
    isSynced: (person, id) =>
      eventually(async () => {
        const { products: states } = await itemOf(person, id);
        if (states.every(({ status }) => status === "READY" || status === "NOT_APPLICABLE")) return true;
        throw new Error(`not synced: ${JSON.stringify(states)}`);
      }, 15_000),
    stop: async () => {
      await area.stop();
      await simulator.stop();
      server.closeAllConnections();
      server.close();
    },
  };
}

function linkedOptions(
  simulator: PlaidSimulator,
  webhookUrl: string,
  obtainDemoToken: () => Promise<string>,
): LinkedOptions {
  const keyProvider = createDerivedKeyProvider({ masterKey: new Uint8Array(32).fill(5) });
  return {
    openPlaid: (onCall) =>
      createPlaidPort({
        environment: "simulator",
        simulatorUrl: simulator.url,
        clientId: "florin-demo",
        secret: "florin-demo",
        link: {
          clientName: "Florin",
          language: "en",
          countryCodes: ["US"],
          products: { required: ["transactions"], requiredIfSupported: [], optional: ["liabilities", "investments"] },
          daysRequested: 90,
          webhookUrl,
        },
        limiter: undefined,
        clock: systemClock,
        random: Math.random,
        onCall,
      }),
    vault: createTokenVault({ keys: keyProvider, environment: "simulator" }),
    snapshotKey,
    policy: { lookEveryMs: 50, reconcileEveryMs: 0 },
    linkTokensPerDay: LINK_TOKENS_PER_DAY,
    obtainDemoToken,
  };
}

export interface Proof {
  readonly reason: string;
  readonly remote: string;
  readonly accounts: number;
}
/** Of the person's items that were purged. */
export async function proofsOf(platform: Platform, person: Person): Promise<readonly Proof[]> {
  return platform.database.sql<Proof[]>`
    select r.reason, r.remote_outcome as remote, (r.purged_rows ->> 'linkedAccount')::integer as accounts
    from accounts.linked_item_removal r join accounts.linked_item i using (item_id)
    where r.purged_at is not null and i.user_id = (
      select user_id from accounts.app_user where email = ${person.email})`;
}

/** Of anybody's items that were purged. */
export async function countRowsAfterPurge(platform: Platform): Promise<number> {
  const [row] = await platform.database.sql<{ left: number }[]>`
    select ((select count(*) from accounts.linked_account a join accounts.linked_item i using (item_id) where i.purged_at is not null)
      + (select count(*) from accounts.linked_transaction t join accounts.linked_item i using (item_id) where i.purged_at is not null)
      + (select count(*) from accounts.linked_item_token t join accounts.linked_item i using (item_id) where i.purged_at is not null)
      + (select count(*) from accounts.linked_item where purged_at is not null and (plaid_item_id is not null or institution_name is not null))
      )::integer as left`;
  return row?.left ?? -1;
}
