import type { Sql } from "./sql.js";

/** For `channel`, until `stop`; rejects when it cannot listen the first time, and never gives up later. */
export type Listen = (channel: string, onNotify: (payload: string) => void) => Promise<{ stop(): Promise<void> }>;

export interface Listener {
  readonly listen: Listen;
  stop(): Promise<void>;
}

export interface ListenerHooks {
  readonly onclose: () => void;
  readonly onnotify: (channel: string, payload: string) => void;
}

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;

/**
 * All channels of one database on one connection. When it is lost, all are listened to again, with growing pauses and without end:
 * the driver's own `listen` tries once and, when no server is there just then, hears nothing ever after.
 */
export function createListener(open: (hooks: ListenerHooks) => Sql): Listener {
  const channels = new Map<string, Set<(payload: string) => void>>();
  let connection: Sql | undefined;
  let isLost = false;
  let isRestoring = false;
  let isStopped = false;

  const connect = (): Sql =>
    (connection ??= open({
      onclose: () => {
        isLost = true;
        void restore();
      },
      onnotify: (channel, payload) => channels.get(channel)?.forEach((tell) => tell(payload)),
    }));
  const listenAll = async (sql: Sql): Promise<void> => {
    for (const channel of channels.keys()) await sql.unsafe(`listen ${quote(channel)}`);
  };
  const restore = async (): Promise<void> => {
    if (isRestoring) return;
    isRestoring = true;
    for (let pauseMs = FIRST_PAUSE_MS; isLost && !isStopped && channels.size > 0;) {
      isLost = false; // a connection that closes from here on sets it again
      const isDone = await listenAll(connect()).then(
        () => !isLost,
        () => false,
      );
      if (isDone) break;
      isLost = true;
      await new Promise((resolve) => setTimeout(resolve, pauseMs).unref());
      pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
    }
    isRestoring = false;
    if (!isStopped) for (const listeners of channels.values()) for (const tell of listeners) tell("");
  };

  return {
    listen: async (channel, onNotify) => {
      const listeners = channels.get(channel) ?? new Set();
      channels.set(channel, listeners);
      const tell = (payload: string): void => onNotify(payload); // its own, should a caller listen twice with one function
      listeners.add(tell);
      const forget = (): void => {
        listeners.delete(tell);
        if (listeners.size === 0) channels.delete(channel);
      };
      try {
        await connect().unsafe(`listen ${quote(channel)}`);
      } catch (error) {
        forget();
        throw error;
      }
      onNotify("");
      return {
        stop: () => {
          forget();
          // Not waited for: what still arrives finds no listener, and the connection may be away.
          if (!channels.has(channel)) connection?.unsafe(`unlisten ${quote(channel)}`).catch(() => undefined);
          return Promise.resolve();
        },
      };
    },
    stop: async () => {
      isStopped = true;
      await connection?.end({ timeout: 0 });
    },
  };
}

function quote(channel: string): string {
  return `"${channel.replaceAll('"', '""')}"`;
}
