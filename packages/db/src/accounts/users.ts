import { formatInstant, type Instant, type Uuid } from "@florin/kernel";
import type { Sql, Transaction } from "../connect-database.js";

export type StoredRole = "CUSTOMER" | "MERCHANT" | "STAFF" | "AUDITOR";

export interface UserRecord {
  readonly userId: Uuid;
  /** Normalised: lower case. */
  readonly email: string | null;
  /** E.164. */
  readonly phone: string | null;
  readonly fullName: string;
  readonly country: string;
  readonly passwordHash: string;
  readonly roles: readonly StoredRole[];
  readonly status: "ACTIVE" | "SUSPENDED";
  readonly createdAt: Instant;
}

export type NewUser = Omit<UserRecord, "status">;

const columns = (sql: Sql | Transaction) => sql`
  user_id as "userId", email, phone, full_name as "fullName", country, password_hash as "passwordHash",
  roles, status, created_at as "createdAt"`;

/** false when the email or the phone belongs to somebody; waits for a registration of the same that is under way. */
export async function insertUser(tx: Transaction, user: NewUser): Promise<boolean> {
  const rows = await tx`
    insert into accounts.app_user (user_id, email, phone, full_name, country, password_hash, roles, created_at)
    values (${user.userId}, ${user.email}, ${user.phone}, ${user.fullName}, ${user.country}, ${user.passwordHash},
      ${[...user.roles]}::text[], ${formatInstant(user.createdAt)})
    on conflict do nothing
    returning user_id`;
  return rows.length === 1;
}

/** By normalised email or E.164 phone. */
export async function findUserByIdentifier(sql: Sql, identifier: string): Promise<UserRecord | undefined> {
  const [user] = await sql<UserRecord[]>`
    select ${columns(sql)} from accounts.app_user where email = ${identifier} or phone = ${identifier}`;
  return user;
}

export async function listUsersByIds(sql: Sql | Transaction, userIds: readonly Uuid[]): Promise<UserRecord[]> {
  return sql<UserRecord[]>`
    select ${columns(sql)} from accounts.app_user
    where user_id = any(${[...userIds]}::uuid[])`;
}

/** After the parameters of the hash were raised: the password is the same, its hash is dearer to guess at. */
export async function updatePasswordHash(sql: Sql, userId: Uuid, previous: string, next: string): Promise<void> {
  await sql`update accounts.app_user set password_hash = ${next} where user_id = ${userId} and password_hash = ${previous}`;
}
