import { createServer } from "node:net";

/**
 * A port that nobody listens on now, from below the range that the system gives to outgoing connections: a process that is restarted
 * must get its own port again, and no client's connection may sit on it meanwhile.
 */
export async function findFreePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (await isFree(port)) return port;
  }
  throw new Error("no free port between 12000 and 32000 in 200 attempts; is something holding them all?");
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
