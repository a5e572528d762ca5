export * from "./subgraph.js";
