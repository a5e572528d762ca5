import fc from "fast-check";
import {
  consistencySpans,
  createRangeBuilder,
  createSpanHasher,
  EMPTY_ROOT,
  inclusionSpans,
  leafHash,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
  type LeafSpan,
} from "./merkle.js";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

// The eight leaves of Certificate Transparency's own tests, and what they give.
const entries = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map(bytes);
const roots = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const n = {
  l0: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  l1: "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
  l2: "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7",
  l4: "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
  l6: "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
  n01: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  n23: "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
  n45: "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
  n67: "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
  n0123: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  n4567: "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
};
const leaves = entries.map(leafHash);

const rootOfFirst = (all: readonly Uint8Array[], size: number): Uint8Array => {
  const builder = createRangeBuilder();
  all.slice(0, size).forEach((leaf) => builder.append(leaf));
  return builder.root();
};

/** RFC 6962's definition, as it stands there: recursion over the whole list. */
function slowRoot(all: readonly Uint8Array[]): Uint8Array {
  if (all.length === 0) return EMPTY_ROOT;
  if (all.length === 1) return all[0]!;
  let k = 1;
  while (k * 2 < all.length) k *= 2;
  return nodeHash(slowRoot(all.slice(0, k)), slowRoot(all.slice(k)));
}

function hashesOf(spans: readonly LeafSpan[], all: readonly Uint8Array[]): Uint8Array[] {
  const hasher = createSpanHasher(spans);
  all.forEach((leaf) => hasher.append(leaf));
  return hasher.hashes();
}

describe("RFC 6962 vectors", () => {
  test("the tree without leaves, and each of the first eight sizes", () => {
    expect(hex(EMPTY_ROOT)).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(roots.map((_root, index) => hex(rootOfFirst(leaves, index + 1)))).toEqual(roots);
  });

  test.each([
    [0, 1, []],
    [0, 8, [n.l1, n.n23, n.n4567]],
    [5, 8, [n.l4, n.n67, n.n0123]],
    [2, 3, [n.n01]],
    [1, 5, [n.l0, n.n23, n.l4]],
  ])("the path of leaf %d in a tree of %d", (index, size, path) => {
    expect(hashesOf(inclusionSpans(index, size), leaves.slice(0, size)).map(hex)).toEqual(path);
    const root = bytes(roots[size - 1]!);
    expect(verifyInclusion({ leaf: leaves[index]!, index, size, root, proof: path.map(bytes) })).toBe(true);
  });

  test.each([
    [1, 1, []],
    [1, 8, [n.l1, n.n23, n.n4567]],
    [6, 8, [n.n45, n.n67, n.n0123]],
    [2, 5, [n.n23, n.l4]],
  ])("the step from %d to %d leaves", (first, second, path) => {
    expect(hashesOf(consistencySpans(first, second), leaves.slice(0, second)).map(hex)).toEqual(path);
    const claim = {
      first: { size: first, root: bytes(roots[first - 1]!) },
      second: { size: second, root: bytes(roots[second - 1]!) },
      proof: path.map(bytes),
    };
    expect(verifyConsistency(claim)).toBe(true);
  });
});

const anyLeaves = fc.array(fc.uint8Array({ maxLength: 8 }).map(leafHash), { minLength: 1, maxLength: 70 });

test("a compact range grown from any point has the root of the whole list", () => {
  fc.assert(
    fc.property(anyLeaves, fc.nat(), (all, cut) => {
      const before = createRangeBuilder();
      all.slice(0, cut % (all.length + 1)).forEach((leaf) => before.append(leaf));
      const after = createRangeBuilder(before.range());
      all.slice(cut % (all.length + 1)).forEach((leaf) => after.append(leaf));
      expect(hex(after.root())).toBe(hex(slowRoot(all)));
    }),
  );
  expect(() => createRangeBuilder({ size: 3, hashes: [EMPTY_ROOT] })).toThrow("A range of 3 leaves has other hashes.");
});

test("every leaf of every tree is proven in ⌈log2 n⌉ hashes at most, and every earlier tree is its beginning", () => {
  fc.assert(
    fc.property(anyLeaves, fc.nat(), (all, pick) => {
      const size = all.length;
      const root = slowRoot(all);
      const index = pick % size;
      const proof = hashesOf(inclusionSpans(index, size), all);
      expect(proof.length).toBeLessThanOrEqual(Math.ceil(Math.log2(size)));
      expect(verifyInclusion({ leaf: all[index]!, index, size, root, proof })).toBe(true);
      const first = { size: index + 1, root: slowRoot(all.slice(0, index + 1)) };
      const steps = hashesOf(consistencySpans(first.size, size), all);
      expect(verifyConsistency({ first, second: { size, root }, proof: steps })).toBe(true);
    }),
    { numRuns: 200 },
  );
});

function* flips(value: Uint8Array): Iterable<Uint8Array> {
  for (let bit = 0; bit < value.length * 8; bit++) {
    const flipped = Uint8Array.from(value);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    yield flipped;
  }
}

function* flippedLists(list: readonly Uint8Array[]): Iterable<Uint8Array[]> {
  for (const [place, one] of list.entries()) for (const flipped of flips(one)) yield list.with(place, flipped);
}

test("every single-bit mutation of leaf, root, proof and index of an inclusion proof is refused, and every other length", () => {
  for (const [index, size] of [
    [0, 8],
    [5, 8],
    [6, 7],
    [2, 3],
    [4, 5],
  ] as const) {
    const claim = {
      leaf: leaves[index]!,
      index,
      size,
      root: slowRoot(leaves.slice(0, size)),
      proof: hashesOf(inclusionSpans(index, size), leaves.slice(0, size)),
    };
    expect(verifyInclusion(claim)).toBe(true);
    for (const leaf of flips(claim.leaf)) expect(verifyInclusion({ ...claim, leaf })).toBe(false);
    for (const root of flips(claim.root)) expect(verifyInclusion({ ...claim, root })).toBe(false);
    for (const proof of flippedLists(claim.proof)) expect(verifyInclusion({ ...claim, proof })).toBe(false);
    for (let bit = 0; bit < 40; bit++) expect(verifyInclusion({ ...claim, index: flipBit(index, bit) })).toBe(false);
    expect(verifyInclusion({ ...claim, proof: claim.proof.slice(1) })).toBe(false);
    expect(verifyInclusion({ ...claim, proof: claim.proof.slice(0, -1) })).toBe(false);
    expect(verifyInclusion({ ...claim, proof: [...claim.proof, claim.root] })).toBe(false);
    expect(verifyInclusion({ ...claim, proof: [...claim.proof, new Uint8Array(31)] })).toBe(false);
  }
});

test("every single-bit mutation of roots, proof and the earlier size of a consistency proof is refused", () => {
  for (const [first, second] of [
    [1, 8],
    [6, 8],
    [2, 5],
    [4, 7],
    [3, 4],
  ] as const) {
    const claim = {
      first: { size: first, root: slowRoot(leaves.slice(0, first)) },
      second: { size: second, root: slowRoot(leaves.slice(0, second)) },
      proof: hashesOf(consistencySpans(first, second), leaves.slice(0, second)),
    };
    expect(verifyConsistency(claim)).toBe(true);
    for (const root of flips(claim.first.root))
      expect(verifyConsistency({ ...claim, first: { size: first, root } })).toBe(false);
    for (const root of flips(claim.second.root))
      expect(verifyConsistency({ ...claim, second: { size: second, root } })).toBe(false);
    for (const proof of flippedLists(claim.proof)) expect(verifyConsistency({ ...claim, proof })).toBe(false);
    for (let bit = 0; bit < 40; bit++)
      expect(verifyConsistency({ ...claim, first: { ...claim.first, size: flipBit(first, bit) } })).toBe(false);
    expect(verifyConsistency({ ...claim, proof: claim.proof.slice(0, -1) })).toBe(false);
    expect(verifyConsistency({ ...claim, proof: [...claim.proof, EMPTY_ROOT] })).toBe(false);
  }
});

/** One bit of a size, beyond what `^` reaches too. */
function flipBit(value: number, bit: number): number {
  const weight = 2 ** bit;
  return Math.floor(value / weight) % 2 === 1 ? value - weight : value + weight;
}

test("what is no size, no place and no tree is refused or thrown, never answered", () => {
  const root = slowRoot(leaves);
  expect(verifyInclusion({ leaf: leaves[0]!, index: -1, size: 8, root, proof: [] })).toBe(false);
  expect(verifyInclusion({ leaf: leaves[0]!, index: 0.5, size: 8, root, proof: [] })).toBe(false);
  const tree = { size: 8, root };
  expect(verifyConsistency({ first: { size: 0, root: EMPTY_ROOT }, second: tree, proof: [] })).toBe(false);
  expect(verifyConsistency({ first: tree, second: { size: 3, root }, proof: [] })).toBe(false);
  expect(() => inclusionSpans(8, 8)).toThrow(RangeError);
  expect(() => consistencySpans(0, 8)).toThrow(RangeError);
  expect(() => hashesOf(inclusionSpans(0, 8), leaves.slice(0, 5))).toThrow("Leaf 5 is missing.");
});
