/**
 * A hosted Link session, without its looks (link-page.ts):
 *
 *   new Item:     choose institution ─► log in ─► choose accounts ─► SUCCESS
 *   update mode:                        log in ─► (choose accounts) ─► SUCCESS: the Item is good again
 *   at any step:  leave ─► EXITED, with the last error if there was one
 *
 * The end of a session is told by webhook to the link token's address (update mode: the Item's) and by /link/token/get.
 * A link token gives one success; after an exit another session may begin while the token lives.
 */
import type { LinkSessionSuccessMetadataAccount } from "plaid";
import { findInstitution, listInstitutions, type SimInstitution } from "./institutions.js";
import { createItem, issuePublicToken, repairItem, shareAccounts, supportedProducts } from "./item-lifecycle.js";
import { knownError, toItemError, type PlaidErrorCode } from "./plaid-error.js";
import { findSeedUser, SEED_PASSWORD } from "./seed-users/index.js";
import type { SeedUser } from "./seed-users/seed-user.js";
import { itemAddResult, sessionFinished } from "./webhook-bodies.js";
import type { Wire } from "./wire.js";
import type { LinkSession, LinkToken, PublicToken, SimItem, SimulatorWorld } from "./world.js";

/** Errors that a tester may leave with. */
export const EXIT_ERRORS = ["INVALID_CREDENTIALS", "ITEM_LOCKED", "INSTITUTION_DOWN", "INTERNAL_SERVER_ERROR"] as const;

export interface AccountChoice {
  readonly key: string;
  readonly name: string;
  readonly mask: string | null;
  readonly kind: string;
  readonly isChosen: boolean;
}

export type LinkStep =
  | { readonly kind: "expired" }
  | { readonly kind: "done" }
  | { readonly kind: "left" }
  | { readonly kind: "institution"; readonly institutions: readonly SimInstitution[] }
  | { readonly kind: "login"; readonly institution: SimInstitution; readonly userName: string | null }
  | { readonly kind: "accounts"; readonly institution: SimInstitution; readonly accounts: readonly AccountChoice[] };

/** Where the person is. Opens a session when there is none. */
export function currentStep(world: SimulatorWorld, link: LinkToken): LinkStep {
  const last = link.sessions.at(-1);
  if (last?.result) return { kind: "done" };
  if (isExpired(world, link)) return { kind: "expired" };
  if (last?.exit) return { kind: "left" };
  const session = last ?? openSession(world, link);
  const item = itemOfUpdate(world, link);
  if (link.update && item?.state === "REMOVED") return { kind: "expired" };
  const institution = findInstitution(item?.institutionId ?? session.institutionId ?? "");
  if (!institution) return { kind: "institution", institutions: offered(link) };
  if (session.userName === null) return { kind: "login", institution, userName: item?.userName ?? null };
  return { kind: "accounts", institution, accounts: accountChoices(link, session, item) };
}

/** The person has left and starts again. */
export function restart(world: SimulatorWorld, link: LinkToken): void {
  if (currentStep(world, link).kind === "left") openSession(world, link);
}

export function chooseInstitution(world: SimulatorWorld, link: LinkToken, institutionId: string): void {
  const step = currentStep(world, link);
  if (step.kind !== "institution" || !step.institutions.some((it) => it.institutionId === institutionId)) return;
  openOf(link).institutionId = institutionId;
}

/** Back to the choice of institution. */
export function goBack(world: SimulatorWorld, link: LinkToken): void {
  const step = currentStep(world, link).kind;
  if (link.update || (step !== "login" && step !== "accounts")) return;
  Object.assign(openOf(link), { institutionId: null, userName: null });
}

/** @returns what to tell the person when the login was refused */
export function logIn(world: SimulatorWorld, link: LinkToken, userName: string, password: string): string | undefined {
  const step = currentStep(world, link);
  if (step.kind !== "login") return undefined;
  const session = openOf(link);
  const user = findSeedUser(userName.trim());
  if (!user || password !== SEED_PASSWORD) return fail(session, "INVALID_CREDENTIALS");
  if (step.userName !== null && step.userName !== user.userName) {
    return fail(session, "INVALID_CREDENTIALS", "This is not the login that was linked. Please use the same one.");
  }
  if (!link.update && !canServe(step.institution, user, link)) {
    return fail(session, "NO_ACCOUNTS", "This login has nothing that was asked for.");
  }
  session.userName = user.userName;
  session.error = null;
  if (link.update && !offersAccounts(link, step.institution)) finishUpdate(world, link, undefined);
  return undefined;
}

/** The last step. @returns what to tell the person when nothing was chosen */
export function chooseAccounts(world: SimulatorWorld, link: LinkToken, keys: readonly string[]): string | undefined {
  const step = currentStep(world, link);
  if (step.kind !== "accounts") return undefined;
  const chosen = step.accounts.filter((it) => keys.includes(it.key)).map((it) => it.key);
  if (chosen.length === 0) return "Choose at least one account.";
  if (link.update) finishUpdate(world, link, chosen);
  else finishNew(world, link, step.institution, chosen);
  return undefined;
}

export function leave(world: SimulatorWorld, link: LinkToken, errorCode: string | undefined): void {
  const step = currentStep(world, link).kind;
  if (step === "done" || step === "expired" || step === "left") return;
  const session = openOf(link);
  const forced = EXIT_ERRORS.find((it) => it === errorCode);
  if (forced) session.error = toItemError(knownError(forced));
  session.finishedAt = world.nowIso();
  const status = step === "accounts" ? "requires_account_selection" : "requires_credentials";
  session.exit = { error: session.error, status: step === "institution" ? "institution_not_found" : status };
  tell(world, link, session, undefined);
}

function finishNew(world: SimulatorWorld, link: LinkToken, institution: SimInstitution, keys: readonly string[]): void {
  const session = openOf(link);
  const user = findSeedUser(session.userName ?? "");
  if (!user) return;
  const item = createItem(world, {
    institution,
    user,
    products: [...link.products, ...link.optionalProducts],
    accountKeys: keys,
    webhook: link.webhook,
    daysRequested: link.daysRequested,
    clientUserId: link.clientUserId,
  });
  finish(world, link, session, item, issuePublicToken(world, item, false));
}

function finishUpdate(world: SimulatorWorld, link: LinkToken, keys: readonly string[] | undefined): void {
  const item = itemOfUpdate(world, link);
  if (!item) return;
  // No LOGIN_REPAIRED: that webhook is for repairs that happen elsewhere.
  repairItem(world, item, false);
  if (keys) shareAccounts(world, item, keys);
  finish(world, link, openOf(link), item, issuePublicToken(world, item, true));
}

function finish(
  world: SimulatorWorld,
  link: LinkToken,
  session: LinkSession,
  item: SimItem,
  publicToken: PublicToken,
): void {
  const institution = findInstitution(item.institutionId);
  session.finishedAt = world.nowIso();
  session.result = {
    public_token: publicToken.token,
    accounts: item.accounts.filter((it) => it.granted).map(({ base }) => toMetadata(base)),
    institution: { institution_id: item.institutionId, name: institution?.name ?? item.institutionId },
  };
  tell(world, link, session, publicToken.token);
}

function tell(world: SimulatorWorld, link: LinkToken, session: LinkSession, publicToken: string | undefined): void {
  const target = link.update ? (itemOfUpdate(world, link)?.webhook ?? null) : link.webhook;
  if (target === null) return;
  if (publicToken) world.sendWebhook(target, itemAddResult(world, link, session, publicToken));
  const outcome = publicToken
    ? ({ status: "SUCCESS", publicTokens: [publicToken] } as const)
    : ({ status: "EXITED", publicTokens: [] } as const);
  world.sendWebhook(target, sessionFinished(world, link, session, outcome));
}

function openSession(world: SimulatorWorld, link: LinkToken): LinkSession {
  const session: LinkSession = {
    sessionId: world.ids.nextUuid("link-session"),
    startedAt: world.nowIso(),
    finishedAt: null,
    institutionId: link.institutionId,
    userName: null,
    error: null,
    result: null,
    exit: null,
  };
  link.sessions.push(session);
  return session;
}

/** The session in progress. Only called where `currentStep` has said that there is one. */
function openOf(link: LinkToken): LinkSession {
  const session = link.sessions.at(-1);
  if (!session) throw new Error("a step of Link was taken without a session");
  return session;
}

function itemOfUpdate(world: SimulatorWorld, link: LinkToken): SimItem | undefined {
  return link.update ? world.items.get(link.update.itemId) : undefined;
}

function isExpired(world: SimulatorWorld, link: LinkToken): boolean {
  return Date.parse(link.expiresAt) <= world.clock.now().getTime();
}

function offered(link: LinkToken): SimInstitution[] {
  return listInstitutions(link.countryCodes).filter((it) => link.products.every((p) => it.products.includes(p)));
}

function canServe(institution: SimInstitution, user: SeedUser, link: LinkToken): boolean {
  const supported = supportedProducts(institution, user);
  const isAnyWanted = [...link.products, ...link.optionalProducts].some((it) => supported.includes(it));
  return isAnyWanted && user.accounts.some((it) => passesFilter(link, it.base));
}

/** UK and EU banks do not let accounts join later: the Item is removed and made again. */
function offersAccounts(link: LinkToken, institution: SimInstitution): boolean {
  return (link.update?.isAccountSelectionEnabled ?? false) && institution.consentDays === null;
}

function accountChoices(link: LinkToken, session: LinkSession, item: SimItem | undefined): AccountChoice[] {
  const known = item
    ? item.accounts.map(({ key, granted, base }) => ({ key, base, isChosen: granted }))
    : (findSeedUser(session.userName ?? "")?.accounts ?? []).map(({ key, base }) => ({ key, base, isChosen: true }));
  return known
    .filter(({ base }) => passesFilter(link, base))
    .map(({ key, base, isChosen }) => ({
      key,
      name: base.name,
      mask: base.mask,
      kind: base.subtype ?? base.type,
      isChosen,
    }));
}

function passesFilter(link: LinkToken, account: { readonly type: string; readonly subtype: string | null }): boolean {
  if (!link.accountFilters) return true;
  const filters: Partial<Record<string, { readonly account_subtypes: readonly string[] }>> = link.accountFilters;
  const subtypes = filters[account.type]?.account_subtypes;
  return subtypes !== undefined && (subtypes.includes("all") || subtypes.includes(account.subtype ?? ""));
}

function fail(session: LinkSession, code: PlaidErrorCode, told?: string): string {
  const error = knownError(code);
  session.error = toItemError(error);
  return told ?? error.display_message ?? error.error_message;
}

function toMetadata(account: SimItem["accounts"][number]["base"]): Wire<LinkSessionSuccessMetadataAccount> {
  return {
    id: account.account_id,
    name: account.name,
    mask: account.mask,
    type: account.type,
    ...(account.subtype === null ? {} : { subtype: account.subtype }),
    verification_status: null,
    class_type: null,
  };
}
