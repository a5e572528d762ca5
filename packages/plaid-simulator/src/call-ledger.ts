/**
 * What was asked of the simulator, call by call, so that a test can prove "exactly one /item/remove", "no paid balance call",
 * "no secret in an address" after the fact. Ids stand here, never tokens: the ledger is read by anyone on the control plane.
 */
export interface RecordedCall {
  /** The path asked for, without its query (`/item/get`). */
  readonly endpoint: string;
  /** The Item whose token was sent, or null when the call names none or an unknown one. */
  readonly itemId: string | null;
  /** When the call arrived, in the simulator's time (ISO 8601). */
  readonly at: string;
  readonly credentialsOk: boolean;
  /** The HTTP status sent, or null when the connection ended without an answer (a fault, or the caller left). */
  readonly status: number | null;
  /** Plaid's error_code, or null when the answer was no error of Plaid's. */
  readonly errorCode: string | null;
  /** The request_id in the answer, or null when none was sent. */
  readonly requestId: string | null;
  /** A token, or the client's secret, stood in the address: where proxies and access logs would keep it. */
  readonly tokenInUrl: boolean;
  /** The kind of fault that met this call (`reset`, `truncate`, …), or null. */
  readonly fault: string | null;
}

/** Which calls to list: all of the members given must agree. */
export interface CallFilter {
  readonly endpoint?: string;
  readonly itemId?: string;
  readonly status?: number;
  readonly errorCode?: string;
}

const TOKEN = /(?:access|public|link)-(?:sandbox|production)-[0-9a-f-]{36}/i;

/** True when the address (path and query, percent-encoded or not) carries a Plaid token or one of the secrets given. */
export function urlCarriesSecret(url: string, secrets: readonly string[]): boolean {
  const spellings = [url, decoded(url)];
  return spellings.some((text) => TOKEN.test(text) || secrets.some((secret) => secret !== "" && text.includes(secret)));
}

function decoded(url: string): string {
  try {
    return decodeURIComponent(url);
  } catch {
    return url; // a stray percent sign: there is nothing more to decode
  }
}

/** A ring of the last calls. What falls out is counted, so that a test cannot mistake a full ring for a quiet service. */
export class CallLedger {
  readonly #capacity: number;
  #calls: RecordedCall[] = [];
  #forgotten = 0;

  /** @param capacity how many calls are kept; the oldest go first */
  constructor(capacity = 50_000) {
    this.#capacity = capacity;
  }

  record(call: RecordedCall): void {
    this.#calls.push(call);
    // Cut in steps of an eighth: shifting a long array at every call would cost more than the calls do.
    const slack = Math.max(1, this.#capacity >> 3);
    if (this.#calls.length < this.#capacity + slack) return;
    this.#forgotten += this.#calls.length - this.#capacity;
    this.#calls = this.#calls.slice(-this.#capacity);
  }

  /** The calls that agree with the filter, oldest first. */
  list(filter: CallFilter = {}): RecordedCall[] {
    const { endpoint, itemId, status, errorCode } = filter;
    return this.#calls
      .slice(-this.#capacity)
      .filter(
        (call) =>
          (endpoint === undefined || call.endpoint === endpoint) &&
          (itemId === undefined || call.itemId === itemId) &&
          (status === undefined || call.status === status) &&
          (errorCode === undefined || call.errorCode === errorCode),
      );
  }

  /** How many calls fell out of the ring since it was last cleared. */
  get forgotten(): number {
    return this.#forgotten + Math.max(0, this.#calls.length - this.#capacity);
  }

  clear(): void {
    this.#calls = [];
    this.#forgotten = 0;
  }
}
