import type { IncomingMessage } from "node:http";

const LOOPBACK_NAMES = ["127.0.0.1", "localhost", "[::1]"];

export function isLoopbackHost(host: string): boolean {
  return host === "::1" || LOOPBACK_NAMES.includes(host);
}

/**
 * A page on the web must not drive the simulator through a visitor's browser: the Host must be this machine (a name that
 * was re-bound to it is refused) and, where the browser tells an Origin, it must be the simulator's own.
 */
export function isFromThisMachine(request: IncomingMessage): boolean {
  const host = request.headers.host ?? "";
  if (!URL.canParse(`http://${host}`) || !isLoopbackHost(new URL(`http://${host}`).hostname)) return false;
  const { origin } = request.headers;
  return origin === undefined || origin === `http://${host}`;
}
