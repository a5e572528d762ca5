export type AuthErrorReason = "MALFORMED" | "EXPIRED" | "WRONG_AUDIENCE" | "BAD_SIGNATURE" | "UNKNOWN_KEY" | "REVOKED";

/** The token proves nothing. The message says what to do and never repeats any of the token. */
export class AuthError extends Error {
  override readonly name = "AuthError";
  readonly reason: AuthErrorReason;

  constructor(reason: AuthErrorReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Nothing is known about the token, because the public keys could not be had. Try again; it is not the caller's fault. */
export class KeysUnavailableError extends Error {
  override readonly name = "KeysUnavailableError";

  constructor(cause: unknown) {
    super("The keys that tokens are checked with cannot be read just now. Send the same request again.", { cause });
  }
}
