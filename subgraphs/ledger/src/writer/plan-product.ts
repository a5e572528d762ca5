import { formatId, refuse, type Product } from "@florin/kernel";
import { sha256Hex } from "@florin/db";
import { parametersToJson } from "@florin/db/ledger";
import type { CommitDraft } from "./commit-draft.js";
import { tell, type TermsDecision } from "./terms-change.js";
import type { ProductUpload, TermsCommand } from "./terms-command.js";

/** A new version of a product, its code uploaded. The first of a code makes the product; one that is there is never changed. */
export function planProductUpload(draft: CommitDraft, command: TermsCommand, { source }: ProductUpload): TermsDecision {
  const product = load(draft, source);
  if (product === undefined) return refuse("CONTRACT_ERROR", "the source does not load");
  const { code, version, name, tside, parameters } = product;
  const isAdded = draft.terms.productVersions.some((one) => sha256Hex(one.source) === sha256Hex(source));
  if (isAdded || draft.catalogue.findStored(code, version) !== undefined) return refuse("PRODUCT_VERSION_EXISTS");
  const known = draft.catalogue.findProductId(code);
  const productId = known ?? draft.ids.next();
  const productVersionId = command.commandId; // so that the answer to a key names it
  const createdAt = draft.bookedAt;
  if (known === undefined) draft.terms.products.push({ productId, code, name, createdAt });
  draft.terms.productVersions.push({
    productVersionId,
    productId,
    version,
    tside,
    parameters: parametersToJson(parameters),
    createdAt,
    source,
    libraryOrder: 0,
  });
  tell(draft, command, {
    kind: "product_version.created",
    key: formatId("productVersion", productVersionId),
    body: { productId: formatId("product", productId), code, version, tside, sourceSha256: sha256Hex(source) },
  });
  return undefined;
}

/** It was validated before it came here; the process that decides may still be without a sandbox. */
function load(draft: CommitDraft, source: string): Product | undefined {
  try {
    return draft.catalogue.load(source);
  } catch (fault) {
    draft.faults.push(fault);
    return undefined;
  }
}
