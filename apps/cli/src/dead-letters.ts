import {
  connectDatabase,
  discardDeadLetter,
  findDeadLetter,
  listDeadLetters,
  requestReplay,
  type Database,
  type DeadLetter,
} from "@florin/db";
import { maskPayload } from "@florin/events";
import { areas, formatInstant, type Area } from "@florin/kernel";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { CommandFailure, misuse } from "./command-failure.js";
import { formatTable } from "./table.js";
import type { Terminal } from "./terminal.js";

export const deadLettersUsage = `florin dead-letters list    [--consumer NAME] [--all]    open ones, or all
florin dead-letters inspect ID [--reveal]                payload masked unless --reveal
florin dead-letters replay  ID [--wait SECONDS]          asks the running consumer to apply the event's key, in order
florin dead-letters discard ID --reason TEXT             it is never applied; what waits behind it is
    ID as list shows it (ledger:12) · --database-url URL, else DATABASE_URL
`;

const LIST_LIMIT = 200;
const LOOK_EVERY_MS = 200;
const MAX_WAIT_SECONDS = 600;
const OPTIONS = {
  consumer: { type: "string" },
  all: { type: "boolean" },
  reveal: { type: "boolean" },
  reason: { type: "string" },
  wait: { type: "string" },
  "database-url": { type: "string" },
} as const;

type Options = ReturnType<typeof parseOptions>["values"];
interface Address {
  readonly area: Area;
  readonly id: bigint;
}

/** Throws CommandFailure for what cannot be done, after having changed nothing. */
export async function runDeadLetters(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args);
  const [action, id, ...extra] = positionals;
  if (extra.length > 0) throw misuse(`${extra[0]} is one argument too many.`);
  const work = planAction(action, id, values, terminal);
  const url = values["database-url"] ?? terminal.environment.databaseUrl;
  if (url === undefined) throw misuse("Say which database: --database-url postgres://… or DATABASE_URL.");
  const database = connectDatabase({ url, applicationName: "florin-cli", maxConnections: 2 });
  try {
    await work(database);
  } finally {
    await database.stop();
  }
}

function parseOptions(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw misuse(`${error instanceof Error ? error.message : String(error)} See: florin help`);
  }
}

/** Everything that can be said against the command is said before a connection is made. */
function planAction(
  action: string | undefined,
  id: string | undefined,
  options: Options,
  terminal: Terminal,
): (database: Database) => Promise<void> {
  switch (action) {
    case "list":
      if (id !== undefined) throw misuse("list takes no id; to see one: florin dead-letters inspect ID");
      return (database) => list(database, options, terminal);
    case "inspect": {
      const address = parseAddress(id);
      return (database) => inspect(database, address, options.reveal === true, terminal);
    }
    case "replay": {
      const address = parseAddress(id);
      const waitSeconds = parseWait(options.wait);
      return (database) => replay(database, address, waitSeconds, terminal);
    }
    case "discard": {
      const address = parseAddress(id);
      const reason = options.reason?.trim() ?? "";
      if (reason === "") throw misuse("Say why with --reason: it is all that stays of the event's effect.");
      return (database) => discard(database, address, reason, terminal);
    }
    default:
      throw misuse(`${action ?? "dead-letters alone"} is no action. Use list, inspect, replay or discard.`);
  }
}

function parseAddress(text: string | undefined): Address {
  const match = /^([a-z]+):([1-9][0-9]{0,17})$/.exec(text ?? "");
  const area = areas.find((candidate) => candidate === match?.[1]);
  if (match === null || area === undefined) {
    throw misuse(`${text ?? "Nothing"} is no id of a dead letter. Take one from: florin dead-letters list`);
  }
  return { area, id: BigInt(match[2]!) };
}

function parseWait(text: string | undefined): number {
  if (text === undefined) return 0;
  const seconds = /^[0-9]{1,3}$/.test(text) ? parseInt(text, 10) : Infinity;
  if (seconds > MAX_WAIT_SECONDS) throw misuse(`--wait takes whole seconds from 0 to ${MAX_WAIT_SECONDS}.`);
  return seconds;
}

async function list(database: Database, options: Options, terminal: Terminal): Promise<void> {
  const rows: string[][] = [];
  let isCut = false;
  for (const area of areas) {
    const letters = await listDeadLetters(database.sql, area, {
      isOpen: options.all !== true,
      consumer: options.consumer,
      limit: LIST_LIMIT + 1,
    });
    isCut ||= letters.length > LIST_LIMIT;
    rows.push(...letters.slice(0, LIST_LIMIT).map((letter) => toRow(area, letter)));
  }
  if (rows.length === 0) {
    terminal.write(options.all === true ? "No dead letters.\n" : "No open dead letters.\n");
    return;
  }
  const header = ["ID", "STATUS", "CONSUMER", "EVENT", "TYPE", "KEY", "TRIES", "PARKED AT", "WHY"];
  terminal.write(formatTable(header, rows));
  if (isCut) terminal.write(`Only the oldest ${LIST_LIMIT} of an area are shown.\n`);
}

function toRow(area: Area, letter: DeadLetter): string[] {
  return [
    `${area}:${letter.deadLetterId}`,
    letter.replayRequestedAt === undefined ? letter.status : `${letter.status} (replay asked for)`,
    letter.consumer,
    `${letter.event.stream}@${letter.event.position}`,
    letter.event.type,
    letter.event.key,
    String(letter.attempts),
    formatInstant(letter.parkedAt).slice(0, 19),
    letter.reason ?? letter.error ?? "waits behind the one above it",
  ];
}

async function inspect(database: Database, address: Address, isRevealed: boolean, terminal: Terminal): Promise<void> {
  const letter = await getLetter(database, address);
  const { event, ...rest } = letter;
  const shown = {
    ...rest,
    deadLetterId: `${address.area}:${letter.deadLetterId}`,
    replayRequestedAt: letter.replayRequestedAt && formatInstant(letter.replayRequestedAt),
    parkedAt: formatInstant(letter.parkedAt),
    resolvedAt: letter.resolvedAt && formatInstant(letter.resolvedAt),
    event: {
      ...event,
      position: event.position.toString(),
      occurredAt: formatInstant(event.occurredAt),
      payload: isRevealed ? event.payload : maskPayload(event.payload),
    },
  };
  terminal.write(`${JSON.stringify(shown, undefined, 2)}\n`);
}

async function replay(database: Database, address: Address, waitSeconds: number, terminal: Terminal): Promise<void> {
  const { consumer, event } = await getOpenLetter(database, address);
  const isAsked = await requestReplay(database.sql, address.area, { consumer, stream: event.stream, key: event.key });
  if (!isAsked)
    throw new CommandFailure(1, `The key ${event.key} was resolved a moment ago; there is nothing to replay.`);
  terminal.write(`Asked ${consumer} to replay the key ${event.key}; it looks every few seconds while it runs.\n`);
  if (waitSeconds > 0) await waitForOutcome(database, address, waitSeconds, terminal);
}

async function waitForOutcome(
  database: Database,
  address: Address,
  seconds: number,
  terminal: Terminal,
): Promise<void> {
  const before = await getLetter(database, address);
  const deadline = performance.now() + seconds * 1000;
  while (performance.now() < deadline) {
    const letter = await getLetter(database, address);
    if (letter.resolvedAt !== undefined) {
      terminal.write(`${letter.status}.\n`);
      return;
    }
    if (letter.attempts > before.attempts)
      throw new CommandFailure(1, `It failed again: ${letter.error ?? "no reason kept"}`);
    await delay(LOOK_EVERY_MS);
  }
  throw new CommandFailure(
    1,
    `Not resolved within ${seconds} s. Does ${before.consumer} run? Does an earlier event of the key fail? See: florin dead-letters list`,
  );
}

async function discard(database: Database, address: Address, reason: string, terminal: Terminal): Promise<void> {
  const { event } = await getOpenLetter(database, address);
  if (!(await discardDeadLetter(database.sql, address.area, address.id, reason))) throw alreadyResolved(address);
  terminal.write(
    `Discarded ${event.type} of ${event.key}. What waited behind it is applied while its consumer runs.\n`,
  );
}

async function getOpenLetter(database: Database, address: Address): Promise<DeadLetter> {
  const letter = await getLetter(database, address);
  if (letter.resolvedAt !== undefined) throw alreadyResolved(address);
  return letter;
}

async function getLetter(database: Database, address: Address): Promise<DeadLetter> {
  const letter = await findDeadLetter(database.sql, address.area, address.id);
  if (letter === undefined) {
    throw new CommandFailure(
      1,
      `There is no dead letter ${address.area}:${address.id}. See: florin dead-letters list --all`,
    );
  }
  return letter;
}

function alreadyResolved(address: Address): CommandFailure {
  return new CommandFailure(
    1,
    `${address.area}:${address.id} is resolved already. See: florin dead-letters inspect ${address.area}:${address.id}`,
  );
}
