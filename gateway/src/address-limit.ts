import { isIPv6 } from "node:net";
import { createBoundedCache } from "@florin/graph";

/** A token bucket for each network address. */
export interface AddressLimit {
  /** Takes one. 0: go on; else the milliseconds until the address has one again. */
  take(address: string | undefined): number;
}

export interface AddressLimitOptions {
  /** What an address may send at once. */
  readonly burst: number;
  readonly perSecond: number;
  /** Buckets kept; the address that was silent longest is forgotten first, and begins with a full bucket. */
  readonly addresses: number;
  /** Milliseconds, never decreasing. */
  readonly now: () => number;
}

interface Bucket {
  readonly left: number;
  readonly at: number;
}

export function createAddressLimit(options: AddressLimitOptions): AddressLimit {
  const { burst, perSecond, now } = options;
  const buckets = createBoundedCache<Bucket>(options.addresses);
  return {
    take(address) {
      const key = networkOf(address ?? "");
      const at = now();
      const bucket = buckets.get(key) ?? { left: burst, at };
      const left = Math.min(burst, bucket.left + ((at - bucket.at) / 1_000) * perSecond);
      if (left < 1) {
        buckets.set(key, { left, at });
        return Math.ceil(((1 - left) / perSecond) * 1_000);
      }
      buckets.set(key, { left: left - 1, at });
      return 0;
    },
  };
}

/** Whoever has one IPv6 address has 2^64 of them: the network is counted. An IPv4 address in IPv6 clothes is itself. */
export function networkOf(address: string): string {
  const [plain = ""] = address.split("%");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(plain)) return plain;
  const [head = "", tail] = plain.toLowerCase().split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - after.length);
  const whole = [...groups, ...Array.from({ length: zeros }, () => "0"), ...after];
  return `${whole.slice(0, 4).map(withoutZeros).join(":")}::/64`;
}

function withoutZeros(group: string): string {
  return group.replace(/^0+(?=.)/, "");
}
