import { completedOperations, type Anomaly, type HistoryEntry } from "@florin/testkit";
import { decideHold, expireHold, type HoldAction, type HoldState } from "./hold-model.js";

/**
 * Is there one serial order of each hold that explains every answer? The book names one: the `seq` of its batches. It must be a right one:
 *
 *   illegal-outcome   played again in that order, the model comes to another outcome than the book: accepted what it must refuse, refused what
 *                     it must accept, or for another reason
 *   wrong-answer      the client was told something else than what the book has
 *   out-of-order      the book places one before another that was over before the first began: serial, but not in real time
 *   wrong-sum         the hold's row is not what its order comes to
 *
 * What was lost, doubled or is undecided is `checkIdempotentHistory`'s.
 */
export interface HoldValue {
  readonly key: string;
  readonly action: HoldAction;
  /** Of a refusal, as the client was told. */
  readonly code?: string | undefined;
}

/** A batch of the book about one hold: by its key, or the system's release of an expired one (`key` null). */
export interface PlacedBatch {
  readonly key: string | null;
  readonly hold: string | null;
  readonly seq: bigint;
  readonly bookedAt: bigint;
  /** Of its first violation; null: accepted. */
  readonly code: string | null;
}

export interface StoredHold {
  readonly hold: string;
  readonly authorised: bigint;
  readonly adjusted: bigint;
  readonly settled: bigint;
  readonly overSettled: bigint;
  readonly released: bigint;
  readonly closedBy: string | null;
}

export interface HoldVerdict {
  readonly anomalies: readonly Anomaly[];
  readonly states: ReadonlyMap<string, HoldState>;
  /** How often the model came to each outcome, by kind of action. */
  readonly outcomes: Readonly<Record<string, number>>;
}

export function judgeHolds(
  entries: readonly HistoryEntry<HoldValue>[],
  placed: readonly PlacedBatch[],
  stored: readonly StoredHold[],
): HoldVerdict {
  const anomalies: Anomaly[] = [];
  const outcomes: Record<string, number> = {};
  const states = new Map<string, HoldState>();
  const asked = new Map(completedOperations(entries).map((operation) => [operation.invoked.key, operation]));
  const latestBegin = new Map<string, { readonly at: number; readonly key: string }>();

  for (const { key, hold, seq, bookedAt, code } of [...placed].sort((a, b) => Number(a.seq - b.seq))) {
    const operation = key === null ? undefined : asked.get(key);
    const name = operation?.invoked.action.hold ?? hold;
    if (name === null) continue; // a key that nobody sent is told of elsewhere
    const before = states.get(name);
    const outcome =
      operation === undefined ? expireHold(before, bookedAt) : decideHold(before, operation.invoked.action, bookedAt);
    const kind = operation?.invoked.action.kind ?? "expire";
    const expected = "state" in outcome ? null : outcome.refused;
    outcomes[`${kind} ${expected ?? "accepted"}`] = (outcomes[`${kind} ${expected ?? "accepted"}`] ?? 0) + 1;
    if (expected !== code)
      anomalies.push({
        kind: "illegal-outcome",
        what: `${kind} of ${name} at ${seq} (${key ?? "the system"}) is ${tell(code)}, ${tell(expected)} is legal over ${show(before)}`,
      });
    if ("state" in outcome) states.set(name, outcome.state); // a refusal leaves all as it was
    if (operation === undefined || key === null) continue;
    if (operation.type === "fail" && operation.value.code !== code)
      anomalies.push({
        kind: "wrong-answer",
        what: `${key} was told ${operation.value.code}, the book has ${tell(code)}`,
      });
    const later = latestBegin.get(name);
    if (later !== undefined && operation.endedAt < later.at)
      anomalies.push({ kind: "out-of-order", what: `${key} was over before ${later.key} began, and is behind it` });
    if (later === undefined || operation.beganAt > later.at) latestBegin.set(name, { at: operation.beganAt, key });
  }
  return { anomalies: [...anomalies, ...compareRows(states, stored)], states, outcomes };
}

function compareRows(states: ReadonlyMap<string, HoldState>, stored: readonly StoredHold[]): Anomaly[] {
  const rows = new Map(stored.map((row) => [row.hold, row]));
  const names = new Set([...states.keys(), ...rows.keys()]);
  return [...names].flatMap((name): Anomaly[] => {
    const [expected, actual] = [states.get(name), rows.get(name)].map((sums) => sums && show(sums));
    return expected === actual
      ? []
      : [
          {
            kind: "wrong-sum",
            what: `${name} is ${actual ?? "not there"}, its order comes to ${expected ?? "nothing"}`,
          },
        ];
  });
}

const tell = (code: string | null): string => code ?? "accepted";

function show(sums: Omit<StoredHold, "hold"> | undefined): string {
  if (sums === undefined) return "nothing";
  const { authorised, adjusted, settled, overSettled, released, closedBy } = sums;
  return `${authorised}${adjusted < 0n ? "" : "+"}${adjusted} settled ${settled} (over ${overSettled}) released ${released} ${closedBy ?? "open"}`;
}
