/**
 * GraphQL subscriptions over WebSocket: every emission comes from the events of a stream, in order, without gap or repeat.
 *
 *   socket -> operation read and checked -> group of equal operations -> feed (log + tap) -> one execution per event
 *          <- queue of this subscription <- results to every member  <-
 *
 * Bounds: 20 subscriptions a socket, 50 sockets a principal, 64 emissions a queue (balances: one per account), 256 events a
 * feed, 10 s an execution. A slow client costs its own queue and is cut; nobody waits for it. Order holds per subscription.
 * Authorisation: at connect (token), at subscribe (directives, limits, each account by asking the graph), at every event
 * (audience here, the subgraphs' own rules with the viewer's token), and at the end of the token or of the session.
 */
import type { Server } from "node:http";
import { GraphQLError, type GraphQLFormattedError } from "graphql";
import type { Viewer } from "@florin/auth";
import type { Bus, EventStream } from "@florin/events";
import type { Area, Clock } from "@florin/kernel";
import { Answer, EmissionQueue } from "./emission-queue.js";
import { ExecutionGroup, readHead, type Member } from "./execution-group.js";
import { openCursor, sealCursor, WHOLE_EVENT, type LivePosition, type LiveSealer } from "./live-cursor.js";
import { badInput, cursorExpired, LiveQueryError, unavailable } from "./live-error.js";
import { withDeadline } from "./event-feed.js";
import { accountFilter, type AccountField } from "./live-events.js";
import { LiveExecutor, type ExecutorOptions, type LiveCaller, type LiveSnapshot } from "./live-execution.js";
import { canonicalVariables, readAccountIds, readOperation, type ReadOperation } from "./live-operation.js";
import { LiveSockets, type SocketContext, type SocketLimits } from "./live-sockets.js";
import { linkedItemSubject, operationSubject, type Onlooker } from "./followed-subjects.js";
import { StateFollower, type Sight, type Subject } from "./state-follower.js";
import { assertAccountsVisible } from "./visible-objects.js";

export interface LiveLimits extends SocketLimits {
  readonly subscriptionsPerSocket: number;
  readonly queueLimit: number;
  readonly feedLimit: number;
  /** From SLOW_CONSUMER to the cut of the socket: time for the error to arrive. */
  readonly slowConsumerGraceMs: number;
  readonly executionDeadlineMs: number;
}

export const defaultLiveLimits: LiveLimits = {
  subscriptionsPerSocket: 20,
  socketsPerPrincipal: 50,
  socketsInAll: 10_000,
  initTimeoutMs: 4_000,
  keepAliveMs: 12_000,
  stopSpreadMs: 500,
  queueLimit: 64,
  feedLimit: 256,
  slowConsumerGraceMs: 1_000,
  executionDeadlineMs: 10_000,
};

/** What the gateway's query path checks for every operation; empty when the viewer may run it. */
export type CheckOperation = (
  operation: Pick<ReadOperation, "snapshot" | "document" | "operationName" | "variables">,
  viewer: Viewer | undefined,
) => readonly GraphQLError[];

export interface LiveQueriesOptions extends Omit<ExecutorOptions, "deadlineMs"> {
  /** The graph as it is now. A subscription keeps the snapshot it started with. */
  readonly snapshot: () => LiveSnapshot;
  readonly checkOperation: CheckOperation;
  /** Throws for a token that is not good. */
  readonly verifyViewer: (token: string) => Promise<Viewer>;
  readonly sealer: LiveSealer;
  readonly bus: Pick<Bus, "tap">;
  readonly streams: Readonly<Record<Area, EventStream>>;
  readonly clock: Clock;
  readonly allowedOrigins?: readonly string[];
  readonly limits?: Partial<LiveLimits>;
}

export interface LiveQueries {
  attach(server: Server): void;
  stop(): Promise<void>;
  /** All zero when nobody is connected; for metrics. */
  counts(): LiveCounts;
}

export interface LiveCounts {
  readonly sockets: number;
  readonly subscriptions: number;
  readonly groups: number;
  readonly feeds: number;
}

export function createLiveQueries(options: LiveQueriesOptions): LiveQueries {
  const service = new LiveQueryService(options);
  return {
    attach: (server) => service.sockets.attach(server),
    stop: () => service.stop(),
    counts: () => service.counts(),
  };
}

const RETENTION_MICROS = 7n * 24n * 3600n * 1_000_000n;
const LOG_DEADLINE_MS = 5_000;

const nobody: LiveCaller = { viewer: undefined, accessToken: undefined, clientAddress: undefined };

/** An operation that may run, for one subscriber. */
interface Request {
  readonly operation: ReadOperation;
  readonly caller: LiveCaller;
  readonly viewer: Viewer;
  readonly context: SocketContext;
}

class LiveQueryService {
  readonly sockets: LiveSockets;
  readonly #options: LiveQueriesOptions;
  readonly #limits: LiveLimits;
  readonly #executor: LiveExecutor;
  readonly #groups = new Map<string, ExecutionGroup>();
  readonly #queues = new Set<EmissionQueue>();
  readonly #snapshotIds = new WeakMap<LiveSnapshot, number>();
  readonly #untapSessions: () => void;
  #snapshotsSeen = 0;
  #feeds = 0;

  constructor(options: LiveQueriesOptions) {
    const { verifyViewer, clock, logger, bus } = options;
    this.#options = options;
    this.#limits = { ...defaultLiveLimits, ...options.limits };
    this.#executor = new LiveExecutor({ ...options, deadlineMs: this.#limits.executionDeadlineMs });
    this.sockets = new LiveSockets({
      handlers: {
        onSubscribe: (context, _id, payload) => this.#subscribe(context, payload),
        subscribe: ({ contextValue }) => queueOf(contextValue),
        onNext: (_context, _id, _payload, _args, result) => (result instanceof Answer ? result.formatted : undefined),
        onError: (context, _id, _payload, errors) => this.#formatErrors(errors, context.extra.caller),
      },
      verifyViewer,
      clock,
      logger,
      limits: this.#limits,
      allowedOrigins: options.allowedOrigins ?? [],
    });
    this.#untapSessions = bus.tap("accounts", (event) => {
      const payload = event.type === "session.revoked" ? event.payload : null;
      if (payload === null || typeof payload !== "object" || !("sessionId" in payload)) return;
      if (typeof payload.sessionId === "string") this.sockets.revokeSession(payload.sessionId);
    });
  }

  counts(): LiveCounts {
    const { size: subscriptions } = this.#queues;
    return { sockets: this.sockets.size, subscriptions, groups: this.#groups.size, feeds: this.#feeds };
  }

  async stop(): Promise<void> {
    this.#untapSessions();
    await this.sockets.stop();
    for (const queue of [...this.#queues]) queue.end();
  }

  /** Never throws: an error here would close the socket under its other subscriptions. */
  async #subscribe(context: SocketContext, payload: Parameters<typeof readOperation>[1]) {
    context.extra.opening++;
    try {
      const request = this.#readRequest(context, payload);
      if (!("operation" in request)) return request;
      const { operation } = request;
      this.#executor.prepare(operation);
      const queue = await this.#open(request);
      const { document, operationName, snapshot } = operation;
      return { schema: snapshot.schema, document, operationName, contextValue: queue };
    } catch (error) {
      if (error instanceof GraphQLError) return [error];
      this.#options.logger.error({ err: error }, "a subscription could not be opened");
      return [new LiveQueryError("INTERNAL", "Something went wrong here. Try again later.")];
    } finally {
      context.extra.opening--;
    }
  }

  /** Refusals first, in order: room, language, limits and directives, identity. */
  #readRequest(
    context: SocketContext,
    payload: Parameters<typeof readOperation>[1],
  ): Request | readonly GraphQLError[] {
    const { subscriptionsPerSocket } = this.#limits;
    // Counted here, not by graphql-ws: it forgets an id that is completed while it still opens, and the work goes on.
    if (context.extra.queues.size + context.extra.opening > subscriptionsPerSocket) {
      const message = `At most ${subscriptionsPerSocket} subscriptions on one socket. Complete one first.`;
      return [new LiveQueryError("RATE_LIMITED", message, { retryAfterMs: 1000 })];
    }
    const operation = readOperation(this.#options.snapshot(), payload);
    if (!("field" in operation)) return operation;
    const caller = context.extra.caller;
    const viewer = caller?.viewer;
    const refusals = this.#options.checkOperation(operation, viewer);
    if (refusals.length > 0) return refusals;
    if (caller === undefined || viewer === undefined) {
      return [
        new LiveQueryError("UNAUTHENTICATED", "Log in and send the token as `authorization` in connection_init."),
      ];
    }
    return { operation, caller, viewer, context };
  }

  async #open(request: Request): Promise<EmissionQueue> {
    const { field } = request.operation;
    if (field === "operationUpdated") {
      const id = String(request.operation.args["id"]);
      return this.#openStates(request, "ledger", (onlooker) => operationSubject(onlooker, id));
    }
    if (field === "linkedItemUpdated") {
      const id = request.operation.args["virtualAccountId"];
      const virtualAccountId = typeof id === "string" ? id : undefined;
      return this.#openStates(request, "accounts", (onlooker) => linkedItemSubject(onlooker, virtualAccountId));
    }
    if (field === "balanceChanged" || field === "transactionPosted") return this.#openAccounts(request, field);
    throw new LiveQueryError("BAD_USER_INPUT", `${field} is not served over this socket.`);
  }

  async #openAccounts(request: Request, field: AccountField): Promise<EmissionQueue> {
    const { operation, caller, viewer } = request;
    const accountIds = readAccountIds(operation.args);
    const start = await this.#readStart(field, operation.args["after"]);
    if (accountIds !== undefined) {
      await assertAccountsVisible(this.#executor, operation.snapshot, caller, accountIds);
    }
    const group = this.#groupFor(operation, field, viewer, accountIds);
    const sealer = this.#options.sealer;
    const startCursor = sealCursor(
      sealer,
      "ledger",
      field,
      start.after ?? { position: start.head, index: WHOLE_EVENT },
    );
    const queue = this.#createQueue(request, field === "balanceChanged", startCursor, () => group.leave(member));
    const member: Member = { queue, caller };
    if (start.after === undefined) group.join(member, start.head);
    else void group.replayThenJoin(member, start.after, start.head);
    return queue;
  }

  async #openStates(request: Request, area: Area, watch: (onlooker: Onlooker) => Subject): Promise<EmissionQueue> {
    const { operation, caller, viewer } = request;
    const executor = this.#executor;
    const subject = watch({ executor, snapshot: operation.snapshot, caller, viewer });
    const shared = { bus: this.#options.bus, executor, bufferLimit: this.#limits.feedLimit };
    const follower = new StateFollower({ ...shared, subject, stream: this.#options.streams[area], operation, caller });
    this.#feeds++;
    const stop = (): void => {
      follower.stop();
      this.#feeds--;
    };
    let present: readonly Sight[];
    try {
      present = await follower.open();
    } catch (error) {
      stop();
      throw error;
    }
    const queue = this.#createQueue(request, subject.conflates, undefined, stop);
    void follower.follow(present, queue);
    return queue;
  }

  /** Where to start: behind a cursor that is ours, not ahead of the log and not behind what is kept; else at the newest. */
  async #readStart(field: AccountField, after: unknown): Promise<{ head: bigint; after: LivePosition | undefined }> {
    const stream = this.#options.streams.ledger;
    const opened = typeof after === "string" ? openCursor(this.#options.sealer, "ledger", field, after) : undefined;
    const head = await readHead(stream);
    if (opened === undefined) return { head, after: undefined };
    if (opened.position > head) {
      throw badInput("after", "CURSOR_AHEAD", "this cursor is ahead of all events. Subscribe without it.");
    }
    const [next] = await withDeadline(stream.range(opened.position, 1), LOG_DEADLINE_MS).catch(() => {
      throw unavailable(typeof after === "string" ? after : undefined);
    });
    if (next !== undefined) {
      const oldest = this.#options.clock.now() - RETENTION_MICROS;
      if (next.position !== opened.position + 1n || next.occurredAt < oldest) throw cursorExpired();
    }
    return { head, after: opened };
  }

  #groupFor(
    operation: ReadOperation,
    field: AccountField,
    viewer: Viewer,
    accountIds: readonly string[] | undefined,
  ): ExecutionGroup {
    const key = this.#groupKey(operation, viewer);
    const found = this.#groups.get(key);
    if (found !== undefined) return found;
    const { bus, streams, sealer, logger } = this.#options;
    const group = new ExecutionGroup({
      field,
      operation,
      wants: accountFilter(viewer, accountIds && new Set(accountIds)),
      bus,
      stream: streams.ledger,
      executor: this.#executor,
      sealer,
      logger,
      bufferLimit: this.#limits.feedLimit,
      onFeed: (change) => (this.#feeds += change),
      onEmpty: (empty) => {
        if (this.#groups.get(key) === empty) this.#groups.delete(key);
      },
    });
    this.#groups.set(key, group);
    return group;
  }

  #groupKey(operation: ReadOperation, viewer: Viewer): string {
    let snapshotId = this.#snapshotIds.get(operation.snapshot);
    if (snapshotId === undefined) this.#snapshotIds.set(operation.snapshot, (snapshotId = this.#snapshotsSeen++));
    const { text, operationName = "" } = operation;
    const rights = [viewer.principal, [...viewer.roles].sort(), [...viewer.scopes].sort()];
    return JSON.stringify([snapshotId, text, operationName, canonicalVariables(operation), rights]);
  }

  #createQueue(
    request: Request,
    conflates: boolean,
    startCursor: string | undefined,
    release: () => void,
  ): EmissionQueue {
    const { socket, queues } = request.context.extra;
    const queue: EmissionQueue = new EmissionQueue({
      limit: this.#limits.queueLimit,
      conflates,
      startCursor,
      onClose: () => {
        this.#queues.delete(queue);
        queues.delete(queue);
        release();
      },
      onOverflow: () => {
        const cut = setTimeout(() => socket.terminate(), this.#limits.slowConsumerGraceMs);
        socket.once("close", () => clearTimeout(cut));
      },
    });
    this.#queues.add(queue);
    queues.add(queue);
    return queue;
  }

  /** Our own errors go out as they are; all others through the gateway's allow-list. */
  #formatErrors(errors: readonly GraphQLError[], caller = nobody): readonly GraphQLFormattedError[] {
    const { correlationId } = this.#options.createContext(caller);
    return errors.flatMap((error) => {
      const own = error instanceof LiveQueryError ? error : error.originalError;
      return own instanceof LiveQueryError ? [own.toJSON()] : this.#options.formatErrors([error], correlationId);
    });
  }
}

function queueOf(contextValue: unknown): EmissionQueue {
  if (contextValue instanceof EmissionQueue) return contextValue;
  throw new Error("a subscription was run that was not opened here");
}
