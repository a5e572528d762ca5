import {
  parseInstructedMoney,
  restrictionTypes,
  type FieldFault,
  type OnExpired,
  type Phase,
  type RestrictionType,
  type Side,
} from "@florin/kernel";
import type { LedgerContext } from "../context.js";
import type {
  AccountReference,
  ProposedAdjustment,
  ProposedAuthorisation,
  ProposedCustom,
  ProposedInstruction,
  ProposedLeg,
  ProposedMovement,
  ProposedRelease,
  ProposedSettlement,
} from "../writer/command.js";
import { parseFollowUpAmount, parseLegMoney } from "./parse-amount.js";
import { parseDuration } from "./parse-duration.js";
import { checkText, parseAccountId, parseDetails } from "./parse-input.js";

type Given<T> = T | null | undefined;
interface MoneyInput {
  readonly amount: string;
  readonly currency: string;
}

/** What every instruction may say; each input of the graph has those that make sense for it. */
interface CommonInput {
  readonly clientTransactionId?: Given<string>;
  readonly advice?: Given<boolean>;
  readonly details?: unknown;
  readonly overrideRestrictions?: Given<readonly string[]>;
  readonly paymentDevice?: Given<string>;
}

interface HardSettlementInput extends CommonInput {
  readonly targetAccountId: string;
  readonly internalAccountId: string;
  readonly amount: MoneyInput;
  readonly relatedClientTransactionId?: Given<string>;
}

interface AuthorisationInput extends HardSettlementInput {
  readonly clientTransactionId: string;
  readonly expiresAfter?: Given<string>;
  readonly onExpired?: Given<OnExpired>;
  readonly allowOverSettlement?: Given<boolean>;
}

interface AdjustmentInput extends CommonInput {
  readonly clientTransactionId: string;
  readonly delta?: Given<string>;
  readonly replaceTo?: Given<string>;
}

interface SettlementInput extends CommonInput {
  readonly clientTransactionId: string;
  readonly amount?: Given<string>;
  readonly final?: Given<boolean>;
}

interface ReleaseInput extends CommonInput {
  readonly clientTransactionId: string;
}

interface TransferInput extends CommonInput {
  readonly debtorAccountId: string;
  readonly creditorAccountId: string;
  readonly amount: MoneyInput;
  readonly relatedClientTransactionId?: Given<string>;
}

interface LegInput {
  readonly accountId: string;
  readonly address: string;
  readonly phase: Phase;
  readonly side: Side;
  readonly amount: MoneyInput;
}

interface CustomInput extends CommonInput {
  readonly postings: readonly LegInput[];
  readonly fx?: Given<{ readonly rate: string; readonly rateSource: string; readonly rateTimestamp: string }>;
}

export interface InstructionInput {
  readonly inboundHardSettlement?: Given<HardSettlementInput>;
  readonly outboundHardSettlement?: Given<HardSettlementInput>;
  readonly inboundAuthorisation?: Given<AuthorisationInput>;
  readonly outboundAuthorisation?: Given<AuthorisationInput>;
  readonly authorisationAdjustment?: Given<AdjustmentInput>;
  readonly settlement?: Given<SettlementInput>;
  readonly release?: Given<ReleaseInput>;
  readonly transfer?: Given<TransferInput>;
  readonly customInstruction?: Given<CustomInput>;
}

const fields = [
  "inboundHardSettlement",
  "outboundHardSettlement",
  "inboundAuthorisation",
  "outboundAuthorisation",
  "authorisationAdjustment",
  "settlement",
  "release",
  "transfer",
  "customInstruction",
] as const satisfies readonly (keyof InstructionInput)[];

const MAX_LEGS = 50;

/** Where in the input we are, and what is wrong there. */
interface Place {
  readonly path: string;
  readonly faults: FieldFault[];
}

/** One instruction of a batch as a command carries it; undefined with a fault or more when it cannot be one. */
export async function parseInstruction(
  context: LedgerContext,
  input: InstructionInput,
  path: string,
  faults: FieldFault[],
): Promise<ProposedInstruction | undefined> {
  const field = expectExactlyOne(input, path, faults);
  if (field === undefined) return undefined;
  const place = { path: `${path}.${field}`, faults };
  switch (field) {
    case "inboundHardSettlement":
      return parseHardSettlement(context, "INBOUND_HARD_SETTLEMENT", input[field]!, place);
    case "outboundHardSettlement":
      return parseHardSettlement(context, "OUTBOUND_HARD_SETTLEMENT", input[field]!, place);
    case "inboundAuthorisation":
      return parseAuthorisation(context, "INBOUND_AUTHORISATION", input[field]!, place);
    case "outboundAuthorisation":
      return parseAuthorisation(context, "OUTBOUND_AUTHORISATION", input[field]!, place);
    case "authorisationAdjustment":
      return parseAdjustment(input[field]!, place);
    case "settlement":
      return parseSettlement(input[field]!, place);
    case "release":
      return parseRelease(input[field]!, place);
    case "transfer":
      return parseTransfer(input[field]!, place);
    case "customInstruction":
      return parseCustom(input[field]!, place);
  }
}

/** Composition does not know `@oneOf`, so we look ourselves. */
function expectExactlyOne(
  input: InstructionInput,
  path: string,
  faults: FieldFault[],
): (typeof fields)[number] | undefined {
  const given = fields.filter((field) => input[field] !== null && input[field] !== undefined);
  if (given.length === 1) return given[0];
  faults.push({ path, code: "ONE_OF", message: `Set exactly one of ${fields.join(", ")}.` });
  return undefined;
}

function parseCommon(input: CommonInput, { path, faults }: Place) {
  checkText(input.clientTransactionId, `${path}.clientTransactionId`, faults);
  checkText(input.paymentDevice, `${path}.paymentDevice`, faults);
  return {
    advice: input.advice === true ? true : undefined,
    details: parseDetails(input.details, `${path}.details`, faults),
    overrideRestrictions: parseOverrides(input.overrideRestrictions, { path, faults }),
    paymentDevice: input.paymentDevice ?? undefined,
  };
}

function parseOverrides(
  given: Given<readonly string[]>,
  { path, faults }: Place,
): readonly RestrictionType[] | undefined {
  if (given === null || given === undefined || given.length === 0) return undefined;
  const known = restrictionTypes.filter((type) => given.includes(type));
  if (known.length === new Set(given).size) return known;
  faults.push({
    path: `${path}.overrideRestrictions`,
    code: "RESTRICTION_TYPE",
    message: `Send types of restrictions: ${restrictionTypes.join(", ")}.`,
  });
  return undefined;
}

async function parseHardSettlement(
  context: LedgerContext,
  type: "INBOUND_HARD_SETTLEMENT" | "OUTBOUND_HARD_SETTLEMENT",
  input: HardSettlementInput,
  place: Place,
): Promise<ProposedMovement | undefined> {
  const opener = await parseOpener(context, input, place);
  return opener && { type, ...opener };
}

async function parseAuthorisation(
  context: LedgerContext,
  type: "INBOUND_AUTHORISATION" | "OUTBOUND_AUTHORISATION",
  input: AuthorisationInput,
  place: Place,
): Promise<ProposedAuthorisation | undefined> {
  const expiresAfterMicros = parseDuration(input.expiresAfter, `${place.path}.expiresAfter`, place.faults);
  const opener = await parseOpener(context, input, place);
  if (opener === undefined) return undefined;
  const { onExpired, allowOverSettlement } = input;
  return {
    type,
    ...opener,
    expiresAfterMicros,
    onExpired: onExpired ?? undefined,
    allowOverSettlement: allowOverSettlement === false ? false : undefined,
  };
}

async function parseOpener(context: LedgerContext, input: HardSettlementInput, place: Place) {
  const { path, faults } = place;
  const money = parseInstructedMoney(input.amount, `${path}.amount`, faults);
  const common = parseCommon(input, place);
  checkText(input.relatedClientTransactionId, `${path}.relatedClientTransactionId`, faults);
  const counterparty = await parseInternalAccount(context, input.internalAccountId, place);
  if (money === undefined) return undefined;
  const target: AccountReference = { accountId: parseAccountId(input.targetAccountId) };
  return {
    ...common,
    target,
    counterparty,
    money,
    clientTransactionId: input.clientTransactionId ?? undefined,
    relatedClientTransactionId: input.relatedClientTransactionId ?? undefined,
  };
}

async function parseInternalAccount(
  context: LedgerContext,
  id: string,
  { path, faults }: Place,
): Promise<AccountReference> {
  const accountId = parseAccountId(id);
  const account = await context.readers.findAccount(accountId);
  if (account?.kind !== "INTERNAL")
    faults.push({
      path: `${path}.internalAccountId`,
      code: "NOT_INTERNAL_ACCOUNT",
      message: "Name an internal account, such as the one that internalAccount finds for CASH_IN and your currency.",
    });
  return { accountId };
}

function parseAdjustment(input: AdjustmentInput, place: Place): ProposedAdjustment | undefined {
  const { path, faults } = place;
  const common = parseCommon(input, place);
  const hasDelta = input.delta !== null && input.delta !== undefined;
  const hasReplaceTo = input.replaceTo !== null && input.replaceTo !== undefined;
  if (hasDelta === hasReplaceTo) {
    faults.push({ path, code: "ONE_OF", message: "Set exactly one of delta, replaceTo." });
    return undefined;
  }
  const delta = parseFollowUpAmount(input.delta, "NOT_ZERO", `${path}.delta`, faults);
  const replaceTo = parseFollowUpAmount(input.replaceTo, "NOT_NEGATIVE", `${path}.replaceTo`, faults);
  const { clientTransactionId } = input;
  return { type: "AUTHORISATION_ADJUSTMENT", ...common, clientTransactionId, delta, replaceTo };
}

function parseSettlement(input: SettlementInput, place: Place): ProposedSettlement {
  const common = parseCommon(input, place);
  const amount = parseFollowUpAmount(input.amount, "ABOVE_ZERO", `${place.path}.amount`, place.faults);
  const { clientTransactionId } = input;
  return { type: "SETTLEMENT", ...common, clientTransactionId, amount, final: input.final === true ? true : undefined };
}

function parseRelease(input: ReleaseInput, place: Place): ProposedRelease {
  return { type: "RELEASE", ...parseCommon(input, place), clientTransactionId: input.clientTransactionId };
}

function parseTransfer(input: TransferInput, place: Place): ProposedMovement | undefined {
  const { path, faults } = place;
  const money = parseInstructedMoney(input.amount, `${path}.amount`, faults);
  const common = parseCommon(input, place);
  checkText(input.relatedClientTransactionId, `${path}.relatedClientTransactionId`, faults);
  if (money === undefined) return undefined;
  return {
    type: "TRANSFER",
    ...common,
    target: { accountId: parseAccountId(input.debtorAccountId) },
    counterparty: { accountId: parseAccountId(input.creditorAccountId) },
    money,
    clientTransactionId: input.clientTransactionId ?? undefined,
    relatedClientTransactionId: input.relatedClientTransactionId ?? undefined,
  };
}

function parseCustom(input: CustomInput, place: Place): ProposedCustom | undefined {
  const { path, faults } = place;
  const common = parseCommon(input, place);
  if (input.postings.length < 2 || input.postings.length > MAX_LEGS)
    faults.push({
      path: `${path}.postings`,
      code: "LIST_SIZE",
      message: `Send 2 to ${MAX_LEGS} postings that balance for each currency and phase.`,
    });
  const legs = input.postings.slice(0, MAX_LEGS).flatMap((leg, index): ProposedLeg[] => {
    const money = parseLegMoney(leg.amount, `${path}.postings.${index}.amount`, faults);
    checkText(leg.address, `${path}.postings.${index}.address`, faults);
    if (money === undefined) return [];
    const { accountId, address, phase, side } = leg;
    return [{ account: { accountId: parseAccountId(accountId) }, address, phase, side, money }];
  });
  const clientTransactionId = input.clientTransactionId ?? undefined;
  const fx = parseFx(input.fx, place);
  return { type: "CUSTOM_INSTRUCTION", ...common, clientTransactionId, legs, fx };
}

/** MON-4. */
function parseFx(fx: CustomInput["fx"], { path, faults }: Place): ProposedCustom["fx"] {
  if (fx === null || fx === undefined) return undefined;
  const rate = parseFollowUpAmount(fx.rate, "ABOVE_ZERO", `${path}.fx.rate`, faults);
  checkText(fx.rateSource, `${path}.fx.rateSource`, faults);
  return rate === undefined ? undefined : { rate, rateSource: fx.rateSource, rateTimestamp: fx.rateTimestamp };
}
