export { checkBooks } from "./invariants.js";
export { createTestDatabase, type TestDatabase } from "./test-database.js";
export { eventually } from "./eventually.js";
