import { testConcurrentTransfers } from "./suites/concurrent-transfers.js";

testConcurrentTransfers();
