import type { PlaidSchemas } from "./plaid-schemas.js";

export interface Credentials {
  readonly clientId: string;
  readonly secret: string;
}

export interface PlaidAnswer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** One Plaid to hold to the contract. */
export interface ContractPartner {
  readonly url: string;
  readonly credentials: Credentials;
  readonly schemas: PlaidSchemas;
  /** No member beyond Plaid's types may appear. For the simulator only: Plaid itself may be newer than our types. */
  readonly isStrict: boolean;
  /** Lets time pass between two questions while something is not ready yet: the simulator's or, with Plaid, ours. */
  readonly wait: () => Promise<void>;
}

const ITEM_PRODUCTS = ["transactions", "liabilities", "investments"];
export const INSTITUTION = "ins_109508";
const READY_WITHIN_MS = 120_000;

/** The calls of one case. Every answer is held against its type before the case sees it; every Item is removed at the end. */
export class ContractConversation {
  readonly #partner: ContractPartner;
  readonly #open = new Set<string>();

  constructor(partner: ContractPartner) {
    this.#partner = partner;
  }

  /** A call that must succeed. @param type the name of plaid's response type */
  async ask(path: string, type: string, body: object): Promise<Record<string, unknown>> {
    const answer = await this.post(path, body);
    if (answer.status !== 200)
      throw new Error(`${path} answered ${answer.status} ${String(answer.body["error_code"])}`);
    this.#hold(path, type, answer.body);
    return answer.body;
  }

  /** A call that must fail, with one of these codes. @returns the error's body */
  async refused(
    path: string,
    codes: readonly string[],
    body: object,
    as?: Credentials,
  ): Promise<Record<string, unknown>> {
    const answer = await this.post(path, body, as);
    const code = String(answer.body["error_code"]);
    if (answer.status === 200) throw new Error(`${path} was to be refused with ${codes.join(" or ")} and succeeded`);
    must(codes.includes(code), `${path} is refused with ${codes.join(" or ")}, not ${code}`);
    this.#hold(path, "PlaidError", answer.body);
    must(!("status" in answer.body), `${path}: an HTTP error carries no status in its body`);
    must(typeof answer.body["request_id"] === "string", `${path}: an HTTP error carries a request_id`);
    return answer.body;
  }

  /** Any call. Nothing that is thrown carries a token or a secret: a live run's log may be shown around. */
  async post(path: string, body: object, as: Credentials = this.#partner.credentials): Promise<PlaidAnswer> {
    const headers = {
      "content-type": "application/json",
      "plaid-client-id": as.clientId,
      "plaid-secret": as.secret,
      "plaid-version": "2020-09-14",
    };
    const request = { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(60_000) };
    const response = await fetch(`${this.#partner.url}${path}`, { ...request, redirect: "manual" });
    const text = await response.text();
    return { status: response.status, body: text.startsWith("{") ? (JSON.parse(text) as PlaidAnswer["body"]) : {} };
  }

  /** A login of the well-known user, without Link. */
  async newPublicToken(): Promise<string> {
    const body = { institution_id: INSTITUTION, initial_products: ITEM_PRODUCTS };
    const made = await this.ask("/sandbox/public_token/create", "SandboxPublicTokenCreateResponse", body);
    return textOf(made, "public_token");
  }

  async newItem(): Promise<{ readonly accessToken: string; readonly itemId: string }> {
    const public_token = await this.newPublicToken();
    const made = await this.ask("/item/public_token/exchange", "ItemPublicTokenExchangeResponse", { public_token });
    const accessToken = textOf(made, "access_token");
    this.#open.add(accessToken);
    return { accessToken, itemId: textOf(made, "item_id") };
  }

  /** The Item's token was replaced: this is the one to remove it with. */
  replaced(oldToken: string, newToken: string): void {
    this.#open.delete(oldToken);
    this.#open.add(newToken);
  }

  /** Asks until the answer is there. A product that is not ready says so in an error or in its answer. */
  async askUntil(
    path: string,
    type: string,
    body: object,
    isReady: (body: Record<string, unknown>) => boolean = () => true,
  ): Promise<Record<string, unknown>> {
    const until = Date.now() + READY_WITHIN_MS;
    for (;;) {
      const answer = await this.post(path, body);
      const isWaiting = answer.body["error_code"] === "PRODUCT_NOT_READY";
      if (!isWaiting && answer.status !== 200) throw new Error(`${path}: ${String(answer.body["error_code"])}`);
      this.#hold(path, isWaiting ? "PlaidError" : type, answer.body);
      if (!isWaiting && isReady(answer.body)) return answer.body;
      if (Date.now() > until) throw new Error(`${path} was not ready within ${READY_WITHIN_MS} ms`);
      await this.#partner.wait();
    }
  }

  async end(): Promise<void> {
    for (const access_token of this.#open) await this.post("/item/remove", { access_token });
    this.#open.clear();
  }

  #hold(path: string, type: string, body: unknown): void {
    const { schemas, isStrict } = this.#partner;
    const problems = isStrict ? schemas.strictProblems(type, body) : schemas.problems(type, body);
    must(problems.length === 0, `${path}: ${JSON.stringify(problems.slice(0, 5))}`);
  }
}

/** Assertions here name what differs and never show a body: there are tokens in it. */
export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`the contract does not hold: ${what}`);
}

export function textOf(body: Record<string, unknown>, member: string): string {
  const value = body[member];
  must(typeof value === "string", `${member} is a text`);
  return value;
}

export function listOf(body: Record<string, unknown>, member: string): Record<string, unknown>[] {
  const value = body[member];
  must(Array.isArray(value), `${member} is a list`);
  return value as Record<string, unknown>[];
}

export function objectOf(body: Record<string, unknown>, member: string): Record<string, unknown> {
  const value = body[member];
  must(typeof value === "object" && value !== null && !Array.isArray(value), `${member} is an object`);
  return value as Record<string, unknown>;
}
