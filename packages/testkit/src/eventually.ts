/**
 * Waits until `check` gives something other than undefined or false, and returns it. A check that throws counts as not yet; its
 * error is in the message when the deadline passes.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  deadlineMs = 5_000,
): Promise<Exclude<T, false | undefined>> {
  const deadline = performance.now() + deadlineMs;
  let last = "it never held";
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    try {
      const result = await check();
      if (result !== undefined && result !== false) return result as Exclude<T, false | undefined>;
    } catch (error) {
      last = String(error);
    }
    if (performance.now() >= deadline) throw new Error(`not within ${deadlineMs} ms: ${last}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
