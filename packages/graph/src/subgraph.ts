/**
 * A subgraph as the gateway sees it: a function from a request to a response. In one process it is called; in many it is
 * reached over HTTP by a client with this same shape. Either way the headers below travel and are verified by the subgraph
 * itself: the gateway's word is never enough.
 */
export interface SubgraphHeaders {
  /** `Bearer <service token>`, audience = the subgraph's name. Without it nothing is answered, `_service` included. */
  readonly authorization: string;
  /** The caller's own access token; absent when nobody is signed in. */
  readonly "x-florin-viewer"?: string | undefined;
  readonly "x-correlation-id": string;
  readonly "x-consistency-token"?: string | undefined;
  /** `primary`: a mutation of the same operation came before, so no replica may answer. */
  readonly "x-florin-read"?: string | undefined;
  /** Milliseconds that are left of the client's budget. */
  readonly "x-deadline-ms"?: string | undefined;
  /** For rate limits of log-ins; set by the gateway, never taken from a client's header. */
  readonly "x-client-address"?: string | undefined;
}

export interface SubgraphRequest {
  readonly query: string;
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  readonly operationName?: string | undefined;
  readonly headers: SubgraphHeaders;
}

export interface SubgraphErrorJson {
  readonly message: string;
  readonly path?: readonly (string | number)[] | undefined;
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
}

/** What a subgraph tells the gateway beside the data; Apollo's executor would drop it, our data source carries it up. */
export interface FlorinExtensions {
  readonly idempotencyReplayed?: boolean;
  /** {area: outbox position} that a later read may ask to be reached; sealed by the gateway into one token. */
  readonly written?: Readonly<Record<string, string>>;
}

export interface SubgraphResponse {
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly SubgraphErrorJson[];
  readonly extensions?: { readonly florin?: FlorinExtensions };
}

export interface Subgraph {
  readonly name: string;
  execute(request: SubgraphRequest): Promise<SubgraphResponse>;
}
