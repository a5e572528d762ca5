export { createResponseCache, type ResponseCache, type ResponseCacheOptions } from "./response-cache.js";
