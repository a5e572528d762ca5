import { inspect } from "node:util";

const SHOWN = "[access token]";
const MAX_LENGTH = 512;

// Set while the class below is made: nothing else reaches a private field.
let reveal: (token: AccessToken) => string;

/**
 * The key to one person's login at one institution. It is never to be seen: every way in which a value becomes text gives
 * `[access token]`, and only this package can read it (`revealAccessToken` is not on its door, and a test looks for it in every other
 * place). Keep it no longer than one call; at rest it is sealed by the token vault.
 */
export class AccessToken {
  readonly #text: string;

  /** @param text as Plaid gave it; empty or longer than any token of Plaid's throws, without saying what it was. */
  constructor(text: string) {
    if (text.length === 0 || text.length > MAX_LENGTH)
      throw new Error(`an access token has 1 to ${MAX_LENGTH} characters, this has ${text.length}`);
    this.#text = text;
  }

  toString(): string {
    return SHOWN;
  }

  toJSON(): string {
    return SHOWN;
  }

  [inspect.custom](): string {
    return SHOWN;
  }

  static {
    reveal = (token) => token.#text;
  }
}

/** For the request to Plaid and for sealing, nothing else. Not exported from the package. */
export function revealAccessToken(token: AccessToken): string {
  return reveal(token);
}
