/** Ends a command with one line on standard error. Exit code 1: it could not be done; 2: it was asked for wrongly. */
export class CommandFailure extends Error {
  override readonly name = "CommandFailure";
  readonly exitCode: 1 | 2;

  constructor(exitCode: 1 | 2, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

export function misuse(message: string): CommandFailure {
  return new CommandFailure(2, message);
}
