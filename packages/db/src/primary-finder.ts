import type { Socket } from "node:net";
import postgres from "postgres";
import { NoPrimaryError, PrimaryChangedError } from "./database-errors.js";
import { parseDatabaseUrl, type DatabaseHost, type DatabaseUrl } from "./database-url.js";
import { createTimelineFile, type TimelineFile } from "./timeline-file.js";
import { connectWatchedSocket } from "./watched-socket.js";

/**
 * Which of several hosts is the primary. The driver's own list of hosts is no failover client (reliability.md, findings 2 and 6):
 * it hangs when all are down, and it takes an old primary that came back for the primary.
 *
 *   KNOWN      new connections go to `known` at once; every 2 s, while there are connections, all hosts are asked again
 *   SEARCHING  all hosts are asked at once, each for ≤ 500 ms (≤ 2 s in later rounds: a slow machine is not a dead one), every
 *              100 ms, until one is acceptable; each caller waits for its own deadline and then gets NoPrimaryError
 *
 * KNOWN → SEARCHING when a connection to the known host broke, was ended by the server, or answered that it is read-only.
 * SEARCHING → KNOWN when accepted; connections to any other host are destroyed, their outcomes unknown.
 *
 * Accepted is the one host that is not in recovery and whose timeline is the highest of those that answered, unless
 *   - a higher timeline was accepted before (in this process, or in `timelineFile` by an earlier one): an old primary is back;
 *   - its log ends before a point that was seen on the same timeline: an old copy is back;
 *   - two hosts say so on one timeline and neither was the primary before: nobody can tell which is right, so none is taken.
 * Money prefers no database to a wrong one: refusing is an outage that an operator sees, accepting is money that a rewind takes back.
 */
export interface PrimaryFinder {
  /** Rejects with NoPrimaryError after `deadlineMs`; nothing was sent anywhere then. */
  find(deadlineMs: number): Promise<DatabaseHost>;
  /** Watches a connection to `host` and destroys it when another host becomes the primary. */
  adopt(socket: Socket, host: DatabaseHost): void;
  /** What a connection to `host` says makes it doubtful that it is the primary. */
  suspect(host: DatabaseHost): void;
  /** Calls `onPrimary` for each change. Returns how to stop that. */
  onPrimary(listener: (primary: Primary) => void): () => void;
  release(): void;
}

export interface Primary extends DatabaseHost {
  /** Grows by one or more with each promotion. */
  readonly timeline: number;
}

interface Report extends Primary {
  /** End of the flushed log, in bytes: never goes back on one timeline of one server. */
  readonly flushed: bigint;
}

const PROBE_MS = 500;
const MAX_PROBE_MS = 2_000;
const RETRY_MS = 100;
const WATCH_MS = 2_000;
/** A suspicion is looked into for so long when nobody waits for the answer; the next connection looks again. */
const UNATTENDED_SEARCH_MS = 5_000;

const finders = new Map<string, { readonly finder: HostFinder; users: number }>();

/** One search for all pools of this process on the same hosts. Give it back with `release`. */
export function acquirePrimaryFinder(url: string, timelineFile: string | undefined): PrimaryFinder {
  const key = `${timelineFile ?? ""} ${url}`;
  const entry = finders.get(key) ?? { finder: new HostFinder(url, timelineFile), users: 0 };
  entry.users++;
  finders.set(key, entry);
  const { finder } = entry;
  let isReleased = false;
  return {
    find: (deadlineMs) => finder.find(deadlineMs),
    adopt: (socket, host) => finder.adopt(socket, host),
    suspect: (host) => finder.suspect(host),
    onPrimary: (listener) => finder.onPrimary(listener),
    release: () => {
      if (isReleased) return;
      isReleased = true;
      if (--entry.users > 0) return;
      finders.delete(key);
      finder.close();
    },
  };
}

class HostFinder {
  readonly #url: DatabaseUrl;
  readonly #file: TimelineFile;
  readonly #sockets = new Map<Socket, DatabaseHost>();
  readonly #listeners = new Set<(primary: Primary) => void>();
  #known: DatabaseHost | undefined;
  /** The last that was accepted: what the next one is measured against. */
  #last: Report | undefined;
  #search: Promise<DatabaseHost | undefined> | undefined;
  #searchUntil = 0;
  #refusal = "no host has answered yet";
  #watch: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(url: string, timelineFile: string | undefined) {
    this.#url = parseDatabaseUrl(url);
    this.#file = createTimelineFile(timelineFile);
  }

  async find(deadlineMs: number): Promise<DatabaseHost> {
    if (this.#known !== undefined) return this.#known;
    const until = performance.now() + deadlineMs;
    this.#searchUntil = Math.max(this.#searchUntil, until);
    const timer = rejectAfter(deadlineMs, () => new NoPrimaryError(deadlineMs, this.#refusal));
    try {
      for (;;) {
        const found = await Promise.race([this.#searchOnce(), timer.expired]);
        if (found !== undefined) return found;
        if (this.#isClosed || performance.now() >= until) throw new NoPrimaryError(deadlineMs, this.#refusal);
      }
    } finally {
      timer.clear();
    }
  }

  adopt(socket: Socket, host: DatabaseHost): void {
    this.#sockets.set(socket, host);
    socket.once("error", () => this.suspect(host));
    socket.once("end", () => {
      if (!socket.writableEnded) this.suspect(host); // the server ended it, not we
    });
    socket.once("close", () => this.#sockets.delete(socket));
    this.#armWatch();
  }

  suspect(host: DatabaseHost): void {
    if (this.#isClosed || this.#known !== host) return;
    this.#known = undefined;
    this.#searchUntil = Math.max(this.#searchUntil, performance.now() + UNATTENDED_SEARCH_MS);
    void this.#searchOnce().catch(() => undefined); // the next connection is told
  }

  onPrimary(listener: (primary: Primary) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#watch);
  }

  /** Joins the search that runs. undefined when it ended without a primary. */
  #searchOnce(): Promise<DatabaseHost | undefined> {
    this.#search ??= this.#runSearch().finally(() => (this.#search = undefined));
    return this.#search;
  }

  async #runSearch(): Promise<DatabaseHost | undefined> {
    for (let probeMs = PROBE_MS; ; probeMs = Math.min(probeMs * 2, MAX_PROBE_MS)) {
      await this.#look(probeMs);
      if (this.#known !== undefined) return this.#known;
      if (this.#isClosed || performance.now() >= this.#searchUntil) return undefined;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
    }
  }

  async #look(probeMs: number): Promise<void> {
    const floor = await this.#file.load();
    const reports = await Promise.all(this.#url.hosts.map((host) => probe(this.#url.urlOf(host), host, probeMs)));
    const primaries = reports.filter((report) => report !== undefined);
    const decision = decide(primaries, this.#last, floor);
    if (typeof decision === "string") {
      this.#refusal = decision;
      return;
    }
    await this.#file.save(decision.timeline); // first: what is used must be refused no more after a restart
    if (!this.#isClosed) this.#accept(decision);
  }

  #accept(report: Report): void {
    const before = this.#last;
    const host = this.#url.hosts.find((one) => isSame(one, report));
    this.#last = report;
    this.#known = host;
    for (const [socket, its] of this.#sockets) if (its !== host) socket.destroy(new PrimaryChangedError());
    if (before !== undefined && isSame(before, report) && before.timeline === report.timeline) return;
    const { flushed: _, ...primary } = report;
    for (const listener of this.#listeners) listener(primary);
  }

  /** A primary that was cut off from the others still answers us: only asking the others shows it. */
  #armWatch(): void {
    this.#watch ??= setTimeout(() => {
      this.#watch = undefined;
      if (this.#sockets.size === 0 || this.#isClosed) return;
      const looked = this.#search ?? this.#look(PROBE_MS);
      looked.catch(() => undefined).finally(() => this.#armWatch());
    }, WATCH_MS).unref();
  }
}

/** The acceptable one, or why there is none. Pure. */
export function decide(primaries: readonly Report[], last: Report | undefined, floor: number): Report | string {
  if (primaries.length === 0) return "no host answers as primary";
  const timeline = Math.max(...primaries.map((one) => one.timeline));
  const highest = Math.max(floor, last?.timeline ?? 0);
  if (timeline < highest) {
    return `the only primary is on timeline ${timeline}, and timeline ${highest} was in use: an old primary is back and must be fenced`;
  }
  const isOldCopy = (one: Report) => last?.timeline === one.timeline && one.flushed < last.flushed;
  const candidates = primaries.filter((one) => one.timeline === timeline && !isOldCopy(one));
  if (candidates.length === 0) {
    return `the primary's log on timeline ${timeline} ends before a point that was seen: an old copy is back and must be fenced`;
  }
  const chosen = candidates.length === 1 ? candidates[0] : candidates.find((one) => last && isSame(one, last));
  return chosen ?? `${candidates.length} hosts are primary on timeline ${timeline}: split brain, fence all but one`;
}

/** undefined: not reachable in time, or in recovery. pg_control_checkpoint would still show the old timeline (finding 6). */
async function probe(url: string, host: DatabaseHost, probeMs: number): Promise<Report | undefined> {
  const options = {
    max: 1,
    ssl: false,
    fetch_types: false,
    connect_timeout: probeMs / 1000,
    onnotice: () => undefined,
    socket: () => connectWatchedSocket(host.host, host.port, probeMs),
    connection: { application_name: "florin-primary-probe" },
    types: { bigint: postgres.BigInt },
  };
  const sql = postgres(url, options);
  const timer = rejectAfter(probeMs, () => new Error("no answer in time"));
  const asked = sql<{ timeline: number; flushed: bigint }[]>`
    select ('x' || substr(pg_walfile_name(at), 1, 8))::bit(32)::int as timeline, (at - '0/0'::pg_lsn)::bigint as flushed
    from (select case when pg_is_in_recovery() then null else pg_current_wal_flush_lsn() end as at) as log where at is not null`;
  try {
    const [row] = await Promise.race([asked, timer.expired]);
    return row === undefined ? undefined : { ...host, ...row };
  } catch {
    return undefined;
  } finally {
    timer.clear();
    sql.end({ timeout: 0 }).catch(() => undefined);
  }
}

function rejectAfter(ms: number, error: () => Error): { readonly expired: Promise<never>; clear(): void } {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(error()), ms)));
  expired.catch(() => undefined); // it may pass after the race was won
  return { expired, clear: () => clearTimeout(timer) };
}

function isSame(one: DatabaseHost, other: DatabaseHost): boolean {
  return one.host === other.host && one.port === other.port;
}
