import type { Environment } from "./environment.js";

/** What a command may see and do of the world around it. */
export interface Terminal {
  readonly environment: Environment;
  write(text: string): void;
  writeError(text: string): void;
}
