import { createClient, type Client } from "graphql-ws";
import WebSocket from "ws";
import { setTimeout as pause } from "node:timers/promises";

/** Follows the transactions of one account over WebSocket, at one gateway after the other, each time from its last cursor. */
export interface LiveFollower {
  /** Ids in the order in which they came. */
  readonly transactionIds: readonly string[];
  /** How often a socket ended under it. */
  readonly resumed: number;
  /** What no planned restart may show: errors of the subscription itself. */
  readonly faults: readonly string[];
  stop(): void;
}

interface Emission {
  readonly transactionPosted: { readonly cursor: string; readonly transaction: { readonly id: string } };
}

const QUERY = `subscription ($ids: [ID!], $after: Cursor) {
  transactionPosted(accountIds: $ids, after: $after) { cursor transaction { id } } }`;
const PAUSE_MS = 50;

export function followTransactions(urls: readonly string[], accountId: string, token: () => string): LiveFollower {
  const transactionIds: string[] = [];
  const faults: string[] = [];
  let cursor: string | undefined;
  let resumed = 0;
  let isStopped = false;
  let client: Client | undefined;

  /** Resolves when the socket ends, whoever ended it. */
  function followAt(url: string): Promise<void> {
    return new Promise((resolve) => {
      client = createClient({
        url: `${url.replace(/^http/, "ws")}/graphql`,
        webSocketImpl: WebSocket,
        retryAttempts: 0,
        connectionParams: { authorization: `Bearer ${token()}` },
      });
      client.subscribe<Emission>(
        { query: QUERY, variables: { ids: [accountId], after: cursor } },
        {
          next: ({ data, errors }) => {
            if (errors !== undefined) faults.push(...errors.map((error) => describe(error)));
            if (data === undefined || data === null) return;
            cursor = data.transactionPosted.cursor;
            transactionIds.push(data.transactionPosted.transaction.id);
          },
          error: (error) => {
            if (Array.isArray(error))
              faults.push(...error.map(describe).filter((code) => code !== "TEMPORARILY_UNAVAILABLE"));
            resolve();
          },
          complete: resolve,
        },
      );
    });
  }

  void (async () => {
    for (let turn = 0; !isStopped; turn++) {
      await followAt(urls[turn % urls.length] ?? "");
      void client?.dispose();
      if (isStopped) return;
      resumed++;
      await pause(PAUSE_MS);
    }
  })();

  return {
    transactionIds,
    faults,
    get resumed() {
      return resumed;
    },
    stop: () => {
      isStopped = true;
      client?.terminate();
    },
  };
}

function describe(error: unknown): string {
  const { message, extensions } = error as { message?: string; extensions?: { code?: string } };
  return extensions?.code ?? message ?? String(error);
}
