import type { IncomingMessage, ServerResponse } from "node:http";
import type { SimulatorWorld } from "./world.js";
export async function answerLinkPage(
  _world: SimulatorWorld,
  _request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.writeHead(404).end();
}
