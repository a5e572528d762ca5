/**
 * What the kernel should do, said a second time and as plainly as can be: cents in a few maps, no legs, no phases, no precedence.
 * Three wallets (1, 2, 3) that may not go below zero and one cash account (9) that may. Whatever the two disagree about, one is wrong.
 */
export type ModelInstruction =
  | {
      readonly does: "in" | "out";
      readonly who: number;
      readonly cents: bigint;
      readonly id?: string;
      readonly advice: boolean;
    }
  | {
      readonly does: "transfer";
      readonly who: number;
      readonly to: number;
      readonly cents: bigint;
      readonly advice: boolean;
    }
  | { readonly does: "custom"; readonly who: number; readonly to: number; readonly cents: bigint; readonly id?: string }
  | {
      readonly does: "authIn" | "authOut";
      readonly who: number;
      readonly cents: bigint;
      readonly id: string;
      readonly advice: boolean;
      readonly lasts?: bigint;
      readonly converts: boolean;
      readonly mayExceed: boolean;
    }
  | { readonly does: "adjust" | "replace"; readonly id: string; readonly cents: bigint }
  | {
      readonly does: "settle";
      readonly id: string;
      readonly cents?: bigint;
      readonly final: boolean;
      readonly advice: boolean;
    }
  | { readonly does: "release"; readonly id: string };

interface Hold {
  readonly out: boolean;
  readonly who: number;
  readonly expires: bigint | undefined;
  readonly converts: boolean;
  readonly mayExceed: boolean;
  /** Authorised and adjusted. */
  promised: bigint;
  left: bigint;
  settled: bigint;
  end: "" | "SETTLED" | "RELEASED" | "EXPIRED";
}

const CASH = 9;

export class ReferenceModel {
  clock = 2_000n;
  /** What each wallet owns, expects and has promised away. */
  readonly owns = new Map<number, bigint>();
  readonly expects = new Map<number, bigint>();
  readonly held = new Map<number, bigint>();
  readonly holds = new Map<string, Hold>();
  /** Ids of movements and of custom instructions. */
  readonly moved = new Set<string>();
  readonly grouped = new Set<string>();

  copy(): ReferenceModel {
    const other = new ReferenceModel();
    other.become(this);
    return other;
  }

  become(other: ReferenceModel): void {
    this.clock = other.clock;
    for (const name of ["owns", "expects", "held"] as const) refill(this[name], other[name]);
    refill(this.holds, new Map([...other.holds].map(([id, hold]) => [id, { ...hold }])));
    this.moved.clear();
    this.grouped.clear();
    for (const id of other.moved) this.moved.add(id);
    for (const id of other.grouped) this.grouped.add(id);
  }

  free(who: number): bigint {
    return (this.owns.get(who) ?? 0n) - (this.held.get(who) ?? 0n);
  }

  /** Why not, by code; nothing said and nothing changed when it may not. */
  perform(instruction: ModelInstruction): readonly string[] {
    const attempt = this.copy();
    const faults = attempt.#try(instruction);
    const needsFunds = !("advice" in instruction && instruction.advice) && !attempt.#isFree(instruction);
    if (faults.length === 0 && needsFunds)
      for (const who of [1, 2, 3])
        if (attempt.free(who) < 0n && attempt.free(who) < this.free(who)) faults.push("INSUFFICIENT_FUNDS");
    if (faults.length === 0) this.become(attempt);
    return faults;
  }

  /** What the system does when a hold's time is up. */
  expire(id: string): readonly string[] {
    const hold = this.holds.get(id);
    if (hold === undefined) return ["CLIENT_TRANSACTION_NOT_FOUND"];
    if (hold.end !== "") return ["CLIENT_TRANSACTION_CLOSED"];
    if (hold.expires === undefined || this.clock < hold.expires) return ["CLIENT_TRANSACTION_NOT_EXPIRED"];
    this.#giveBack(hold, hold.left);
    hold.end = "EXPIRED";
    return [];
  }

  #isFree(instruction: ModelInstruction): boolean {
    return instruction.does === "release" || (instruction.does === "adjust" && instruction.cents < 0n);
  }

  #try(instruction: ModelInstruction): string[] {
    switch (instruction.does) {
      case "in":
      case "out":
      case "transfer":
        return this.#move(instruction);
      case "custom": {
        if (instruction.cents <= 0n) return ["AMOUNT_NOT_POSITIVE"];
        const { id } = instruction;
        const hold = id === undefined ? undefined : this.holds.get(id);
        if (hold !== undefined) return [hold.end === "" ? "CLIENT_TRANSACTION_MISMATCH" : "CLIENT_TRANSACTION_CLOSED"];
        if (id !== undefined && this.moved.has(id)) return ["CLIENT_TRANSACTION_CLOSED"];
        if (id !== undefined) this.grouped.add(id);
        this.#pay(instruction.who, instruction.to, instruction.cents);
        return [];
      }
      case "authIn":
      case "authOut":
        return this.#authorise(instruction);
      case "adjust":
      case "replace":
      case "settle":
      case "release":
        return this.#follow(instruction);
    }
  }

  #move(instruction: Extract<ModelInstruction, { does: "in" | "out" | "transfer" }>): string[] {
    const { does, who, cents } = instruction;
    const id = does === "transfer" ? undefined : instruction.id;
    const faults: string[] = [];
    if (cents <= 0n) faults.push("AMOUNT_NOT_POSITIVE");
    if (does === "transfer" && who === instruction.to) faults.push("SAME_ACCOUNT");
    faults.push(...this.#used(id));
    if (faults.length > 0) return faults;
    if (id !== undefined) this.moved.add(id);
    if (does === "in") this.#pay(CASH, who, cents);
    else this.#pay(who, instruction.does === "transfer" ? instruction.to : CASH, cents);
    return [];
  }

  #used(id: string | undefined): string[] {
    if (id === undefined) return [];
    const hold = this.holds.get(id);
    if (this.moved.has(id) || (hold !== undefined && hold.end !== "")) return ["CLIENT_TRANSACTION_CLOSED"];
    return hold !== undefined || this.grouped.has(id) ? ["CLIENT_TRANSACTION_EXISTS"] : [];
  }

  #authorise(instruction: Extract<ModelInstruction, { does: "authIn" | "authOut" }>): string[] {
    const { does, who, cents, id, lasts, converts, mayExceed } = instruction;
    const faults = [...(cents <= 0n ? ["AMOUNT_NOT_POSITIVE"] : []), ...this.#used(id)];
    if (faults.length > 0) return faults;
    const expires = lasts === undefined ? undefined : this.clock + lasts;
    const hold: Hold = {
      out: does === "authOut",
      who,
      expires,
      converts,
      mayExceed,
      promised: cents,
      left: 0n,
      settled: 0n,
      end: "",
    };
    this.holds.set(id, hold);
    this.#giveBack(hold, -cents);
    return [];
  }

  #follow(instruction: Extract<ModelInstruction, { does: "adjust" | "replace" | "settle" | "release" }>): string[] {
    const { does, id } = instruction;
    if (does === "settle" && instruction.cents !== undefined && instruction.cents <= 0n) return ["AMOUNT_NOT_POSITIVE"];
    if (does === "adjust" && instruction.cents === 0n) return ["AMOUNT_NOT_POSITIVE"];
    if (does === "replace" && instruction.cents < 0n) return ["AMOUNT_NOT_POSITIVE"];
    const hold = this.holds.get(id);
    if (this.grouped.has(id)) return ["CLIENT_TRANSACTION_MISMATCH"];
    if (this.moved.has(id)) return ["CLIENT_TRANSACTION_CLOSED"];
    if (hold === undefined) return ["CLIENT_TRANSACTION_NOT_FOUND"];
    if (hold.end !== "") return ["CLIENT_TRANSACTION_CLOSED"];
    const isLate = hold.expires !== undefined && this.clock >= hold.expires;
    const isHard = isLate && does === "settle" && hold.converts;
    if (isLate && !isHard) return ["CLIENT_TRANSACTION_EXPIRED"];
    if (does === "release") {
      this.#giveBack(hold, hold.left);
      hold.end = "RELEASED";
      return [];
    }
    if (does === "settle") return this.#settle(hold, instruction.cents, instruction.final || isHard);
    const by = does === "adjust" ? instruction.cents : instruction.cents - hold.promised;
    if (by === 0n) return ["AMOUNT_NOT_POSITIVE"];
    if (hold.left + by < 0n) return ["ADJUSTMENT_BELOW_ZERO"];
    hold.promised += by;
    this.#giveBack(hold, -by);
    return [];
  }

  #settle(hold: Hold, cents: bigint | undefined, final: boolean): string[] {
    const sum = cents ?? hold.left;
    if (sum <= 0n) return ["AMOUNT_NOT_POSITIVE"];
    if (sum > hold.left && !hold.mayExceed) return ["SETTLEMENT_EXCEEDS_AUTHORISATION"];
    this.#giveBack(hold, sum < hold.left ? sum : hold.left);
    hold.settled += sum;
    if (hold.out) this.#pay(hold.who, CASH, sum);
    else this.#pay(CASH, hold.who, sum);
    if (!final && cents !== undefined) return [];
    this.#giveBack(hold, hold.left);
    hold.end = "SETTLED";
    return [];
  }

  #pay(from: number, to: number, cents: bigint): void {
    add(this.owns, from, -cents);
    add(this.owns, to, cents);
  }

  #giveBack(hold: Hold, cents: bigint): void {
    hold.left -= cents;
    add(hold.out ? this.held : this.expects, hold.who, -cents);
  }
}

function add(map: Map<number, bigint>, key: number, cents: bigint): void {
  map.set(key, (map.get(key) ?? 0n) + cents);
}

function refill<K, V>(map: Map<K, V>, from: ReadonlyMap<K, V>): void {
  const entries = [...from];
  map.clear();
  for (const [key, value] of entries) map.set(key, value);
}
