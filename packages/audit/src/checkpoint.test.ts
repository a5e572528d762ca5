import { sign, createPrivateKey } from "node:crypto";
import { createCheckpointSigner, parseCheckpoint, verifyCheckpoint, type Checkpoint } from "./checkpoint.js";

const ORIGIN = "florin.local/book/main";
const signer = createCheckpointSigner(ORIGIN, new Uint8Array(32).fill(1));
const checkpoint: Checkpoint = {
  origin: ORIGIN,
  size: 1024,
  root: Buffer.alloc(32, 2),
  seq: 1029n,
  link: Buffer.alloc(32, 3),
  knownAt: "2026-01-31T09:00:00.000000Z",
};
const note = signer.sign(checkpoint);

test("what was signed is read again, by its own key alone", () => {
  expect(verifyCheckpoint(note, signer.verifierKey)).toEqual(checkpoint);
  expect(verifyCheckpoint(note, `${signer.verifierKey}\n`)).toEqual(checkpoint);
  expect(signer.sign(checkpoint)).toBe(note);
  const stranger = createCheckpointSigner(ORIGIN, new Uint8Array(32).fill(9));
  expect(() => verifyCheckpoint(note, stranger.verifierKey)).toThrow("is not signed with the key");
  const elsewhere = createCheckpointSigner("elsewhere", new Uint8Array(32).fill(1));
  expect(() => verifyCheckpoint(note, elsewhere.verifierKey)).toThrow("The checkpoint is of florin.local/book/main");
  expect(() => elsewhere.sign(checkpoint)).toThrow("This key signs for elsewhere");
});

test("the text is a signed note that anybody with Ed25519 can make and check", () => {
  const [body, signatures] = note.split("\n\n");
  expect(body?.split("\n").slice(0, 2)).toEqual([ORIGIN, "1024"]);
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.alloc(32, 1)]);
  const key = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  const signature = Buffer.from(/ (\S+)\n$/.exec(signatures ?? "")?.[1] ?? "", "base64");
  expect(signature.subarray(4)).toEqual(sign(null, Buffer.from(`${body}\n`), key));
});

test("a witness may sign beside us", () => {
  const witnessed = `${note}— witness.example ${Buffer.alloc(68, 5).toString("base64")}\n`;
  expect(verifyCheckpoint(witnessed, signer.verifierKey)).toEqual(checkpoint);
});

test("every single-bit mutation of a checkpoint is refused, and of its key", () => {
  const bytes = Buffer.from(note, "utf8");
  let refused = 0;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    expect(() => verifyCheckpoint(flipped.toString("utf8"), signer.verifierKey)).toThrow();
    refused++;
  }
  expect(refused).toBe(bytes.length * 8);
  const key = Buffer.from(signer.verifierKey, "utf8");
  for (let bit = 0; bit < key.length * 8; bit++) {
    const flipped = Buffer.from(key);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    expect(() => verifyCheckpoint(note, flipped.toString("utf8"))).toThrow();
  }
});

test.each([
  ["", "A signed note has a text"],
  ["a\n\nb\n", "A line of the signed note's signatures is none."],
  [note.replace("seq 1029", "seq 1023"), "not written as checkpoints are"],
  [note.replace("1024", "01024"), "This is no checkpoint"],
  [note.replace("seq 1029", "seq 1030"), "is false"],
])("what is no checkpoint of ours is refused in words (%#)", (text, why) => {
  expect(() => verifyCheckpoint(text, signer.verifierKey)).toThrow(why);
});

test("a signer needs an origin and a seed that can be written down", () => {
  expect(() => createCheckpointSigner("a b", new Uint8Array(32))).toThrow("no white space");
  expect(() => createCheckpointSigner("a", new Uint8Array(31))).toThrow("32 bytes");
  expect(parseCheckpoint(note).size).toBe(1024);
});
