import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { noFaults, ProxyPipe, type Cut, type DirectionFaults } from "./proxy-pipe.js";

/**
 * A TCP proxy that stands between two real processes and does to their connections what networks do. Faults may change while it runs and
 * hold for connections that are open already. Nothing here knows a protocol: a pattern of bytes is enough to cut a connection between
 * a server's commit and the client's knowledge of it.
 */
export type Direction = "toServer" | "toClient";

export interface TcpProxy {
  readonly host: string;
  readonly port: number;
  /** Open connections from clients. */
  readonly connections: number;
  /** The same address, through the proxy: scheme, user, path and the rest stay. */
  url(target: string): string;
  /** Every piece of bytes arrives so much later, plus up to `jitterMs`; the order stays. */
  latency(ms: number, jitterMs?: number, direction?: Direction): void;
  bandwidth(bytesPerSecond: number, direction?: Direction): void;
  /** Bytes arrive in pieces of at most so many. */
  slice(bytes: number, direction?: Direction): void;
  /** Connections are taken and nothing passes in either direction. Healed, what was held goes on. */
  blackHole(): void;
  /** One direction falls silent, the other goes on. */
  halfOpen(silent?: Direction): void;
  /** RST to everybody now. Connections made after this are as good as any. */
  reset(): void;
  /** Each connection is reset after so many more bytes. */
  limitBytes(bytes: number, direction?: Direction): void;
  /**
   * Cuts the connection where the pattern is completed for the nth time (over all connections, from now), once.
   * With `forward: false` the receiver never gets the whole pattern; with `forward: true` it gets exactly up to its end.
   */
  cutAfter(pattern: Buffer | string, options?: CutOptions): ArmedCut;
  /** No fault any more; held bytes go on. */
  heal(): void;
  stop(): Promise<void>;
}

export interface CutOptions {
  /** Default: toClient, what the server says. */
  readonly direction?: Direction;
  /** Default: false. */
  readonly forward?: boolean;
  /** Counted from 1, the default. */
  readonly nth?: number;
}

export interface ArmedCut {
  /** When the cut was made. */
  readonly fired: Promise<void>;
  readonly hasFired: boolean;
}

/**
 * What PostgreSQL says when a transaction is committed: CommandComplete "COMMIT". Cut before it is forwarded, the transaction is
 * there and the client cannot know: commit-unknown, every time.
 */
export const COMMIT_COMPLETE = Buffer.from("C\0\0\0\x0bCOMMIT\0", "latin1");

const DIRECTIONS: readonly Direction[] = ["toServer", "toClient"];

interface ProxiedConnection {
  readonly client: Socket;
  readonly server: Socket;
  readonly pipes: readonly ProxyPipe[];
}

export async function startTcpProxy(options: {
  readonly target: { readonly host: string; readonly port: number };
  /** For jitter: give a seeded one where a run must repeat. */
  readonly random?: () => number;
}): Promise<TcpProxy> {
  const faults: Record<Direction, DirectionFaults> = { toServer: noFaults(), toClient: noFaults() };
  const open = new Set<ProxiedConnection>();
  const random = options.random ?? Math.random;
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => accept(client));
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(0, "127.0.0.1", resolve);
  });
  const { port } = listener.address() as AddressInfo;

  return {
    host: "127.0.0.1",
    port,
    get connections() {
      return open.size;
    },
    url: (target) => {
      const url = new URL(target);
      url.hostname = "127.0.0.1";
      url.port = String(port);
      return url.href;
    },
    latency: (latencyMs, jitterMs = 0, direction) => change({ latencyMs, jitterMs }, direction),
    bandwidth: (bytesPerSecond, direction) => change({ bytesPerSecond }, direction),
    slice: (sliceBytes, direction) => change({ sliceBytes }, direction),
    blackHole: () => change({ isSilent: true }),
    halfOpen: (silent = "toClient") => change({ isSilent: true }, silent),
    reset: () => [...open].forEach((connection) => destroy(connection, "reset")),
    limitBytes: (bytes, direction) => change({ limit: { bytes } }, direction),
    cutAfter: (pattern, cutOptions = {}) => armCut(pattern, cutOptions),
    heal: () => {
      for (const direction of DIRECTIONS) faults[direction] = noFaults();
      wake();
    },
    stop: async () => {
      const closed = new Promise((resolve) => listener.close(resolve));
      for (const connection of [...open]) destroy(connection, "reset");
      await closed;
    },
  };

  function change(next: Partial<DirectionFaults>, direction?: Direction): void {
    for (const each of direction === undefined ? DIRECTIONS : [direction]) Object.assign(faults[each], next);
    wake();
  }

  function wake(): void {
    for (const connection of [...open]) {
      tellOfDeath(connection);
      for (const pipe of connection.pipes) pipe.wake();
    }
  }

  function armCut(
    pattern: Buffer | string,
    { direction = "toClient", forward = false, nth = 1 }: CutOptions,
  ): ArmedCut {
    let hasFired = false;
    const fired = new Promise<void>((resolve) => {
      const cut: Cut = {
        pattern,
        forward,
        nth,
        seen: 0,
        fired: () => {
          hasFired = true;
          resolve();
        },
      };
      change({ cut }, direction);
    });
    return {
      fired,
      get hasFired() {
        return hasFired;
      },
    };
  }

  function accept(client: Socket): void {
    const server = connect({ ...options.target, allowHalfOpen: true, noDelay: true });
    const pipe = (direction: Direction, source: Socket, destination: Socket) =>
      new ProxyPipe(
        { source, destination, destroyBoth: (how) => destroy(connection, how) },
        () => faults[direction],
        random,
      );
    const pipes = [pipe("toServer", client, server), pipe("toClient", server, client)];
    const connection: ProxiedConnection = { client, server, pipes };
    open.add(connection);
    for (const socket of [client, server]) {
      socket.on("error", () => undefined); // told by "close"
      socket.on("close", (hadError) => {
        if (hadError) tellOfDeath(connection);
        if (client.destroyed && server.destroyed) open.delete(connection);
      });
    }
  }

  /** Whichever side breaks, breaks for both; but a silent direction does not carry that news before it is healed. */
  function tellOfDeath(connection: ProxiedConnection): void {
    const { client, server } = connection;
    if (client.destroyed && client.errored !== null && !faults.toServer.isSilent) destroy(connection, "reset");
    if (server.destroyed && server.errored !== null && !faults.toClient.isSilent) destroy(connection, "reset");
  }

  function destroy({ client, server, pipes }: ProxiedConnection, how: "reset" | "after-flush"): void {
    for (const pipe of pipes) pipe.close();
    for (const socket of [client, server]) {
      if (how === "after-flush") socket.destroySoon();
      else if (!socket.destroyed) socket.resetAndDestroy();
    }
  }
}
