import { createHmac } from "node:crypto";

/**
 * Every id of the simulator, from one seed: HMAC-SHA256(seed, path). The same seed and the same calls in the same order
 * give the same ids. `next…` counts its calls; `of…` depends on the path alone.
 */
const BASE62 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const PLAID_ID_LENGTH = 37;
const REQUEST_ID_LENGTH = 15;

export class SimulatorIds {
  readonly #seed: string;
  readonly #counters: Map<string, number>;

  constructor(seed: string, counters: Readonly<Record<string, number>> = {}) {
    this.#seed = seed;
    this.#counters = new Map(Object.entries(counters));
  }

  /** A 37-character base62 id that depends on the path alone. Case matters in it. */
  of(path: string): string {
    return this.#text(path, PLAID_ID_LENGTH);
  }

  /** A fresh 37-character id of a kind: item, account, transaction. */
  next(kind: string): string {
    return this.of(`${kind}/${this.#count(kind)}`);
  }

  nextUuid(kind: string): string {
    return toUuid(this.#digest(`${kind}/${this.#count(kind)}`));
  }

  nextRequestId(): string {
    return this.#text(`request/${this.#count("request")}`, REQUEST_ID_LENGTH);
  }

  /** A number in [0, 1) that depends on the path alone. */
  fraction(path: string): number {
    return this.#digest(path).readUInt32BE(0) / 0x1_0000_0000;
  }

  /** Bytes for a secret of the simulator itself, such as the key of its cursors. */
  secret(purpose: string): Buffer {
    return this.#digest(`secret/${purpose}`);
  }

  counters(): Record<string, number> {
    return Object.fromEntries(this.#counters);
  }

  #count(kind: string): number {
    const next = (this.#counters.get(kind) ?? 0) + 1;
    this.#counters.set(kind, next);
    return next;
  }

  #digest(path: string): Buffer {
    return createHmac("sha256", this.#seed).update(path).digest();
  }

  /** Five characters from every 32 bits of the digest: quick, and even to one part in a thousand. */
  #text(path: string, length: number): string {
    const digest = this.#digest(path);
    let text = "";
    for (let byte = 0; text.length < length; byte += 4) {
      let value = digest.readUInt32BE(byte);
      for (let place = 0; place < 5; place += 1) {
        text += BASE62.charAt(value % 62);
        value = Math.floor(value / 62);
      }
    }
    return text.slice(0, length);
  }
}

function toUuid(digest: Buffer): string {
  const bytes = Buffer.from(digest.subarray(0, 16));
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
