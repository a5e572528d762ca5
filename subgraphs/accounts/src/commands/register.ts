import { appendOutbox, fingerprintOf, type Transaction } from "@florin/db";
import {
  claimIdempotencyKey,
  findIdempotencyKey,
  insertAccount,
  insertUser,
  listAccountsByIds,
  listUsersByIds,
  type KeptKey,
  type NewAccount,
  type NewUser,
  type StoredRole,
} from "@florin/db/accounts";
import {
  assertInput,
  formatId,
  idempotencyKeyReused,
  parseCurrency,
  RequestError,
  type CurrencyCode,
  type FieldFault,
  type NewEvent,
  type Uuid,
} from "@florin/kernel";
import { accountOpen, userRegistered } from "../account-events.js";
import { currencyOfCountry, isCountry } from "../countries.js";
import { parseIdentifiers } from "../identifiers.js";
import { checkIdempotencyKey, parseName } from "../input-checks.js";
import { checkPassword } from "../passwords.js";
import type { RequestFacts, Services } from "../services.js";
import type { SessionPair } from "../session-tokens.js";
import { toSignedIn, wrongCredentials, type SignedIn } from "../signed-in.js";

export interface RegisterInput {
  readonly email?: string | null | undefined;
  readonly phone?: string | null | undefined;
  readonly password: string;
  readonly fullName: string;
  readonly country: string;
  readonly currency?: string | null | undefined;
  readonly idempotencyKey: string;
}

interface Registration {
  readonly email: string | null;
  readonly phone: string | null;
  readonly password: string;
  readonly fullName: string;
  readonly country: string;
  readonly currency: CurrencyCode;
  readonly idempotencyKey: string;
}

export interface RegisterOutcome extends SignedIn {
  readonly isReplay: boolean;
  /** Of the events in the outbox; undefined when the relay has not numbered them yet. */
  readonly position: bigint | undefined;
}

const WALLET_PRODUCT = "wallet";
const WALLET_WAIT_MS = 1_500;
const MAX_NAME = 200;

/**
 * A new person with a wallet and a session.
 *
 * 1. Faults of the input, all at once. 2. A key that was used: the password is checked as at a log-in, and new tokens answer.
 * 3. One hash, whether the identifier is free or not, so that time tells nothing. 4. One transaction: key, person, wallet (PENDING),
 * session, events. 5. A bounded wait for the ledger to open the wallet.
 *
 * The key's scope is the normalised identifier, as there is no principal yet (api.md, Idempotency). The fingerprint leaves the password
 * out: a fast hash of it would be worth stealing.
 */
export async function register(
  services: Services,
  input: RegisterInput,
  facts: RequestFacts,
): Promise<RegisterOutcome> {
  await services.guard.admitAddress(facts.clientAddress);
  const registration = parseRegistration(input);
  const scope = scopeOf(registration);
  const kept = await findIdempotencyKey(services.sql, scope, registration.idempotencyKey);
  if (kept !== undefined) return replay(services, registration, kept);

  const passwordHash = await services.passwords.hash(registration.password);
  const person = planPerson(services, { ...registration, passwordHash }, ["CUSTOMER"]);
  const wallet = planWallet(services, registration.currency, [formatId("user", person.userId)]);
  const events = [
    userRegistered(services, person.userId, facts.correlationId),
    accountOpen(services, wallet, formatId("user", person.userId), facts.correlationId),
  ];
  const waitMs = Math.min(WALLET_WAIT_MS, facts.timeLeftMs());
  const position = services.answers.expectPosition(events[1]!.eventId, waitMs);
  const written = await services.transact((tx) => insertPerson(services, tx, registration, person, wallet, events));
  if (written.kind === "kept") {
    // Under our own new person's id, the key is ours: a COMMIT of this very call whose answer was lost.
    const isOurs = written.kept.entityId === person.userId;
    if (isOurs) services.wakeRelay();
    return { ...(await replay(services, registration, written.kept)), isReplay: !isOurs };
  }
  services.wakeRelay();
  await awaitOpening(services, wallet.accountId, waitMs);
  const user = { ...person, status: "ACTIVE" } as const;
  return { ...(await toSignedIn(services, user, written.session)), isReplay: false, position: await position };
}

/** Until the ledger has answered about a new account, whatever it says; at most `waitMs`. */
export async function awaitOpening(services: Services, accountId: Uuid, waitMs: number): Promise<void> {
  await services.answers.waitForAccount(
    accountId,
    waitMs,
    () => listAccountsByIds(services.sql, [accountId]),
    ([account]) => account?.status === "PENDING",
  );
}

type Written =
  { readonly kind: "kept"; readonly kept: KeptKey } | { readonly kind: "new"; readonly session: SessionPair };

async function insertPerson(
  services: Services,
  tx: Transaction,
  registration: Registration,
  person: NewUser,
  wallet: NewAccount,
  events: readonly NewEvent[],
): Promise<Written> {
  const kept = await claimIdempotencyKey(tx, {
    principal: scopeOf(registration),
    key: registration.idempotencyKey,
    operation: "register",
    fingerprint: fingerprintOfRegistration(registration),
    entityId: person.userId,
    createdAt: services.clock.now(),
  });
  if (kept !== undefined) return { kind: "kept", kept };
  if (!(await insertUser(tx, person))) throw identifierTaken(registration);
  await insertAccount(tx, wallet);
  await appendOutbox(tx, "accounts", events);
  return { kind: "new", session: await services.tokens.begin(tx, person.userId) };
}

/** The same key again. The password decides as at a log-in, attempts counted, or a key would be a door beside the lock. */
async function replay(services: Services, registration: Registration, kept: KeptKey): Promise<RegisterOutcome> {
  if (kept.operation !== "register" || kept.fingerprint !== fingerprintOfRegistration(registration))
    throw idempotencyKeyReused();
  const [user] = await listUsersByIds(services.sql, [kept.entityId]);
  if (user === undefined) throw new Error(`a kept key of register leads to no user: ${kept.entityId}`);
  const subject = services.guard.subjectOf(user.userId, scopeOf(registration));
  const { isRight } = await services.passwords.verify(user.passwordHash, registration.password, () =>
    services.guard.countAttempt(subject),
  );
  if (!isRight || user.status !== "ACTIVE") throw wrongCredentials();
  await services.guard.clear(subject);
  const session = await services.transact((tx) => services.tokens.begin(tx, user.userId));
  return { ...(await toSignedIn(services, user, session)), isReplay: true, position: undefined };
}

function parseRegistration(input: RegisterInput): Registration {
  const faults: FieldFault[] = [];
  const country = input.country.trim().toUpperCase();
  const isKnown = isCountry(country);
  const identifiers = parseIdentifiers(input, isKnown ? country : undefined, faults);
  checkPassword(input.password, [identifiers.email, identifiers.phone], faults);
  const fullName = parseName(input.fullName, "input.fullName", MAX_NAME, faults);
  if (!isKnown)
    faults.push({
      path: "input.country",
      code: "COUNTRY_UNKNOWN",
      message: "Not a country. Use its ISO 3166-1 alpha-2 code, such as KE.",
    });
  const currency = parseWalletCurrency(input.currency, isKnown ? country : undefined, faults);
  checkIdempotencyKey(input.idempotencyKey, faults);
  assertInput(faults);
  if (currency === undefined) throw new Error("a registration without faults has no currency");
  const { password, idempotencyKey } = input;
  return { ...identifiers, password, fullName, country, currency, idempotencyKey };
}

function parseWalletCurrency(
  given: string | null | undefined,
  country: string | undefined,
  faults: FieldFault[],
): CurrencyCode | undefined {
  const path = "input.currency";
  if (given !== undefined && given !== null) {
    const currency = parseCurrency(given);
    if (currency === undefined)
      faults.push({
        path,
        code: "CURRENCY_UNKNOWN",
        message: "Not a currency that is registered here. Use an ISO 4217 code such as USD.",
      });
    return currency;
  }
  const own = country === undefined ? undefined : currencyOfCountry(country);
  if (country !== undefined && own === undefined)
    faults.push({
      path,
      code: "FIELD_REQUIRED",
      message: "This country has no currency of its own that is registered here. Say which one the wallet is to have.",
    });
  return own;
}

function scopeOf(registration: Pick<Registration, "email" | "phone">): string {
  return `register:${registration.email ?? registration.phone ?? ""}`;
}

function fingerprintOfRegistration({ email, phone, fullName, country, currency }: Registration): string {
  return fingerprintOf({ email, phone, fullName, country, currency });
}

/** Also for people who do not register by themselves: demo identities. */
export function planPerson(
  services: Pick<Services, "ids" | "clock">,
  person: Pick<NewUser, "email" | "phone" | "fullName" | "country" | "passwordHash">,
  roles: readonly StoredRole[],
): NewUser {
  const { email, phone, fullName, country, passwordHash } = person;
  const createdAt = services.clock.now();
  return { userId: services.ids.next(), email, phone, fullName, country, passwordHash, roles, createdAt };
}

export function planWallet(
  services: Pick<Services, "ids" | "clock">,
  currency: string,
  owners: readonly string[],
  name = "Wallet",
): NewAccount & { readonly accountId: Uuid } {
  const createdAt = services.clock.now();
  const accountId = services.ids.next();
  return { accountId, name, currency, requestedProduct: WALLET_PRODUCT, parameters: {}, createdAt, owners };
}

function identifierTaken(registration: Registration): RequestError {
  const path = registration.email === null ? "input.phone" : "input.email";
  const message = "Somebody is registered with this already. Log in, or use another.";
  return new RequestError("BAD_USER_INPUT", `${path}: ${message}`, {
    fields: [{ path, code: "IDENTIFIER_TAKEN", message }],
  });
}
