export * from "./live-queries.js";
