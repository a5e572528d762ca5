import { createPrivateKey, createPublicKey, hash, sign, verify, type KeyObject } from "node:crypto";
import { isEqual, rootOf, type CompactRange } from "./merkle.js";

/**
 * A checkpoint: what the chain and its Merkle tree were after one record, signed with Ed25519. Kept outside the database it holds
 * everything before it: a history that was rewritten and chained again has another link and another root.
 *
 * The text is a signed note with a checkpoint in it, as transparency logs have them (C2SP signed-note, tlog-checkpoint), so their tools
 * read it too:
 *
 *     florin.local/book/main          origin: whose log
 *     1024                            size: leaves of the tree
 *     <base64>                        root of the tree
 *     seq 1029                        of the last record
 *     link <base64>                   of the last record
 *     known 2026-01-31T09:00:00.000000Z
 *
 *     — florin.local/book/main <base64 of key id (4 bytes) and signature (64)>
 */
export interface Checkpoint {
  readonly origin: string;
  /** How many records the tree covers. */
  readonly size: number;
  readonly root: Uint8Array;
  /** Of the last record covered; the first one is `seq - size + 1`. */
  readonly seq: bigint;
  readonly link: Uint8Array;
  /** When the last record became known. */
  readonly knownAt: string;
}

export interface CheckpointSigner {
  /** `<origin>+<key id>+<base64>`: what verifiers are given, once, by another way than the exports. */
  readonly verifierKey: string;
  sign(checkpoint: Checkpoint): string;
}

const ED25519 = 1;
const KEY_ID_BYTES = 4;
const SIGNATURE_BYTES = 64;
const KEY_BYTES = 32;
/** What comes before the seed in PKCS #8, and before the key in SPKI (RFC 8410). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const ORIGIN = /^[^\s+]{1,255}$/u;

export class CheckpointError extends Error {
  override readonly name = "CheckpointError";
}

/** `seed`: 32 secret bytes, the private key. The same seed and origin give the same key and, for one checkpoint, the same text. */
export function createCheckpointSigner(origin: string, seed: Uint8Array): CheckpointSigner {
  if (!ORIGIN.test(origin))
    throw new CheckpointError("An origin has 1 to 255 characters, no white space and no plus sign.");
  if (seed.length !== KEY_BYTES) throw new CheckpointError(`The seed of a signing key has ${KEY_BYTES} bytes.`);
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: "der", type: "pkcs8" });
  const publicBytes = createPublicKey(privateKey).export({ format: "der", type: "spki" }).subarray(SPKI_PREFIX.length);
  const keyId = keyIdOf(origin, publicBytes);
  const encoded = Buffer.concat([Uint8Array.of(ED25519), publicBytes]).toString("base64");
  return {
    verifierKey: `${origin}+${keyId.toString("hex")}+${encoded}`,
    sign: (checkpoint) => {
      if (checkpoint.origin !== origin) throw new CheckpointError(`This key signs for ${origin}.`);
      const body = bodyOf(checkpoint);
      const signature = sign(null, Buffer.from(body, "utf8"), privateKey);
      return `${body}\n— ${origin} ${Buffer.concat([keyId, signature]).toString("base64")}\n`;
    },
  };
}

function keyIdOf(name: string, publicBytes: Uint8Array): Buffer {
  const text = Buffer.concat([Buffer.from(`${name}\n`, "utf8"), Uint8Array.of(ED25519), publicBytes]);
  return hash("sha256", text, "buffer").subarray(0, KEY_ID_BYTES);
}

function bodyOf({ origin, size, root, seq, link, knownAt }: Checkpoint): string {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
  return `${origin}\n${size}\n${base64(root)}\nseq ${seq}\nlink ${base64(link)}\nknown ${knownAt}\n`;
}

const BODY =
  /^(?<origin>[^\s+]{1,255})\n(?<size>[1-9]\d{0,15})\n(?<root>[A-Za-z0-9+/]{43}=)\nseq (?<seq>[1-9]\d{0,18})\nlink (?<link>[A-Za-z0-9+/]{43}=)\nknown (?<knownAt>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)\n$/u;

/** Reads what a checkpoint says, whoever signed it. Throws CheckpointError for what is none. */
export function parseCheckpoint(note: string): Checkpoint {
  const { body } = splitNote(note);
  const found = BODY.exec(body)?.groups;
  if (found === undefined) throw new CheckpointError("This is no checkpoint of an audit chain.");
  const checkpoint: Checkpoint = {
    origin: found["origin"]!,
    size: Number(found["size"]),
    root: Buffer.from(found["root"]!, "base64"),
    seq: BigInt(found["seq"]!),
    link: Buffer.from(found["link"]!, "base64"),
    knownAt: found["knownAt"]!,
  };
  // One checkpoint has one text: base64 with stray bits, or a size beyond what is exact, is refused.
  if (bodyOf(checkpoint) !== body || BigInt(checkpoint.size) > checkpoint.seq)
    throw new CheckpointError("This checkpoint is not written as checkpoints are.");
  return checkpoint;
}

/** Reads a checkpoint and demands the signature of this key. Throws CheckpointError. */
export function verifyCheckpoint(note: string, verifierKey: string): Checkpoint {
  const { name, keyId, key } = parseVerifierKey(verifierKey);
  const { body, signatures } = splitNote(note);
  const checkpoint = parseCheckpoint(note);
  if (checkpoint.origin !== name)
    throw new CheckpointError(`The checkpoint is of ${checkpoint.origin}, the key of ${name}.`);
  // Signatures of others (witnesses) may stand beside ours.
  const own = signatures.find((one) => one.name === name && one.bytes.subarray(0, KEY_ID_BYTES).equals(keyId));
  if (own === undefined)
    throw new CheckpointError(`The checkpoint is not signed with the key ${keyId.toString("hex")}.`);
  const signature = own.bytes.subarray(KEY_ID_BYTES);
  if (signature.length !== SIGNATURE_BYTES || !verify(null, Buffer.from(body, "utf8"), key, signature))
    throw new CheckpointError(`The signature of ${name} on the checkpoint is false.`);
  return checkpoint;
}

/**
 * Is what is stored beside a signed note what the note says? The tree is what the next checkpoint goes on from, so a changed one would be
 * signed over. Says what is wrong; undefined: nothing.
 */
export function findCheckpointDamage(stored: {
  readonly seq: bigint;
  readonly root: Uint8Array;
  readonly tree: CompactRange;
  readonly note: string;
}): string | undefined {
  try {
    const { seq, size, root } = parseCheckpoint(stored.note);
    const isAsSigned =
      seq === stored.seq &&
      size === stored.tree.size &&
      isEqual(root, stored.root) &&
      isEqual(root, rootOf(stored.tree));
    return isAsSigned ? undefined : "the stored checkpoint is not what its signed text says";
  } catch (error) {
    return `the stored checkpoint cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const SIGNATURE_LINE = /^— (?<name>[^\s+]+) (?<base64>[A-Za-z0-9+/]+={0,2})$/u;

function splitNote(note: string) {
  const end = note.indexOf("\n\n");
  if (end < 0 || !note.endsWith("\n"))
    throw new CheckpointError("A signed note has a text, an empty line and signatures.");
  const lines = note.slice(end + 2, -1).split("\n");
  const signatures = lines.map((line) => {
    const found = SIGNATURE_LINE.exec(line)?.groups;
    const base64 = found?.["base64"] ?? "";
    const bytes = Buffer.from(base64, "base64");
    if (found === undefined || bytes.toString("base64") !== base64)
      throw new CheckpointError("A line of the signed note's signatures is none.");
    return { name: found["name"]!, bytes };
  });
  return { body: note.slice(0, end + 1), signatures };
}

function parseVerifierKey(text: string): { readonly name: string; readonly keyId: Buffer; readonly key: KeyObject } {
  const found = /^(?<name>[^\s+]+)\+(?<keyId>[0-9a-f]{8})\+(?<base64>[A-Za-z0-9+/]{44})$/u.exec(text.trim())?.groups;
  const bytes = Buffer.from(found?.["base64"] ?? "", "base64");
  if (found === undefined || bytes.length !== 1 + KEY_BYTES || bytes[0] !== ED25519)
    throw new CheckpointError("A verifier key looks like florin.local/book/main+1a2b3c4d+AbCd….");
  const name = found["name"]!;
  const publicBytes = bytes.subarray(1);
  const keyId = keyIdOf(name, publicBytes);
  if (keyId.toString("hex") !== found["keyId"])
    throw new CheckpointError("The verifier key is damaged: its id is another.");
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicBytes]), format: "der", type: "spki" });
  return { name, keyId, key };
}
