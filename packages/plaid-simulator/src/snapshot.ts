/**
 * The world as one JSON file, so that a restart keeps the Items that an application holds tokens of. Written whole to a
 * neighbour and renamed, so that a crash leaves the old one. Holds tokens of the simulator: readable by its owner only.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { SimulatorIds } from "./ids.js";
import { scheduleExpiries } from "./item-lifecycle.js";
import type { LinkToken, PublicToken, SimItem, SimulatorWorld } from "./world.js";

const VERSION = 1;

interface Snapshot {
  readonly version: number;
  readonly seed: string;
  readonly now: string;
  readonly counters: Record<string, number>;
  readonly items: SimItem[];
  readonly accessTokens: [string, string][];
  readonly publicTokens: PublicToken[];
  readonly linkTokens: LinkToken[];
}

/** Enough to know our own file from another; the rest was written by this very code. */
const envelope = z.looseObject({ version: z.literal(VERSION), seed: z.string(), now: z.iso.datetime() });

/** The file's snapshot, or undefined when there is no file yet. @throws Error when it is not one of ours */
export function readSnapshot(file: string): Snapshot | undefined {
  if (!existsSync(file)) return undefined;
  const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (!envelope.safeParse(parsed).success) {
    throw new Error(`${file} is no snapshot of this version of the simulator: move it away to start anew.`);
  }
  return parsed as Snapshot;
}

export function restoreSnapshot(world: SimulatorWorld, snapshot: Snapshot): void {
  world.ids = new SimulatorIds(snapshot.seed, snapshot.counters);
  for (const item of snapshot.items) {
    item.transactions.isPullScheduled = false; // what the clock held is gone; the next sync call takes it up
    world.items.set(item.itemId, item);
  }
  for (const [token, itemId] of snapshot.accessTokens) world.accessTokens.set(token, itemId);
  for (const token of snapshot.publicTokens) world.publicTokens.set(token.token, token);
  for (const link of snapshot.linkTokens) world.linkTokens.set(link.token, link);
  for (const item of world.items.values()) scheduleExpiries(world, item);
}

export function writeSnapshot(world: SimulatorWorld, file: string): void {
  const snapshot: Snapshot = {
    version: VERSION,
    seed: world.settings.seed,
    now: world.clock.now().toISOString(),
    counters: world.ids.counters(),
    items: [...world.items.values()],
    accessTokens: [...world.accessTokens],
    publicTokens: [...world.publicTokens.values()],
    linkTokens: [...world.linkTokens.values()],
  };
  writeFileSync(`${file}.new`, JSON.stringify(snapshot), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
