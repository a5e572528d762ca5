/**
 * The life of an Item. This file alone changes its state, its tokens and what is shared.
 *
 *   createItem ─► public token (30 min, once) ─► exchange ─► access token ─► … ─► removeItem
 *
 *   HEALTHY ─► LOGIN_REQUIRED   reset_login; 30 days after the last login (sandbox); consent or connection ended
 *           ─► PENDING_*        still serves data; ends in LOGIN_REQUIRED at its time
 *           ─► LOCKED, REVOKED, INSTITUTION_DOWN …   by the control plane
 *   any of these ─► HEALTHY     repairItem: the person logged in again
 */
import type { LiabilitiesObject } from "plaid";
import { findInstitution, type SimInstitution } from "./institutions.js";
import { refuse } from "./plaid-error.js";
import { accountIdOf, seedContext } from "./seed-context.js";
import type { SeedUser } from "./seed-users/seed-user.js";
import { addHistoryOf } from "./transaction-pull.js";
import {
  itemError,
  loginRepaired,
  notify,
  pendingDisconnect,
  pendingExpiration,
  userAccountRevoked,
  userPermissionRevoked,
} from "./webhook-bodies.js";
import type { Wire } from "./wire.js";
import {
  errorOfState,
  toPlaidTime,
  type ItemState,
  type Product,
  type PublicToken,
  type SimAccount,
  type SimItem,
  type SimulatorWorld,
} from "./world.js";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const PUBLIC_TOKEN_MINUTES = 30;
const SANDBOX_LOGIN_DAYS = 30;
const NOTICE_DAYS = 7;

const NO_LIABILITIES: Wire<LiabilitiesObject> = { credit: null, mortgage: null, student: null };

export interface NewItem {
  readonly institution: SimInstitution;
  readonly user: SeedUser;
  readonly products: readonly Product[];
  /** Keys of the accounts that the person shares; undefined: all. */
  readonly accountKeys?: readonly string[] | undefined;
  readonly webhook: string | null;
  readonly daysRequested: number;
  readonly clientUserId: string | null;
}

/** What this login can give at this institution. */
export function supportedProducts(institution: SimInstitution, user: SeedUser): Product[] {
  return institution.products.filter((it) => user.products.includes(it));
}

export function createItem(world: SimulatorWorld, wanted: NewItem): SimItem {
  const { institution, user } = wanted;
  const supported = supportedProducts(institution, user);
  const products = wanted.products.filter((it) => supported.includes(it));
  if (products.length === 0) refuse("PRODUCTS_NOT_SUPPORTED");
  const itemId = world.ids.next("item");
  const now = world.clock.now();
  const item: SimItem = {
    itemId,
    accessToken: null,
    institutionId: institution.institutionId,
    userName: user.userName,
    clientUserId: wanted.clientUserId,
    webhook: wanted.webhook,
    products: [...new Set(products)],
    createdAt: toPlaidTime(now),
    loginAt: toPlaidTime(now),
    state: "HEALTHY",
    disconnectTime: null,
    consentExpirationTime: consentEnd(institution, now),
    accounts: user.accounts.map((it) => toSimAccount(world, itemId, wanted, it)),
    transactions: {
      status: "NOT_READY",
      daysRequested: wanted.daysRequested,
      syncCalls: 0,
      isActivated: false,
      isPullScheduled: false,
      older: [],
      log: [],
    },
    liabilities: NO_LIABILITIES,
    investments: { securities: [], holdings: [], transactions: [], isPulled: false },
    lastSuccessfulUpdate: null,
    lastFailedUpdate: null,
    lastWebhook: null,
  };
  const context = seedContext(world, item);
  if (user.liabilities) item.liabilities = user.liabilities(context);
  if (user.investments) item.investments = { ...user.investments(context), isPulled: false };
  world.items.set(itemId, item);
  scheduleExpiries(world, item);
  return item;
}

function toSimAccount(
  world: SimulatorWorld,
  itemId: string,
  { institution, user, accountKeys }: NewItem,
  { key, base }: SeedUser["accounts"][number],
): SimAccount {
  // Only banks that keep one connection per login say which account it is across connections.
  const persistent = institution.keepsOneItemPerLogin
    ? { persistent_account_id: world.ids.of(`persistent/${institution.institutionId}/${user.userName}/${key}`) }
    : {};
  return {
    key,
    granted: accountKeys?.includes(key) ?? true,
    base: { ...structuredClone(base), account_id: accountIdOf(world, itemId, key), ...persistent },
    live: null,
  };
}

export function issuePublicToken(world: SimulatorWorld, item: SimItem, isOfUpdateMode: boolean): PublicToken {
  const token: PublicToken = {
    token: `public-${world.settings.environment}-${world.ids.nextUuid("public-token")}`,
    itemId: item.itemId,
    expiresAt: new Date(world.clock.now().getTime() + PUBLIC_TOKEN_MINUTES * MINUTE_MS).toISOString(),
    isOfUpdateMode,
    usedAt: null,
  };
  world.forgetDeadTokens();
  world.publicTokens.set(token.token, token);
  return token;
}

/** One exchange per public token, within its 30 minutes. */
export function exchangePublicToken(world: SimulatorWorld, publicToken: string): SimItem & { accessToken: string } {
  const token = world.publicTokens.get(publicToken);
  const item = token && world.items.get(token.itemId);
  if (!token || !item || item.state === "REMOVED") refuse("INVALID_PUBLIC_TOKEN");
  if (token.usedAt !== null) refuse("INVALID_PUBLIC_TOKEN", "public token has already been exchanged");
  if (token.isOfUpdateMode) {
    refuse("INVALID_PUBLIC_TOKEN", "public tokens of update mode are not exchanged: the access_token has not changed");
  }
  if (Date.parse(token.expiresAt) <= world.clock.now().getTime()) {
    refuse("INVALID_PUBLIC_TOKEN", "provided public token is expired");
  }
  token.usedAt = world.nowIso();
  const accessToken = giveAccessToken(world, item);
  invalidateOlderItems(world, item);
  return Object.assign(item, { accessToken });
}

/** The old token dies at once. */
export function rotateAccessToken(world: SimulatorWorld, item: SimItem): string {
  if (item.accessToken !== null) world.accessTokens.delete(item.accessToken);
  return giveAccessToken(world, item);
}

function giveAccessToken(world: SimulatorWorld, item: SimItem): string {
  const accessToken = `access-${world.settings.environment}-${world.ids.nextUuid("access-token")}`;
  item.accessToken = accessToken;
  world.accessTokens.set(accessToken, item.itemId);
  return accessToken;
}

/** At some banks a second connection of the same login ends the first. */
function invalidateOlderItems(world: SimulatorWorld, item: SimItem): void {
  if (!findInstitution(item.institutionId)?.keepsOneItemPerLogin) return;
  for (const other of world.items.values()) {
    const isSameLogin = other.institutionId === item.institutionId && other.userName === item.userName;
    if (other === item || !isSameLogin || other.accessToken === null || errorOfState(other.state)) continue;
    if (other.clientUserId === item.clientUserId) setItemState(world, other, "LOGIN_REQUIRED");
  }
}

/** For good. The token is remembered, so that later calls hear ITEM_NOT_FOUND. */
export function removeItem(item: SimItem): void {
  item.state = "REMOVED";
  item.webhook = null;
  item.transactions.log = [];
  item.transactions.older = [];
  item.liabilities = NO_LIABILITIES;
  item.investments = { securities: [], holdings: [], transactions: [], isPulled: false };
}

export interface StateChange {
  /** ISO 8601; for PENDING_DISCONNECT and PENDING_EXPIRATION. Default: in seven days. */
  readonly at?: string | undefined;
  /** Default true: the webhook of the new state is sent. */
  readonly isAnnounced?: boolean | undefined;
}

export function setItemState(world: SimulatorWorld, item: SimItem, state: ItemState, change: StateChange = {}): void {
  if (item.state === "REMOVED") refuse("ITEM_NOT_FOUND");
  if (state === "REMOVED") return removeItem(item);
  if (state === "HEALTHY") return repairItem(world, item, change.isAnnounced ?? true);
  const at = change.at ?? toPlaidTime(new Date(world.clock.now().getTime() + NOTICE_DAYS * DAY_MS));
  item.state = state;
  if (state === "PENDING_DISCONNECT") item.disconnectTime = at;
  if (state === "PENDING_EXPIRATION") item.consentExpirationTime = at;
  if (errorOfState(state)) item.lastFailedUpdate = world.nowIso();
  else scheduleEnd(world, item, at);
  if (change.isAnnounced ?? true) announceState(world, item);
}

/** The person logged in again: the state is good, a new period begins. */
export function repairItem(world: SimulatorWorld, item: SimItem, isAnnounced: boolean): void {
  if (item.state === "REMOVED") refuse("ITEM_NOT_FOUND");
  const wasBroken = item.state !== "HEALTHY";
  const now = world.clock.now();
  item.state = "HEALTHY";
  item.disconnectTime = null;
  item.loginAt = toPlaidTime(now);
  const institution = findInstitution(item.institutionId);
  item.consentExpirationTime = institution ? consentEnd(institution, now) : null;
  scheduleExpiries(world, item);
  if (wasBroken && isAnnounced) notify(world, item, loginRepaired(world, item));
}

/** One account is taken out of the share at the bank. */
export function revokeAccount(world: SimulatorWorld, item: SimItem, accountId: string): void {
  const account = item.accounts.find((it) => it.base.account_id === accountId);
  if (!account) refuse("INVALID_ACCOUNT_ID");
  account.granted = false;
  notify(world, item, userAccountRevoked(world, item, accountId));
}

/** What the person shares from now on, by account key. The history of accounts that join comes with the next sync. */
export function shareAccounts(world: SimulatorWorld, item: SimItem, keys: readonly string[]): void {
  const joining = item.accounts.filter((it) => !it.granted && keys.includes(it.key));
  for (const account of item.accounts) account.granted = keys.includes(account.key);
  addHistoryOf(
    world,
    item,
    joining.map((it) => it.base.account_id),
  );
}

function announceState(world: SimulatorWorld, item: SimItem): void {
  switch (item.state) {
    case "HEALTHY":
    case "REMOVED":
      return;
    case "PENDING_DISCONNECT":
      notify(world, item, pendingDisconnect(world, item));
      return;
    case "PENDING_EXPIRATION":
      notify(world, item, pendingExpiration(world, item));
      return;
    case "REVOKED":
      notify(world, item, userPermissionRevoked(world, item));
      return;
    default:
      notify(world, item, itemError(world, item));
  }
}

/** Also called for every Item that comes out of a snapshot. */
export function scheduleExpiries(world: SimulatorWorld, item: SimItem): void {
  if (item.state === "REMOVED") return;
  if (item.consentExpirationTime !== null) return scheduleConsentEnd(world, item, item.consentExpirationTime);
  if (item.state === "PENDING_DISCONNECT" && item.disconnectTime !== null)
    scheduleEnd(world, item, item.disconnectTime);
  if (world.settings.environment !== "sandbox") return;
  const { loginAt } = item;
  const stale = new Date(Date.parse(loginAt) + SANDBOX_LOGIN_DAYS * DAY_MS);
  world.clock.schedule(stale, () => {
    if (item.loginAt === loginAt && !errorOfState(item.state)) setItemState(world, item, "LOGIN_REQUIRED");
  });
}

function scheduleConsentEnd(world: SimulatorWorld, item: SimItem, endsAt: string): void {
  const notice = new Date(Date.parse(endsAt) - NOTICE_DAYS * DAY_MS);
  if (item.state !== "HEALTHY") return scheduleEnd(world, item, endsAt);
  world.clock.schedule(notice, () => {
    if (item.consentExpirationTime === endsAt && item.state === "HEALTHY") {
      setItemState(world, item, "PENDING_EXPIRATION", { at: endsAt });
    }
  });
}

/** The end of a PENDING state, unless it was repaired or put off in the meantime. */
function scheduleEnd(world: SimulatorWorld, item: SimItem, at: string): void {
  world.clock.schedule(new Date(at), () => {
    const isDue =
      (item.state === "PENDING_DISCONNECT" && item.disconnectTime === at) ||
      (item.state === "PENDING_EXPIRATION" && item.consentExpirationTime === at);
    if (isDue) setItemState(world, item, "LOGIN_REQUIRED");
  });
}

function consentEnd(institution: SimInstitution, from: Date): string | null {
  if (institution.consentDays === null) return null;
  return toPlaidTime(new Date(from.getTime() + institution.consentDays * DAY_MS));
}
