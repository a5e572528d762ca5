import { findUserByIdentifier, updatePasswordHash } from "@florin/db/accounts";
import { parseIdentifier } from "../identifiers.js";
import { refreshAtLogin } from "../linked/refresh-at-login.js";
import type { RequestFacts, Services } from "../services.js";
import { toSignedIn, wrongCredentials, type SignedIn } from "../signed-in.js";

export interface LoginInput {
  readonly identifier: string;
  readonly password: string;
}

/** Longer than any password that was accepted, so the cut changes no answer. */
const LOOKED_AT = 512;

/**
 * A session for an identifier and a password. Refusals, in order: this network asks too often, this identifier was tried too often,
 * wrong. An identifier that nobody has costs the same time and counts the same way as a wrong password.
 */
export async function login(services: Services, input: LoginInput, facts: RequestFacts): Promise<SignedIn> {
  const { guard, passwords, sql } = services;
  await guard.admitAddress(facts.clientAddress);
  const identifier = parseIdentifier(input.identifier.slice(0, LOOKED_AT));
  const user = await findUserByIdentifier(sql, identifier ?? "");
  const subject = guard.subjectOf(user?.userId, identifier ?? input.identifier);
  const password = input.password.slice(0, LOOKED_AT);
  const checked = await passwords.verify(user?.passwordHash, password, () => guard.countAttempt(subject));
  if (user === undefined || !checked.isRight || user.status !== "ACTIVE") throw wrongCredentials();
  await guard.clear(subject);
  if (checked.isOutdated) await updatePasswordHash(sql, user.userId, user.passwordHash, await passwords.hash(password));
  const session = await services.transact(async (tx) => {
    if (services.linkOperations !== undefined) await refreshAtLogin(services, tx, user.userId, facts.correlationId);
    return services.tokens.begin(tx, user.userId);
  });
  return toSignedIn(services, user, session);
}
