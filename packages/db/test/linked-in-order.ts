import type { Transaction } from "@florin/db";

/** Linked accounts by hand: a login that works, with an account and a transaction, and one that was removed and purged. */
export async function writeLinkedInOrder(tx: Transaction): Promise<void> {
  await tx.unsafe(LINKED);
}

const ITEM = "01900000-0000-7000-8000-000000000a01";
const PURGED = "01900000-0000-7000-8000-000000000a02";
const ACCOUNT = "01900000-0000-7000-8000-000000000a11";
/** Of the books in order. */
const PERSON = "01900000-0000-7000-8000-000000000001";
const OTHER = "01900000-0000-7000-8000-000000000a22";

const item = (id: string, columns: string, values: string): string => `
  insert into accounts.linked_item (item_id, user_id, plaid_item_digest, environment, status_since, created_at, ${columns})
    values ('${id}', '${PERSON}', sha256('${id}'), 'simulator', now(), now(), ${values});`;

const LINKED = `
  ${item(ITEM, "status, plaid_item_id", "'HEALTHY', 'plaid-item'")}
  ${item(PURGED, "status, removed_at, purged_at", "'REMOVED', now(), now()")}
  insert into accounts.linked_item_token (item_id, ciphertext, nonce, wrapped_dek, kek_id, alg_version, created_at)
    values ('${ITEM}', '\\x00', decode(repeat('00', 12), 'hex'), '\\x00', 'kek', 1, now());
  insert into accounts.linked_item_removal (item_id, requested_by, reason, requested_at, remote_outcome, remote_at, purged_at,
      purged_rows, proof_digest)
    values ('${PURGED}', 'usr_x', 'REQUESTED', now(), 'REMOVED', now(), now(), '{}', sha256('proof'));
  insert into accounts.linked_account (linked_account_id, item_id, user_id, plaid_account_id, name, type, balance_as_of,
      balance_source, first_seen_at)
    values ('${ACCOUNT}', '${ITEM}', '${PERSON}', 'plaid-account', 'Checking', 'depository', now(), 'CACHED', now());
  insert into accounts.linked_transaction (linked_transaction_id, item_id, linked_account_id, plaid_transaction_id, amount, name,
      is_pending, date, first_seen_at, changed_at)
    values (gen_random_uuid(), '${ITEM}', '${ACCOUNT}', 'plaid-transaction', 12.5, 'Coffee', false, '2026-01-01', now(), now());
  insert into accounts.link_attempt (attempt_id, user_id, status, result_item_id, created_at, finished_at)
    values (gen_random_uuid(), '${PERSON}', 'LINKED', '${ITEM}', now(), now());`;

/** The negative control of each rule that looks at linked accounts. */
export const linkedDamages: readonly (readonly [sentence: string, damage: string])[] = [
  ["a linked account and its transactions", `update accounts.linked_account set user_id = '${OTHER}'`],
  ["a linked account and its transactions", `update accounts.linked_transaction set item_id = '${PURGED}'`],
  ["a linked item that works has its token", "delete from accounts.linked_item_token"],
  [
    "a linked item is removed and purged as its removal says",
    `delete from accounts.linked_item_removal where item_id = '${PURGED}'`,
  ],
  [
    "a linked item is removed and purged as its removal says",
    `update accounts.linked_item set purged_at = null where item_id = '${PURGED}'`,
  ],
  [
    "a linked item is removed and purged as its removal says",
    `update accounts.linked_item set status = 'REMOVED', removed_at = now() where item_id = '${ITEM}'`,
  ],
  ["nothing is kept of a linked item that was purged", `update accounts.linked_account set item_id = '${PURGED}'`],
  ["nothing is kept of a linked item that was purged", `update accounts.linked_item_token set item_id = '${PURGED}'`],
  ["a visit to Link made an item of its own person", `update accounts.link_attempt set user_id = '${OTHER}'`],
  ["a visit to Link made an item of its own person", "update accounts.link_attempt set result_item_id = null"],
];
