/** The one place of this app that reads process.env. */
export interface Environment {
  /** Where `--database-url` is not given. */
  readonly databaseUrl: string | undefined;
}

export function readEnvironment(source: NodeJS.ProcessEnv = process.env): Environment {
  const databaseUrl = source["DATABASE_URL"];
  return { databaseUrl: databaseUrl === "" ? undefined : databaseUrl };
}
