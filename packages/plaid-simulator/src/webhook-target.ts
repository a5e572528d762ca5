import { lookup } from "node:dns/promises";
import { isIP } from "node:net";

/** Where a webhook goes: the address that was checked, and the URL whose path and Host it keeps. */
export interface WebhookTarget {
  readonly url: URL;
  readonly address: string;
  readonly family: 4 | 6;
}

/** The simulator does not send there; the message says why. */
export class TargetRefused extends Error {
  override readonly name = "TargetRefused";
}

/** All addresses of a name. */
export type ResolveName = (hostname: string) => Promise<readonly string[]>;

export const resolveName: ResolveName = async (hostname) =>
  (await lookup(hostname, { all: true })).map(({ address }) => address);

/**
 * Webhook addresses come from whoever calls the simulator, and it POSTs to them: so to this machine only. What can be said
 * without asking for the name's addresses. @throws TargetRefused
 */
export function parseTarget(target: string): URL {
  if (!URL.canParse(target))
    throw new TargetRefused("the webhook is no URL: give one such as http://127.0.0.1:4000/webhooks/plaid");
  const url = new URL(target);
  if (url.protocol !== "http:") throw new TargetRefused(`webhooks go over http on loopback, not ${url.protocol}`);
  if (url.username !== "" || url.password !== "")
    throw new TargetRefused("a webhook's URL carries no user or password");
  const host = bareHost(url);
  if (isIP(host) !== 0 && !isLoopback(host))
    throw new TargetRefused("webhooks go to loopback only (127.0.0.1, [::1], localhost)");
  return url;
}

/**
 * Resolves the name once and keeps the address, so that a name that answers differently the second time changes nothing.
 * A name with one address elsewhere is refused whole. @throws TargetRefused
 */
export async function resolveTarget(target: string, resolve: ResolveName = resolveName): Promise<WebhookTarget> {
  const url = parseTarget(target);
  const host = bareHost(url);
  const addresses = isIP(host) === 0 ? await addressesOf(host, resolve) : [host];
  const [address] = addresses;
  if (address === undefined) throw new TargetRefused(`${host} has no address`);
  if (!addresses.every(isLoopback))
    throw new TargetRefused(`${host} leads off this machine: webhooks go to loopback only`);
  return { url, address, family: isIP(address) === 6 ? 6 : 4 };
}

async function addressesOf(host: string, resolve: ResolveName): Promise<readonly string[]> {
  try {
    return await resolve(host);
  } catch {
    throw new TargetRefused(`${host} could not be resolved`);
  }
}

function bareHost({ hostname }: URL): string {
  return hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
}

/** 127.0.0.0/8 and ::1. The mapped form ::ffff:127.0.0.1 is refused: no resolver gives it for a name of this machine. */
function isLoopback(address: string): boolean {
  return address === "::1" || (isIP(address) === 4 && address.startsWith("127."));
}
