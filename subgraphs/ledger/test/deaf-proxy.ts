import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/**
 * Stands between a process and PostgreSQL, and can lose the answer to a COMMIT: the server has committed, the client never hears.
 */
export interface DeafProxy {
  /** The database's URL by way of the proxy. */
  readonly url: string;
  /** Loses the answers to the next COMMITs, and with each its connection. */
  loseCommitAnswers(count: number): void;
  lost(): number;
  stop(): Promise<void>;
}

export async function startDeafProxy(databaseUrl: string): Promise<DeafProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let toLose = 0;
  let lost = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (bytes: Buffer) => void upstream.write(bytes));
    upstream.on("data", (bytes: Buffer) => {
      // The command tag: by now the commit is done.
      if (toLose === 0 || !bytes.toString("latin1").includes("COMMIT\0")) return void client.write(bytes);
      toLose--;
      lost++;
      client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = new URL(databaseUrl);
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    loseCommitAnswers: (count) => {
      toLose = count;
    },
    lost: () => lost,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
