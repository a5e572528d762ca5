import { hash } from "node:crypto";

/**
 * The Merkle tree of RFC 6962 and RFC 9162 §2.1 over the links of a book: leaf = SHA-256(0x00 ‖ link), node = SHA-256(0x01 ‖ left ‖ right).
 * A link holds its record and everything before it, so the tree can be grown from links alone, without reading a record again.
 *
 * Nothing here keeps the tree. A compact range keeps the roots of its perfect subtrees, at most log2(n) hashes, and grows by one leaf for
 * one hash on average; the hashes of a proof are ranges of leaves that the place and the size determine, so one pass over the leaves makes
 * any proof in log2(n) memory. Sizes are JavaScript numbers, exact to 2^53; no bit operators, which end at 2^32.
 */
export const HASH_BYTES = 32;
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => hash("sha256", Buffer.concat(parts), "buffer");

/** Root of the tree without leaves. */
export const EMPTY_ROOT: Uint8Array = sha256();

export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(LEAF, entry);
}

export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(NODE, left, right);
}

/** The first `size` leaves, as the roots of their perfect subtrees, the largest first: one for each bit of `size`. */
export interface CompactRange {
  readonly size: number;
  readonly hashes: readonly Uint8Array[];
}

export const EMPTY_RANGE: CompactRange = { size: 0, hashes: [] };

/** Grows a range leaf by leaf. */
export function createRangeBuilder(start: CompactRange = EMPTY_RANGE) {
  if (bitsOf(start.size) !== start.hashes.length)
    throw new RangeError(`A range of ${start.size} leaves has other hashes.`);
  let { size } = start;
  const hashes = [...start.hashes];
  return {
    append(leaf: Uint8Array): void {
      let merged = leaf;
      for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) merged = nodeHash(hashes.pop()!, merged);
      hashes.push(merged);
      size++;
    },
    range: (): CompactRange => ({ size, hashes: [...hashes] }),
    root: (): Uint8Array => rootOf({ size, hashes }),
  };
}

export function rootOf({ hashes }: CompactRange): Uint8Array {
  if (hashes.length === 0) return EMPTY_ROOT;
  return hashes.slice(0, -1).reduceRight((right, left) => nodeHash(left, right), hashes[hashes.length - 1]!);
}

function bitsOf(size: number): number {
  let bits = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}

/** Leaves from `begin` up to but not `end`: their tree is one hash of a proof. */
export interface LeafSpan {
  readonly begin: number;
  readonly end: number;
}

/** RFC 9162 §2.1.3.1: which subtrees stand in the proof that leaf `index` is in the tree of `size`, from the leaf upwards. */
export function inclusionSpans(index: number, size: number): LeafSpan[] {
  if (!(index >= 0 && index < size)) throw new RangeError(`There is no leaf ${index} in a tree of ${size}.`);
  const spans: LeafSpan[] = [];
  let [begin, end] = [0, size];
  while (end - begin > 1) {
    const middle = begin + splitOf(end - begin);
    spans.push(index < middle ? { begin: middle, end } : { begin, end: middle });
    if (index < middle) end = middle;
    else begin = middle;
  }
  return spans.reverse();
}

/** RFC 9162 §2.1.4.1: which subtrees stand in the proof that the tree of `first` leaves is the beginning of that of `second`. */
export function consistencySpans(first: number, second: number): LeafSpan[] {
  if (!(first >= 1 && first <= second)) throw new RangeError(`A tree of ${first} does not begin one of ${second}.`);
  const spans: LeafSpan[] = [];
  let [begin, end] = [0, second];
  // Walks down to where the first tree ends. What lies left of the walk is whole in both.
  while (first < end) {
    const middle = begin + splitOf(end - begin);
    if (first <= middle) {
      spans.push({ begin: middle, end });
      end = middle;
    } else {
      spans.push({ begin, end: middle });
      begin = middle;
    }
  }
  // The first tree itself, when it is one subtree of the second, is known to whoever checks.
  if (begin > 0) spans.push({ begin, end });
  return spans.reverse();
}

/** The largest power of two below `size`. */
function splitOf(size: number): number {
  let split = 1;
  while (split * 2 < size) split *= 2;
  return split;
}

/** Hashes spans in one pass: give it every leaf from 0 upwards. */
export function createSpanHasher(spans: readonly LeafSpan[]) {
  const builders = spans.map((span) => ({ span, builder: createRangeBuilder() }));
  let next = 0;
  return {
    append(leaf: Uint8Array): void {
      for (const { span, builder } of builders) if (next >= span.begin && next < span.end) builder.append(leaf);
      next++;
    },
    /** In the order of the spans. Throws RangeError when leaves are missing. */
    hashes(): Uint8Array[] {
      return builders.map(({ span, builder }) => {
        if (builder.range().size !== span.end - span.begin) throw new RangeError(`Leaf ${next} is missing.`);
        return builder.root();
      });
    },
  };
}

export interface InclusionClaim {
  readonly leaf: Uint8Array;
  readonly index: number;
  /** Take it from a signed checkpoint, with the root: a proof alone fits some other sizes too. */
  readonly size: number;
  readonly root: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** RFC 9162 §2.1.3.2. */
export function verifyInclusion({ leaf, index, size, root, proof }: InclusionClaim): boolean {
  if (!isCount(index) || !isCount(size) || index >= size || !areHashes([leaf, root, ...proof])) return false;
  let place = index;
  let last = size - 1;
  let reached = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      reached = nodeHash(sibling, reached);
      while (place % 2 === 0 && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      reached = nodeHash(reached, sibling);
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0 && isEqual(reached, root);
}

export interface ConsistencyClaim {
  readonly first: { readonly size: number; readonly root: Uint8Array };
  readonly second: { readonly size: number; readonly root: Uint8Array };
  readonly proof: readonly Uint8Array[];
}

/** RFC 9162 §2.1.4.2: the second tree is the first with leaves appended. The first has a leaf at least. */
export function verifyConsistency({ first, second, proof }: ConsistencyClaim): boolean {
  if (!isCount(first.size) || !isCount(second.size) || !areHashes([first.root, second.root, ...proof])) return false;
  if (first.size === 0 || first.size > second.size) return false;
  if (first.size === second.size) return proof.length === 0 && isEqual(first.root, second.root);
  const [start, ...path] = isPowerOfTwo(first.size) ? [first.root, ...proof] : proof;
  if (start === undefined) return false;
  let place = first.size - 1;
  let last = second.size - 1;
  while (place % 2 === 1) [place, last] = [half(place), half(last)];
  let before = start;
  let after = start;
  for (const sibling of path) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      before = nodeHash(sibling, before);
      after = nodeHash(sibling, after);
      while (place % 2 === 0 && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      after = nodeHash(after, sibling);
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0 && isEqual(before, first.root) && isEqual(after, second.root);
}

const half = (n: number): number => Math.floor(n / 2);
const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
const isPowerOfTwo = (n: number): boolean => bitsOf(n) === 1;
const areHashes = (hashes: readonly Uint8Array[]): boolean => hashes.every((one) => one.length === HASH_BYTES);

export function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, place) => byte === b[place]);
}
