import {
  activate,
  asUuid,
  coordinateKey,
  currencyCodes,
  hookKinds,
  instantFromMicros,
  type AccountNets,
  type Amount,
  type BalanceSnapshot,
  type DataRequirements,
  type HookData,
  type HookKind,
  type HookOccasions,
  type InstructionChange,
  type Product,
} from "@florin/kernel";
import { hookTextOf } from "./hook-text.js";

/**
 * Occasions that nobody had, to see at upload whether each hook answers the same twice (HOOK-4): a few for each kind, with everything
 * that the hook declared. They need not make sense to the product; a hook that throws on one has answered, too.
 */
export interface Probe {
  readonly kind: HookKind;
  readonly text: string;
}

const ACCOUNT = asUuid("00000000-0000-7000-8000-000000000001");
const OTHER = asUuid("00000000-0000-7000-8000-000000000002");
const BATCH = asUuid("00000000-0000-7000-8000-000000000003");
const AT = instantFromMicros(1_735_689_600_000_000n);
const ROUNDS = 3;

export function probesOf(product: Product): readonly Probe[] {
  const probes: Probe[] = [];
  for (let round = 0; round < ROUNDS; round++)
    for (const kind of hookKinds) {
      const reads = product.hooks?.[kind]?.reads;
      if (reads !== undefined)
        probes.push({ kind, text: hookTextOf(kind, reads)(dataFor(product, kind, reads, round)) });
    }
  return probes;
}

function dataFor(product: Product, kind: HookKind, reads: DataRequirements, round: number): HookData {
  const denomination = (product.currencies ?? currencyCodes)[0]!;
  const activated = activate(product, denomination, {});
  const parameters = "parameters" in activated ? activated.parameters : {};
  const amount = (BigInt(round) * 12_300_000n) as Amount;
  const snapshot = snapshotOf(product, denomination, amount);
  const change = changeOf(denomination, amount, round);
  const entry = { leg: change.legs[0]!, batchId: BATCH, valueAt: AT, knownAt: AT, seq: 1n };
  const by = <T>(ids: object | undefined, value: T) =>
    Object.fromEntries(Object.keys(ids ?? {}).map((id) => [id, value]));
  const interval = { start: AT, end: AT, opening: snapshot, changes: [entry] };
  return {
    account: { accountId: ACCOUNT, denomination, tside: product.tside, openedAt: AT },
    effectiveAt: AT,
    parameters,
    flags: round === 1 ? [...(reads.flags ?? [])] : [],
    observations: { balances: snapshot, ...by(reads.observations, snapshot) },
    balanceIntervals: { balances: interval, ...by(reads.balanceIntervals, interval) },
    postingIntervals: { postings: [entry], ...by(reads.postingIntervals, [entry]) },
    calendars: by(reads.calendars, []),
    lastExecutions: by(Object.fromEntries((reads.lastExecutions ?? []).map((event) => [event, 0])), AT),
    occasion: occasionOf(kind, change, parameters),
  };
}

function occasionOf(
  kind: HookKind,
  change: InstructionChange,
  parameters: HookData["parameters"],
): HookOccasions[HookKind] {
  const instructions = [change];
  const occasions: HookOccasions = {
    activation: {},
    prePosting: { instructions },
    postPosting: { instructions, batchId: BATCH, backdated: false },
    preParameterChange: { oldParameters: parameters, newParameters: parameters },
    postParameterChange: { oldParameters: parameters, newParameters: parameters },
    derivedParameters: {},
    deactivation: {},
    conversion: { fromVersion: "0", oldParameters: parameters, schedules: [] },
  };
  return occasions[kind];
}

function snapshotOf(product: Product, denomination: InstructionChange["legs"][number]["denomination"], amount: Amount) {
  const snapshot: Record<string, BalanceSnapshot[string]> = {};
  for (const address of ["DEFAULT", ...Object.keys(product.addresses ?? {})])
    snapshot[coordinateKey({ address, asset: "COMMERCIAL_BANK_MONEY", denomination, phase: "COMMITTED" })] = {
      totalDebit: 0n as Amount,
      totalCredit: amount,
    };
  return snapshot;
}

function changeOf(
  denomination: InstructionChange["legs"][number]["denomination"],
  amount: Amount,
  round: number,
): InstructionChange {
  const nets = (committed: bigint): AccountNets => {
    const net = committed as Amount;
    return { committed: net, pendingIn: 0n as Amount, pendingOut: 0n as Amount, available: net };
  };
  return {
    index: 0,
    type: "TRANSFER",
    advice: round === 2,
    before: nets(amount),
    after: nets(amount - 20_000_000n),
    legs: [
      {
        accountId: ACCOUNT,
        address: "DEFAULT",
        asset: "COMMERCIAL_BANK_MONEY",
        denomination,
        phase: "COMMITTED",
        side: "DEBIT",
        amount: 20_000_000n as Amount,
      },
    ],
    clientTransaction: {
      clientId: "client",
      clientTransactionId: "probe",
      kind: "MOVEMENT",
      direction: "OUTBOUND",
      target: ACCOUNT,
      counterparty: OTHER,
      asset: "COMMERCIAL_BANK_MONEY",
      denomination,
      expiresAt: undefined,
      onExpired: "REJECT",
      allowOverSettlement: true,
      authorised: 0n as Amount,
      adjusted: 0n as Amount,
      settled: 20_000_000n as Amount,
      overSettled: 0n as Amount,
      released: 0n as Amount,
      status: "CLOSED",
      closedBy: "SETTLED",
      isFinal: true,
      outstanding: 0n as Amount,
    },
    overSettledAmount: 0n as Amount,
  };
}
