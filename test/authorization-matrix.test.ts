import { testAuthorizationMatrix } from "./suites/authorization-matrix.js";

testAuthorizationMatrix();
