import { existsSync } from "node:fs";

const LIBRARIES = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
  "/usr/lib64/faketime/libfaketime.so.1",
];

/**
 * The environment in which a process's wall clock is off (`+300s`, `-5m`) and its monotonic clock is right, as in life. Undefined where
 * libfaketime (Debian: package faketime) is not installed.
 */
export function clockSkew(offset: `${"+" | "-"}${number}${"s" | "m" | "h"}`): Record<string, string> | undefined {
  const library = LIBRARIES.find((path) => existsSync(path));
  if (library === undefined) return undefined;
  return { LD_PRELOAD: library, FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: "1" };
}
