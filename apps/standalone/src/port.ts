import { createServer } from "node:net";
import { StartError } from "@florin/service";

/** Asks for the port before anything slow starts, so that the commonest mistake is told at once. */
export async function assertPortIsFree(host: string, port: number): Promise<void> {
  if (port === 0) return;
  await new Promise<void>((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => reject(toStartError(error, host, port)));
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}

function toStartError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === "EADDRINUSE") {
    return new StartError(
      `Port ${port} on ${host} is taken. Stop what listens there, or choose another: PORT=${port + 1} npm start`,
    );
  }
  if (error.code === "EACCES")
    return new StartError(`Port ${port} may not be used by this user. Choose one above 1023: PORT=4000 npm start`);
  if (error.code === "EADDRNOTAVAIL")
    return new StartError(`${host} is not an address of this machine. Use HOST=127.0.0.1.`);
  return error;
}
