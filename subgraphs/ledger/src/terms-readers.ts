import type { Database } from "@florin/db";
import {
  fetchHookData,
  findAccountTerms,
  findConversionSummary,
  findStoredAccount,
  getHookCursor,
  listConversionResults,
  listHookExecutions,
  listOpenFailures,
  listProcessingGroups,
  listProductCatalogue,
  listRestrictionsOfAccount,
  MAIN_PROCESSING_GROUP,
  type AccountTerms,
  type AppliedRestriction,
  type ConversionResult,
  type ConversionSummary,
  type HookAccountRow,
  type PostProcessingFailure,
  type StoredHookExecution,
} from "@florin/db/ledger";
import {
  parametersAt,
  planFetches,
  raisedFlags,
  runHook,
  type Clock,
  type Instant,
  type Product,
  type Uuid,
} from "@florin/kernel";
import { createProductCatalogue, type LoadProduct, type ProductCatalogue } from "./writer/product-catalogue.js";

/** Reads of what holds on accounts beside their postings. Not gathered: they are asked for by operators and about one account. */
export interface TermsReaders {
  findTerms(accountId: Uuid): Promise<(HookAccountRow & { readonly terms: AccountTerms }) | undefined>;
  listRestrictions(accountId: Uuid): Promise<readonly AppliedRestriction[]>;
  /** What the product's derivedParameters says. undefined: it has no such hook. Throws when it throws: the field fails alone. */
  deriveParameters(accountId: Uuid, at: Instant | undefined): Promise<Readonly<Record<string, string>> | undefined>;
  listHookExecutions(accountId: Uuid, limit: number): Promise<readonly StoredHookExecution[]>;
  listOpenFailures(limit: number): Promise<readonly PostProcessingFailure[]>;
  findConversion(id: Uuid): Promise<ConversionSummary>;
  listConversionResults(id: Uuid, limit: number): Promise<readonly ConversionResult[]>;
}

const BOOK = 1;

export function createTermsReaders(options: {
  readonly database: Database;
  readonly products: readonly Product[];
  readonly loadProduct: LoadProduct;
  readonly clock: Clock;
}): TermsReaders {
  const { database, products, loadProduct, clock } = options;
  const { sql } = database;
  let catalogue: ProductCatalogue | undefined;

  async function findTerms(accountId: Uuid) {
    const account = await findStoredAccount(sql, BOOK, accountId);
    if (account === undefined) return undefined;
    const terms = (await findAccountTerms(sql, BOOK, [accountId])).get(accountId) ?? {};
    return { ...account, terms };
  }

  async function findProduct(versionId: Uuid): Promise<Product | undefined> {
    if (catalogue?.findVersion(versionId) === undefined)
      catalogue = createProductCatalogue(await listProductCatalogue(sql), products, loadProduct, catalogue);
    return catalogue.findVersion(versionId)?.product;
  }

  async function deriveParameters(accountId: Uuid, at: Instant | undefined) {
    const account = await findTerms(accountId);
    if (account === undefined || account.productVersionId === null) return undefined;
    const product = await findProduct(account.productVersionId);
    const hook = product?.hooks?.derivedParameters;
    if (product === undefined || hook === undefined) return undefined;
    const [{ knownAt }, groups] = await Promise.all([getHookCursor(sql, BOOK), listProcessingGroups(sql, BOOK)]);
    const group = groups.find(({ code }) => code === MAIN_PROCESSING_GROUP);
    if (group === undefined) throw new Error(`book ${BOOK} has no processing group. Run the migrations.`);
    const now = clock.now();
    const executedAt = now > knownAt ? now : knownAt;
    const effectiveAt = at ?? executedAt;
    const { denomination, tside, openedAt, parameters, terms } = account;
    const fetched = await fetchHookData(
      sql,
      accountId,
      planFetches(hook.reads, { effectiveAt, executedAt, group, knownAt }),
    );
    const outcome = runHook(product, "derivedParameters", {
      account: { accountId, denomination, tside, openedAt },
      effectiveAt,
      parameters: parametersAt(parameters, terms.parameterHistory, effectiveAt),
      flags: terms.flags && raisedFlags(terms.flags, effectiveAt),
      ...fetched,
      occasion: {},
    });
    if (outcome.kind === "failed") throw new Error(`derivedParameters of ${product.code} failed: ${outcome.message}`);
    return outcome.kind === "answered" ? outcome.answer : undefined;
  }

  return {
    findTerms,
    deriveParameters,
    listRestrictions: (accountId) => listRestrictionsOfAccount(sql, BOOK, accountId),
    listHookExecutions: (accountId, limit) => listHookExecutions(sql, BOOK, { accountId, limit }),
    listOpenFailures: (limit) => listOpenFailures(sql, BOOK, limit),
    findConversion: (id) => findConversionSummary(sql, BOOK, id),
    listConversionResults: (conversionId, limit) => listConversionResults(sql, BOOK, { conversionId, limit }),
  };
}
