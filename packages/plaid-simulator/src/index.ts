export { startPlaidSimulator } from "./start-simulator.js";
export type { PlaidSimulator, SimulatorOptions } from "./start-simulator.js";
export type { SimulatorControl } from "./control-plane.js";
export type { RecordedCall } from "./call-ledger.js";
export type { WebhookAttempt } from "./webhook-delivery.js";
