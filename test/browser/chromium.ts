import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext } from "playwright-core";

/**
 * A real browser: Debian's Chromium, or the one that CHROMIUM names. Nothing is downloaded. Without one the browser suites say so and are
 * left out; with CI=true that is a failure.
 */
const places = [process.env["CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export const chromiumPath = places.find(
  (path): path is string => path !== undefined && path !== "" && existsSync(path),
);

export interface TestBrowser {
  readonly context: BrowserContext;
  stop(): Promise<void>;
}

export async function startBrowser(): Promise<TestBrowser> {
  if (chromiumPath === undefined)
    throw new Error("There is no Chromium. Install one (Debian: apt-get install chromium), or name it in CHROMIUM.");
  const profile = await mkdtemp(join(tmpdir(), "florin-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath,
    headless: true,
    timeout: 30_000,
    // As root in a container there is no sandbox to enter; a test talks to its own machine and to nobody else.
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  return {
    context,
    stop: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}
