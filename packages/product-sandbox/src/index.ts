export * from "./budget.js";
export { SandboxLimitError } from "./guest.js";
export * from "./open-sandbox.js";
export * from "./product-problem.js";
export type { UploadedProduct } from "./uploaded-product.js";
