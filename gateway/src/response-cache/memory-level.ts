/** Answers in this process, compressed; the ones used longest ago leave when the bytes are used up. */
export interface MemoryLevel {
  get(key: string, nowMs: number): Uint8Array | undefined;
  set(key: string, packed: Uint8Array, expiresAtMs: number): void;
  clear(): void;
  readonly bytes: number;
  readonly size: number;
}

interface Entry {
  readonly packed: Uint8Array;
  readonly expiresAtMs: number;
}

/** What an entry costs beside its key and its bytes, about. */
const OVERHEAD_BYTES = 200;

/** @param capacityBytes keys and overhead counted; an answer that would take more than an eighth of it is not kept */
export function createMemoryLevel(capacityBytes: number): MemoryLevel {
  const entries = new Map<string, Entry>();
  let bytes = 0;

  const costOf = (key: string, { packed }: Entry): number => key.length + packed.byteLength + OVERHEAD_BYTES;

  function remove(key: string): void {
    const entry = entries.get(key);
    if (entry === undefined) return;
    bytes -= costOf(key, entry);
    entries.delete(key);
  }

  return {
    get bytes() {
      return bytes;
    },
    get size() {
      return entries.size;
    },
    get(key, nowMs) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      if (entry.expiresAtMs <= nowMs) {
        remove(key);
        return undefined;
      }
      entries.delete(key);
      entries.set(key, entry);
      return entry.packed;
    },
    set(key, packed, expiresAtMs) {
      const entry = { packed, expiresAtMs };
      remove(key);
      if (costOf(key, entry) > capacityBytes / 8) return;
      entries.set(key, entry);
      bytes += costOf(key, entry);
      for (const oldest of entries.keys()) {
        if (bytes <= capacityBytes) return;
        remove(oldest);
      }
    },
    clear() {
      entries.clear();
      bytes = 0;
    },
  };
}
