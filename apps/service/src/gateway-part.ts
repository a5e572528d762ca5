import { connectEventStream, connectService, connectSubgraph } from "@florin/graph";
import type { Area } from "@florin/kernel";
import { systemClock } from "@florin/resilience";
import { composeGateway } from "./compose-gateway.js";
import { fundDemoWallets } from "./demo-funding.js";
import type { GatewayEnvironment } from "./environment.js";
import { connectIdentity } from "./identity-http.js";
import { createPartTools, type RunningPart } from "./part.js";
import { createRemoteViewers } from "./remote-viewers.js";
import { readMasterKey } from "./secrets.js";
import { readServiceIdentity } from "./service-keys.js";
import { startUntilDone } from "./until-done.js";
import { connectWebhooks } from "./webhook-http.js";

/** The feeds of live queries give a page 5 s. */
const EVENTS_BUDGET_MS = 4_000;
const FUND_AGAIN_MS = 250;

/** The public door as a process: keys → clients of accounts, ledger and portfolio → door → demo funds when they are on. It keeps nothing. */
export async function startGatewayPart(environment: GatewayEnvironment): Promise<RunningPart> {
  const masterKey = await readMasterKey(environment.keys);
  const own = await readServiceIdentity(environment.keys, "gateway", systemClock);
  const { logger, metrics, bus, stops } = createPartTools("gateway", environment);
  return stops.undoOnFailure(async () => {
    stops.push((deadlineMs) => bus.stop(deadlineMs));
    const accounts = connectService({ name: "accounts", urls: environment.accountsUrls });
    const ledger = connectService({ name: "ledger", urls: environment.ledgerUrls });
    const portfolio = connectService({ name: "portfolio", urls: environment.portfolioUrls });
    stops.push(() => [accounts, ledger, portfolio].forEach((client) => client.stop()));
    const identity = connectIdentity(accounts, own.tokens);
    const viewers = createRemoteViewers({ identity, bus, clock: systemClock, logger });
    stops.push(viewers.stop);

    const { host, port, isDemo, isProduction, redisUrl } = environment;
    const streamOf = (client: typeof accounts, stream: Area) =>
      connectEventStream(client, own.tokens, { stream, budgetMs: EVENTS_BUDGET_MS });
    const gateway = await composeGateway(
      {
        ...{
          host,
          port,
          bus,
          redisUrl,
          masterKey,
          isDemo,
          isProduction,
          logger,
          metrics,
          verifyViewer: viewers.verifyViewer,
        },
        streams: {
          accounts: streamOf(accounts, "accounts"),
          ledger: streamOf(ledger, "ledger"),
          portfolio: streamOf(portfolio, "portfolio"),
        },
      },
      {
        subgraphs: {
          accounts: connectSubgraph(accounts),
          ledger: connectSubgraph(ledger),
          portfolio: connectSubgraph(portfolio),
        },
        serviceTokens: own.tokens,
        exchangeApiKey: identity.exchangeApiKey,
        jwks: viewers.jwks,
        receivePlaidWebhook: connectWebhooks(accounts, own.tokens),
        readiness: () => {
          const parts = {
            viewers: viewers.isReady(),
            redis: bus.isReachable(),
            ...(funding && { demo: funding.isDone() }),
          };
          // Demo funds are a pleasure, not a condition: a restarted gateway serves before it has looked at them again.
          return Promise.resolve({ isReady: parts.viewers, parts });
        },
      },
    );
    stops.push((deadlineMs) => gateway.stop(deadlineMs));
    const funding = isDemo
      ? startUntilDone("demo-funds", FUND_AGAIN_MS, () => fundWhenSeeded(identity, gateway.url), logger)
      : undefined;
    if (funding !== undefined) stops.push(funding.stop);
    return { url: gateway.url, drain: gateway.drain, stop: (deadlineMs) => stops.stopAll(deadlineMs) };
  });
}

async function fundWhenSeeded(identity: { isDemoSeeded(): Promise<boolean> }, url: string): Promise<void> {
  if (!(await identity.isDemoSeeded())) throw new Error("the demo identities are not all there yet");
  await fundDemoWallets(url);
}
