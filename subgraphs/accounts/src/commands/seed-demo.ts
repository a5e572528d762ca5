import { createHash } from "node:crypto";
import { hashApiKey } from "@florin/auth";
import { appendOutbox } from "@florin/db";
import {
  findUserByIdentifier,
  insertAccount,
  insertApiKey,
  insertPartner,
  insertUser,
  listAccounts,
  type NewAccount,
  type NewUser,
  type StoredRole,
  type UserRecord,
} from "@florin/db/accounts";
import { formatId, parseId, uuidV8, type NewEvent, type Uuid } from "@florin/kernel";
import { accountOpen, userRegistered } from "../account-events.js";
import type { Services } from "../services.js";
import { awaitOpening, planPerson, planWallet } from "./register.js";

/**
 * The identities of api.md ("Demo identities"): published passwords and a published key, so never in production. Idempotent: what is
 * there stays. Each person is written as `register` writes one; funding them is the ledger's business, through its own deposits.
 */
export const DEMO_PASSWORD = "florin-demo-1";
/** Has the form of a real key, and anybody can see that it is none. */
export const DEMO_PARTNER_KEY = `florin_sk_${"demo_partner_0001".padEnd(43, "0")}`;
const DEMO_PARTNER_SCOPES = ["posting:write", "ledger:read", "cash:in", "cash:out"] as const;
const WALLET_WAIT_MS = 10_000;

interface DemoPerson {
  readonly email: string;
  readonly fullName: string;
  readonly what: string;
  readonly role: StoredRole;
}

export interface DemoIdentity extends DemoPerson {
  readonly userId: string;
  /** To be funded. */
  readonly accountIds: readonly string[];
}

export interface DemoData {
  readonly password: string;
  readonly identities: readonly DemoIdentity[];
  readonly partner: { readonly partnerId: string; readonly apiKey: string; readonly scopes: readonly string[] };
}

/** Those of one entry share one account. */
const households: readonly { readonly people: readonly DemoPerson[]; readonly account: string | undefined }[] = [
  {
    people: [{ email: "ada@florin.test", fullName: "Ada Demo", what: "customer", role: "CUSTOMER" }],
    account: "Wallet",
  },
  {
    people: [{ email: "bo@florin.test", fullName: "Bo Demo", what: "customer", role: "CUSTOMER" }],
    account: "Wallet",
  },
  {
    people: [{ email: "shop@florin.test", fullName: "Demo Shop", what: "merchant", role: "MERCHANT" }],
    account: "Wallet",
  },
  {
    people: [
      { email: "biz@florin.test", fullName: "Demo Business, maker", what: "business maker", role: "CUSTOMER" },
      { email: "biz2@florin.test", fullName: "Demo Business, checker", what: "business checker", role: "CUSTOMER" },
    ],
    account: "Business wallet",
  },
  {
    people: [{ email: "staff@florin.test", fullName: "Demo Staff", what: "staff", role: "STAFF" }],
    account: undefined,
  },
  {
    people: [{ email: "auditor@florin.test", fullName: "Demo Auditor", what: "auditor", role: "AUDITOR" }],
    account: undefined,
  },
];

/** Everybody who can sign in with the published password, in the order in which shared accounts are funded. */
export const demoLogins: readonly Pick<DemoPerson, "email" | "what">[] = households.flatMap(({ people }) => people);

/** @param obtainPublicToken a login at an institution for the first of them; undefined: nothing is linked. */
export async function seedDemo(
  services: Services,
  correlationId: string,
  obtainPublicToken?: () => Promise<string>,
): Promise<DemoData> {
  const partner = await seedPartner(services);
  const identities: DemoIdentity[] = [];
  for (const { people, account } of households)
    identities.push(...(await seedHousehold(services, people, account, correlationId)));
  if (obtainPublicToken !== undefined) await linkDemoItem(services, identities[0], correlationId, obtainPublicToken);
  return { password: DEMO_PASSWORD, identities, partner };
}

/** Demo data is no reason not to start: an institution that is away is told, and the next start tries again. */
async function linkDemoItem(
  services: Services,
  identity: DemoIdentity | undefined,
  correlationId: string,
  obtainPublicToken: () => Promise<string>,
): Promise<void> {
  const userId = parseId("user", identity?.userId ?? "");
  if (userId === undefined || services.linkOperations === undefined) return;
  try {
    await services.linkOperations.linkDirectly({ userId, obtainPublicToken, correlationId });
  } catch (error) {
    services.logger.warn({ err: error }, "The demo's accounts at an institution could not be linked.");
  }
}

async function seedHousehold(
  services: Services,
  people: readonly DemoPerson[],
  account: string | undefined,
  correlationId: string,
): Promise<readonly DemoIdentity[]> {
  const users =
    (await findHousehold(services, people)) ?? (await createHousehold(services, people, account, correlationId));
  return Promise.all(people.map((person, i) => toIdentity(services, person, users[i]!)));
}

type Household = readonly Pick<UserRecord, "userId">[];

/** undefined unless all of them are there. */
async function findHousehold(services: Services, people: readonly DemoPerson[]): Promise<Household | undefined> {
  const known = await Promise.all(people.map(({ email }) => findUserByIdentifier(services.sql, email)));
  const found = known.filter((user) => user !== undefined);
  return found.length === people.length ? found : undefined;
}

/** Rolls the transaction back: somebody of the household is there already. */
class HouseholdExists extends Error {
  override readonly name = "HouseholdExists";
}

/** All of them, their account and the events in one transaction, so a crash leaves no half of it. */
async function createHousehold(
  services: Services,
  people: readonly DemoPerson[],
  accountName: string | undefined,
  correlationId: string,
): Promise<Household> {
  const users: NewUser[] = [];
  for (const { email, fullName, role } of people) {
    const passwordHash = await services.passwords.hash(DEMO_PASSWORD);
    users.push(planPerson(services, { email, phone: null, fullName, country: "US", passwordHash }, [role]));
  }
  const owners = users.map((user) => formatId("user", user.userId));
  const wallet = accountName === undefined ? undefined : planWallet(services, "USD", owners, accountName);
  const events: NewEvent[] = users.map((user) => userRegistered(services, user.userId, correlationId));
  if (wallet !== undefined) events.push(accountOpen(services, wallet, owners[0]!, correlationId));

  try {
    await services.transact(async (tx) => {
      for (const user of users) if (!(await insertUser(tx, user))) throw new HouseholdExists();
      if (wallet !== undefined) await insertAccount(tx, wallet satisfies NewAccount);
      await appendOutbox(tx, "accounts", events);
    });
  } catch (error) {
    if (!(error instanceof HouseholdExists)) throw error;
    // Another process was at it at the same moment, or our own COMMIT went through and its answer was lost.
    const found = await findHousehold(services, people);
    if (found !== undefined) return found;
    const emails = people.map((person) => person.email).join(", ");
    throw new Error(`Some of ${emails} exist and some do not; remove them, or start without demo data.`);
  }
  services.wakeRelay();
  return users;
}

async function toIdentity(
  services: Services,
  person: DemoPerson,
  user: Pick<UserRecord, "userId">,
): Promise<DemoIdentity> {
  const userId = formatId("user", user.userId);
  const filter = { owner: userId, status: undefined, currency: undefined };
  const accounts = await listAccounts(services.sql, filter, { after: undefined, limit: 100 });
  // Also those that another process asked for a moment ago: they are to be funded.
  for (const { accountId, status } of accounts)
    if (status === "PENDING") await awaitOpening(services, accountId, WALLET_WAIT_MS);
  return { ...person, userId, accountIds: accounts.map((account) => formatId("account", account.accountId)) };
}

async function seedPartner(services: Services): Promise<DemoData["partner"]> {
  const partnerId: Uuid = uuidV8(createHash("sha256").update("florin demo partner").digest());
  const createdAt = services.clock.now();
  await services.transact(async (tx) => {
    await insertPartner(tx, { partnerId, name: "Demo partner", createdAt });
    await insertApiKey(tx, {
      keyHash: hashApiKey(DEMO_PARTNER_KEY),
      partnerId,
      scopes: DEMO_PARTNER_SCOPES,
      createdAt,
    });
  });
  return { partnerId: formatId("partner", partnerId), apiKey: DEMO_PARTNER_KEY, scopes: DEMO_PARTNER_SCOPES };
}
