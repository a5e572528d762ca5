import { parsePageArguments, toConnection, type Connection } from "@florin/graph";
import { RequestError } from "@florin/kernel";
import type { LedgerContext, ProductRow } from "../../context.js";
import { getProduct } from "../Product.js";

const CURSOR_KIND = "products";

export const product = (_root: unknown, { id }: { readonly id: string }, context: LedgerContext) =>
  getProduct(context, id);

export async function products(
  _root: unknown,
  args: { readonly first?: number | null; readonly after?: string | null },
  context: LedgerContext,
): Promise<Connection<ProductRow>> {
  const page = parsePageArguments(args);
  const afterCode = page.after === undefined ? undefined : context.sealer.open(CURSOR_KIND, page.after);
  if (page.after !== undefined && afterCode === undefined)
    throw new RequestError("BAD_USER_INPUT", "Not a cursor of this list.", {
      fields: [{ path: "after", code: "CURSOR_FORMAT", message: "Send back a cursor exactly as it was given." }],
    });
  const rows = await context.readers.listProducts({ afterCode, limit: page.first + 1 });
  return toConnection(rows, page, (row) => context.sealer.seal(CURSOR_KIND, row.code));
}
