export * from "./viewer.js";
