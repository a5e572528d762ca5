import type { Area, EventEnvelope } from "@florin/kernel";
import { createScript, type RedisConnection } from "./redis-connection.js";
import { BrokenEntry, parseEntries } from "./redis-entries.js";

/*
 * One area's stream in Redis, and every change of it as one Lua script each, so that it happens whole and against the state it was
 * decided on. Keys (the braces put all of an area's keys into one slot of a cluster, as scripts need):
 *
 *   florin:{ledger}:events               stream; the id of an entry is its position, `<position>-0`, so Redis refuses a second one
 *   florin:{ledger}:meta                 hash: generation (a token of this life of the stream), base (everything up to it is not here)
 *   florin:{ledger}:group:<name>:mark    the group has finished everything up to here; never goes back
 *   florin:{ledger}:group:<name>:lease   the token of the process that works for the group; expires by itself
 *
 * A stream without its meta, or a meta without its stream, is "empty": Redis was emptied, or a key of it evicted. Positions are exact
 * in Lua below 2^53.
 */
export interface StreamState {
  readonly generation: string;
  readonly base: bigint;
  /** The last position that was ever published in this generation. */
  readonly last: bigint;
}

export interface StreamMarks {
  /** undefined: empty. */
  readonly state: StreamState | undefined;
  readonly marks: readonly (bigint | undefined)[];
}

export type PublishAnswer =
  | { readonly kind: "published"; readonly last: bigint; readonly length: number }
  | { readonly kind: "full" }
  | { readonly kind: "empty" }
  | { readonly kind: "moved"; readonly last: bigint };

export interface LeaseAnswer {
  /** HELD: ours and renewed. TAKEN: nobody had it, now ours. OTHER: another process has it. */
  readonly lease: "HELD" | "TAKEN" | "OTHER";
  readonly state: StreamState | undefined;
  readonly mark: bigint | undefined;
  readonly pending: number;
}

const STATE = `
local function text(number) return string.format('%.0f', number) end
local function state()
  local meta = redis.call('HMGET', KEYS[2], 'generation', 'base')
  local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
  if not meta[1] or not meta[2] or info.err then return nil end
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      return { generation = meta[1], base = tonumber(meta[2]), last = tonumber(string.match(info[i + 1], '^%d+')) }
    end
  end
end
local function answer(now, more)
  local told = now and { now.generation, text(now.base), text(now.last) } or { '', '', '' }
  for i = 1, #more do told[#told + 1] = more[i] or '' end
  return told
end
`;

/** KEYS: events, meta, marks of the expected groups. */
const SLOWEST = `
local function slowest(now)
  local low = now.last
  for i = 3, #KEYS do low = math.min(low, tonumber(redis.call('GET', KEYS[i]) or now.base)) end
  return low
end
local function trim(now, horizon, least)
  local upTo = math.min(slowest(now), now.last - horizon)
  if upTo - now.base < least then return end
  redis.call('XTRIM', KEYS[1], 'MINID', text(upTo + 1) .. '-0')
  redis.call('HSET', KEYS[2], 'base', text(upTo))
end
`;

const READ_STATE = createScript(`${STATE}
local marks = {}
for i = 3, #KEYS do marks[#marks + 1] = redis.call('GET', KEYS[i]) end
return answer(state(), marks)`);

/** ARGV: the last position, maxLength, horizon, then position and text of each event. */
const PUBLISH = createScript(`${STATE}${SLOWEST}
local now = state()
if not now then return { 'empty' } end
if now.last ~= tonumber(ARGV[1]) then return { 'moved', text(now.last) } end
local room = tonumber(ARGV[2]) - (now.last - slowest(now))
if room <= 0 then return { 'full' } end
local count = math.min(room, (#ARGV - 3) / 2)
for i = 0, count - 1 do redis.call('XADD', KEYS[1], ARGV[4 + 2 * i] .. '-0', 'event', ARGV[5 + 2 * i]) end
now.last = now.last + count
trim(now, tonumber(ARGV[3]), 1000)
return { 'published', text(now.last), tostring(redis.call('XLEN', KEYS[1])) }`);

/** Drops every finished event; for a Redis without memory. */
const TRIM_ALL = createScript(`#!lua flags=allow-oom
${STATE}${SLOWEST}
local now = state()
if now then trim(now, 0, 1) end`);

/** ARGV: the generation that the caller saw, the new one, the position to begin after, then the groups' names. */
const BEGIN = createScript(`${STATE}
local now = state()
if (now and now.generation or '') ~= ARGV[1] then return answer(now, { '0' }) end
local base = tonumber(ARGV[3])
for i = 3, #KEYS do base = math.min(base, tonumber(redis.call('GET', KEYS[i]) or base)) end
redis.call('DEL', KEYS[1])
redis.call('XGROUP', 'CREATE', KEYS[1], 'florin', '0', 'MKSTREAM')
redis.call('XGROUP', 'DESTROY', KEYS[1], 'florin')
redis.call('XSETID', KEYS[1], text(base) .. '-0')
for i = 4, #ARGV do redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[i], text(base) .. '-0') end
for i = 3, #KEYS do redis.call('SET', KEYS[i], text(base), 'NX') end
redis.call('HSET', KEYS[2], 'generation', ARGV[2], 'base', text(base))
return answer(state(), { '1' })`);

/** Makes the stream count as empty, so that the relay fills it again. ARGV: the generation that the caller found broken. */
const FORGET = createScript(`#!lua flags=allow-oom
if redis.call('HGET', KEYS[1], 'generation') == ARGV[1] then redis.call('DEL', KEYS[1]) end`);

/** KEYS: events, meta, mark, lease. ARGV: group, token, milliseconds. Whoever gets the lease finds the group made and its mark known. */
const LEASE = createScript(`#!lua flags=allow-oom
${STATE}
local holder = redis.call('GET', KEYS[4])
local lease = 'OTHER'
if holder == ARGV[2] then lease = 'HELD' elseif not holder then lease = 'TAKEN' end
if lease ~= 'OTHER' then redis.call('SET', KEYS[4], ARGV[2], 'PX', ARGV[3]) end
local now = state()
local pending = '0'
if now then
  redis.call('SET', KEYS[3], text(now.base), 'NX')
  local mark = redis.call('GET', KEYS[3])
  redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], mark .. '-0')
  local summary = redis.pcall('XPENDING', KEYS[1], ARGV[1])
  if not summary.err then pending = tostring(summary[1]) end
end
return answer(now, { lease, redis.call('GET', KEYS[3]) or '', pending })`);

const RELEASE = createScript(`#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`);

/**
 * KEYS: events, mark, meta. ARGV: group, mark, generation. Nothing is written into another generation than the mark was reached in: its
 * positions may be another outbox's. Acknowledges whatever anybody holds up to the mark; what is finished is finished, whoever
 * says so. XACK comes first: the group may be gone, the mark is true all the same.
 */
const ACKNOWLEDGE = createScript(`#!lua flags=allow-oom
if redis.call('HGET', KEYS[3], 'generation') ~= ARGV[3] then return end
for round = 1, 100 do
  local pending = redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', ARGV[2] .. '-0', 500)
  if pending.err or #pending == 0 then break end
  local ids = {}
  for i = 1, #pending do ids[i] = pending[i][1] end
  redis.call('XACK', KEYS[1], ARGV[1], unpack(ids))
end
local known = redis.call('GET', KEYS[2])
if not known or tonumber(known) < tonumber(ARGV[2]) then redis.call('SET', KEYS[2], ARGV[2]) end`);

export class RedisStream {
  readonly area: Area;
  readonly eventsKey: string;
  readonly #metaKey: string;
  readonly #prefix: string;
  readonly #groups: readonly string[];
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection, keyPrefix: string, area: Area, groups: readonly string[]) {
    this.#connection = connection;
    this.area = area;
    this.#prefix = `${keyPrefix}:{${area}}`;
    this.eventsKey = `${this.#prefix}:events`;
    this.#metaKey = `${this.#prefix}:meta`;
    this.#groups = groups;
  }

  get isAway(): boolean {
    return !this.#connection.isReady;
  }

  markKey(group: string): string {
    return `${this.#prefix}:group:${group}:mark`;
  }

  leaseKey(group: string): string {
    return `${this.#prefix}:group:${group}:lease`;
  }

  /** Marks in the order of the expected groups. */
  async read(): Promise<StreamMarks> {
    const told = toTexts(await this.#connection.run(READ_STATE, this.#ownKeys(), []));
    return { state: toState(told), marks: told.slice(3).map(toPosition) };
  }

  /** undefined when it is trimmed, or no event that can be read. */
  async entryAt(position: bigint): Promise<EventEnvelope | undefined> {
    const id = `${position}-0`;
    const found = await this.#connection.ask((client) => client.xrange(this.eventsKey, id, id));
    try {
      return parseEntries(this.area, found)[0];
    } catch (error) {
      if (error instanceof BrokenEntry) return undefined; // the groups will meet it and have the stream filled again
      throw error;
    }
  }

  async publish(
    after: bigint,
    events: readonly { readonly position: bigint; readonly text: string }[],
    bounds: { readonly maxLength: number; readonly horizon: number },
  ): Promise<PublishAnswer> {
    const entries = events.flatMap(({ position, text }) => [position.toString(), text]);
    const args = [after.toString(), String(bounds.maxLength), String(bounds.horizon), ...entries];
    const [kind, last, length] = toTexts(await this.#connection.run(PUBLISH, this.#ownKeys(), args));
    if (kind === "published") return { kind, last: BigInt(last ?? ""), length: Number(length) }; // a count of entries
    if (kind === "moved") return { kind, last: BigInt(last ?? "") };
    if (kind === "empty" || kind === "full") return { kind };
    throw new Error(`Redis answered ${String(kind)} to a publication`);
  }

  async trimFinished(): Promise<void> {
    await this.#connection.run(TRIM_ALL, this.#ownKeys(), []);
  }

  /** Begins anew after `position`, or after the lowest mark if that is lower, unless somebody else did so since `seen`. */
  async begin(
    seen: StreamState | undefined,
    generation: string,
    position: bigint,
  ): Promise<{ readonly state: StreamState; readonly isOurs: boolean }> {
    const args = [seen?.generation ?? "", generation, position.toString(), ...this.#groups];
    const told = toTexts(await this.#connection.run(BEGIN, this.#ownKeys(), args));
    const state = toState(told);
    if (state === undefined) throw new Error(`The stream of ${this.area} was emptied while it was begun.`);
    return { state, isOurs: told[3] === "1" };
  }

  async forget(state: StreamState): Promise<void> {
    await this.#connection.run(FORGET, [this.#metaKey], [state.generation]);
  }

  async lease(group: string, token: string, leaseMs: number): Promise<LeaseAnswer> {
    const keys = [this.eventsKey, this.#metaKey, this.markKey(group), this.leaseKey(group)];
    const told = toTexts(await this.#connection.run(LEASE, keys, [group, token, String(leaseMs)]));
    const lease = told[3];
    if (lease !== "HELD" && lease !== "TAKEN" && lease !== "OTHER") throw new Error("Redis gave no lease");
    return { lease, state: toState(told), mark: toPosition(told[4]), pending: Number(told[5]) }; // a count of entries
  }

  async release(group: string, token: string): Promise<void> {
    await this.#connection.run(RELEASE, [this.leaseKey(group)], [token]);
  }

  async acknowledge(group: string, mark: bigint, generation: string): Promise<void> {
    const keys = [this.eventsKey, this.markKey(group), this.#metaKey];
    await this.#connection.run(ACKNOWLEDGE, keys, [group, mark.toString(), generation]);
  }

  async mark(group: string): Promise<bigint | undefined> {
    return toPosition((await this.#connection.ask((client) => client.get(this.markKey(group)))) ?? "");
  }

  #ownKeys(): string[] {
    return [this.eventsKey, this.#metaKey, ...this.#groups.map((group) => this.markKey(group))];
  }
}

function toTexts(answer: unknown): string[] {
  if (!Array.isArray(answer)) throw new Error("Redis answered a script with no list");
  return answer.map((value) => String(value ?? ""));
}

function toState([generation, base, last]: readonly string[]): StreamState | undefined {
  if (generation === undefined || generation === "" || base === undefined || last === undefined) return undefined;
  return { generation, base: BigInt(base), last: BigInt(last) };
}

function toPosition(text: string | undefined): bigint | undefined {
  return text === undefined || text === "" ? undefined : BigInt(text);
}
