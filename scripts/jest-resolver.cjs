// Our sources import each other as "./x.js", as Node will see them; the file on disk is "./x.ts".
// Only relative imports from our own folders are mapped: inside node_modules "./x.js" means "./x.js".
const { existsSync } = require("node:fs");
const { resolve } = require("node:path");

module.exports = (request, options) => {
  if (request.startsWith(".") && request.endsWith(".js") && !options.basedir.includes("node_modules")) {
    const source = resolve(options.basedir, request.replace(/\.js$/, ".ts"));
    if (existsSync(source)) return source;
  }
  return options.defaultResolver(request, options);
};
