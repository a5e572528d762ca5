export * from "./canonical-json.js";
export * from "./chain.js";
export * from "./free-text.js";
export * from "./merkle.js";
export * from "./record.js";
