import type { Sql } from "../connect-database.js";

/** How linking stands as a whole, for operators: counts, never whose. */
export interface LinkedReport {
  readonly items: readonly { readonly status: string; readonly count: number }[];
  readonly products: readonly { readonly product: string; readonly status: string; readonly count: number }[];
  /** By the key that wraps their data key. */
  readonly tokens: readonly { readonly kekId: string; readonly count: number }[];
  readonly jobsWaiting: number;
  readonly webhooksWaiting: number;
  /** Of the last hour. */
  readonly calls: readonly { readonly outcome: string; readonly errorCode: string | null; readonly count: number }[];
}

export async function readLinkedReport(sql: Sql): Promise<LinkedReport> {
  const [items, products, tokens, waiting, calls] = await Promise.all([
    sql<{ status: string; count: number }[]>`
      select status, count(*)::int as count from accounts.linked_item group by status order by count(*) desc, status`,
    sql<{ product: string; status: string; count: number }[]>`
      select product, p.status, count(*)::int as count
      from accounts.linked_product p join accounts.linked_item i using (item_id) where i.removed_at is null
      group by product, p.status order by product, p.status`,
    sql<{ kekId: string; count: number }[]>`
      select kek_id as "kekId", count(*)::int as count from accounts.linked_item_token group by kek_id order by kek_id`,
    sql<{ jobs: number; webhooks: number }[]>`
      select (select count(*)::int from accounts.linked_job where requested > done) as jobs,
        (select count(*)::int from accounts.plaid_webhook where processed_at is null) as webhooks`,
    sql<{ outcome: string; errorCode: string | null; count: number }[]>`
      select outcome, error_code as "errorCode", count(*)::int as count
      from accounts.plaid_call where at > now() - interval '1 hour'
      group by outcome, error_code order by count(*) desc, outcome limit 20`,
  ]);
  return {
    items,
    products,
    tokens,
    jobsWaiting: waiting[0]?.jobs ?? 0,
    webhooksWaiting: waiting[0]?.webhooks ?? 0,
    calls,
  };
}
