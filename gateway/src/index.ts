export { assertOperation, checkOperation, type OperationToCheck } from "./check-operation.js";
export { buildSnapshot, executeOperation, FlorinGateway, type Snapshot } from "./florin-gateway.js";
export { formatErrors } from "./format-error.js";
export { createLiveDoor, type LiveDoorOptions } from "./live-door.js";
export type { ExchangedKey } from "./identify-caller.js";
export { createRequestContext, type GatewayContext } from "./request-context.js";
export { startGateway, type GatewayOptions, type LiveQueriesDoor, type RunningGateway } from "./start-gateway.js";
export { createSubgraphDataSource } from "./subgraph-data-source.js";
export { readSupergraph } from "./supergraph-file.js";
