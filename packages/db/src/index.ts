export {
  connectDatabase,
  type Database,
  type DatabaseOptions,
  type JsonValue,
  type Sql,
  type Transaction,
} from "./connect-database.js";
export { migrate } from "./migrate.js";
