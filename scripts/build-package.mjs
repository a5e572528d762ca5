// Builds one package: src/**/*.ts -> dist/**/*.js, one file to one file, types stripped by swc.
//
// Types are checked by `npm run typecheck` over the whole repository at once; a build that only strips them takes
// milliseconds a package, so `npm start` stays fast on a cold machine. Turbo decides whether a package needs it at all.
import { transform } from "@swc/core";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

const packageDir = process.cwd();
const sourceDir = join(packageDir, "src");
const outputDir = join(packageDir, "dist");

const entries = await readdir(sourceDir, { recursive: true, withFileTypes: true });
const sources = entries
  .filter((entry) => entry.isFile() && entry.name.endsWith(".ts") && !entry.name.endsWith(".test.ts"))
  .map((entry) => relative(sourceDir, join(entry.parentPath ?? entry.path, entry.name)));

await rm(outputDir, { recursive: true, force: true });
await Promise.all(
  sources.map(async (source) => {
    const text = await readFile(join(sourceDir, source), "utf8");
    const { code, map } = await transform(text, {
      filename: join(sourceDir, source),
      sourceMaps: true,
      jsc: { target: "es2022", parser: { syntax: "typescript" } },
      module: { type: "nodenext" },
    });
    const output = join(outputDir, source.replace(/\.ts$/, ".js"));
    await mkdir(dirname(output), { recursive: true });
    await writeFile(output, `${code}\n//# sourceMappingURL=${source.split("/").at(-1).replace(/\.ts$/, ".js.map")}\n`);
    await writeFile(`${output}.map`, map);
  }),
);
