import { pino, type DestinationStream, type Logger as PinoLogger } from "pino";
import { currentCorrelationId } from "./correlation.js";
import { maskSecrets, redactFields } from "./redaction.js";

export const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Fields first, then a constant sentence, so that lines can be counted by sentence. An error goes into the field `err`. */
export interface LogMethod {
  (fields: object, message: string): void;
  (message: string): void;
}

/** Structured log. The narrow part of pino that we use: no interpolation of values into messages, where names cannot protect them. */
export interface Logger {
  readonly fatal: LogMethod;
  readonly error: LogMethod;
  readonly warn: LogMethod;
  readonly info: LogMethod;
  readonly debug: LogMethod;
  /** A logger whose lines all carry these fields. */
  child(fields: object): Logger;
}

export interface LoggerOptions {
  /** The process: `standalone`, `gateway`, `ledger`. Field `service` of each line. */
  readonly name: string;
  readonly level: LogLevel;
  /** Takes finished lines; default is standard output, written at once so that no line is lost in a crash. */
  readonly destination?: { write(line: string): void };
}

/** One JSON object per line: level, time (RFC 3339), service, correlationId, msg and the fields, without secrets. */
export function createLogger(options: LoggerOptions): Logger {
  const destination: DestinationStream = options.destination ?? pino.destination({ dest: 1, sync: true });
  const lines = pino(
    {
      level: options.level,
      base: { service: options.name },
      timestamp: pino.stdTimeFunctions.isoTime,
      // What a line says about itself wins over the ambient id.
      mixin: () => {
        const correlationId = currentCorrelationId();
        return correlationId === undefined ? {} : { correlationId };
      },
      formatters: { level: (label) => ({ level: label }), log: redactFields },
      // `redactFields` has made errors readable already; pino's own serializer would look for an Error.
      serializers: { err: (error: unknown) => error },
      hooks: { streamWrite: maskSecrets },
    },
    destination,
  );
  return narrow(lines);
}

function narrow(lines: PinoLogger): Logger {
  const method =
    (level: "fatal" | "error" | "warn" | "info" | "debug"): LogMethod =>
    (first: object | string, message?: string) => {
      if (typeof first === "string") lines[level](first);
      else lines[level](first, message);
    };
  return {
    fatal: method("fatal"),
    error: method("error"),
    warn: method("warn"),
    info: method("info"),
    debug: method("debug"),
    // pino does not run `formatters.log` on the fields of a child.
    child: (fields) => narrow(lines.child(redactFields(fields))),
  };
}
