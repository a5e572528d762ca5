import { hash, parseOptions, verify } from "@node-rs/argon2";
import type { Bulkhead } from "@florin/resilience";
import type { FieldFault } from "@florin/kernel";

/**
 * Passwords: Argon2id, 19 MiB, two passes, one lane (OWASP's minimum; about 20 ms of one core), with a pepper that is not in the
 * database. Hashing goes through a bulkhead, so a flood of log-ins queues up here and does not starve payments.
 */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const MIN_CHARACTERS = 10;
const MAX_CHARACTERS = 128;

export interface PasswordHasher {
  /** RequestError TEMPORARILY_UNAVAILABLE when too many are waiting. */
  hash(password: string): Promise<string>;
  /**
   * `stored` undefined (nobody has this identifier) takes as long as a wrong password does. `whenItsTurn` runs just before the
   * password is looked at and may throw: there attempts are counted, so that those who only wait do not count.
   */
  verify(
    stored: string | undefined,
    password: string,
    whenItsTurn: () => Promise<void>,
  ): Promise<{ readonly isRight: boolean; readonly isOutdated: boolean }>;
}

export function createPasswordHasher(pepper: Uint8Array, bulkhead: Bulkhead): PasswordHasher {
  const secret = Buffer.from(pepper);
  const hashNow = (password: string) => hash(normalise(password), { ...cost, secret });
  const stranger = hashNow("nobody has this password");
  stranger.catch(() => undefined); // told to whoever needs it

  return {
    hash: (password) => bulkhead.run(() => hashNow(password)),
    verify: (stored, password, whenItsTurn) =>
      bulkhead.run(async () => {
        await whenItsTurn();
        const isEqual = await verify(stored ?? (await stranger), normalise(password), { secret });
        return { isRight: stored !== undefined && isEqual, isOutdated: stored !== undefined && isOutdated(stored) };
      }),
  };
}

/** Was it made with other parameters than today's? Then it is made anew at the next log-in. */
export function isOutdated(stored: string): boolean {
  const made = parseOptions(stored);
  return (
    made.memoryCost !== cost.memoryCost || made.timeCost !== cost.timeCost || made.parallelism !== cost.parallelism
  );
}

/** The same password from any keyboard (NIST SP 800-63B: NFKC). */
function normalise(password: string): string {
  return password.normalize("NFKC");
}

/** 10 to 128 characters and not the identifier itself; no rules about kinds of characters, which only make passwords worse. */
export function checkPassword(password: string, identifiers: readonly (string | null)[], faults: FieldFault[]): void {
  const characters = [...password].length;
  const plain = normalise(password).trim().toLowerCase();
  const isIdentifier = identifiers.some((one) => one !== null && (plain === one || plain === one.split("@")[0]));
  const message =
    characters < MIN_CHARACTERS
      ? `Use at least ${MIN_CHARACTERS} characters.`
      : characters > MAX_CHARACTERS
        ? `Use at most ${MAX_CHARACTERS} characters.`
        : isIdentifier
          ? "Use something else than your email or phone."
          : new Set(plain).size < 4
            ? "Use more than three different characters."
            : undefined;
  if (message !== undefined) faults.push({ path: "input.password", code: "PASSWORD_WEAK", message });
}
