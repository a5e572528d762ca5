import type { Bus, EventStream } from "@florin/events";
import type { EmissionQueue } from "./emission-queue.js";
import { EventFeed } from "./event-feed.js";
import { readHead } from "./execution-group.js";
import { LiveQueryError, unavailable } from "./live-error.js";
import type { LiveCaller, LiveExecutor, LiveOperation } from "./live-execution.js";
import { readOperationStatus } from "./visible-objects.js";

/**
 * `operationUpdated`: the present state, then the terminal one, then the end.
 *
 * The feed starts before the state is read, so the end cannot be missed between the two; it may be seen twice, when it comes
 * while the first emission is being fetched.
 */
export interface OperationFollowerOptions {
  readonly id: string;
  readonly operation: LiveOperation;
  readonly caller: LiveCaller;
  readonly bus: Pick<Bus, "tap">;
  readonly stream: EventStream;
  readonly executor: LiveExecutor;
  readonly bufferLimit: number;
}

const terminalStates: readonly string[] = ["COMPLETED", "REJECTED"];
const terminalEvents: readonly string[] = ["operation.completed", "operation.rejected"];

export class OperationFollower {
  readonly #options: OperationFollowerOptions;
  readonly #feed: EventFeed;

  constructor(options: OperationFollowerOptions) {
    const { bus, stream, id, bufferLimit } = options;
    this.#options = options;
    const wants = (event: { key: string; type: string }): boolean =>
      event.key === id && terminalEvents.includes(event.type);
    this.#feed = new EventFeed({ bus, stream, bufferLimit, wants });
  }

  /** The present status. Throws NOT_FOUND for an operation that the viewer may not see. */
  async open(): Promise<string> {
    const { stream, executor, operation, caller, id } = this.#options;
    this.#feed.startAfter(await readHead(stream));
    return readOperationStatus(executor, operation.snapshot, caller, id);
  }

  /** Feeds the queue until the operation has ended; ends or fails the queue. */
  async follow(status: string, queue: EmissionQueue): Promise<void> {
    try {
      await this.#emit(queue);
      if (!terminalStates.includes(status) && (await this.#feed.next()) !== undefined) await this.#emit(queue);
      queue.end();
    } catch (error) {
      queue.fail(error instanceof LiveQueryError ? error : unavailable());
    }
  }

  stop(): void {
    this.#feed.stop();
  }

  async #emit(queue: EmissionQueue): Promise<void> {
    const { executor, operation, caller, id } = this.#options;
    const root = { operationUpdated: { __typename: "Operation", id } };
    const result = await executor.runPatiently(operation, root, () => (queue.isClosed ? undefined : caller));
    if (result === undefined) throw unavailable();
    queue.push({ key: id, cursor: undefined, result });
  }
}
