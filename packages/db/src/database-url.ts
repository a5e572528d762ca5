export interface DatabaseHost {
  readonly host: string;
  readonly port: number;
}

/** `postgres://user:password@h1:5432,h2:5432/database`: one login and one database on one or more hosts. */
export interface DatabaseUrl {
  readonly hosts: readonly DatabaseHost[];
  /** The same URL with this host alone. */
  urlOf(host: DatabaseHost): string;
}

const PARTS = /^(postgres(?:ql)?:\/\/(?:[^@/]*@)?)([^/?#]+)(.*)$/;
const DEFAULT_PORT = 5432;

/** Throws when it is no PostgreSQL URL; the message never holds the URL, which holds a password. */
export function parseDatabaseUrl(url: string): DatabaseUrl {
  const [, login, list, rest] = PARTS.exec(url) ?? [];
  if (login === undefined || list === undefined || rest === undefined) throw wrongUrl();
  const urlOf = ({ host, port }: DatabaseHost): string => `${login}${host}:${port}${rest}`;
  const hosts = list.split(",").map((one) => parseHost(login, one));
  if (!hosts.every((host) => URL.canParse(urlOf(host)))) throw wrongUrl();
  return { hosts, urlOf };
}

function parseHost(login: string, text: string): DatabaseHost {
  const one = `${login}${text}/`;
  if (!URL.canParse(one)) throw wrongUrl();
  const { hostname, port } = new URL(one);
  if (hostname === "") throw wrongUrl();
  return { host: hostname, port: Number(port || DEFAULT_PORT) };
}

function wrongUrl(): Error {
  return new Error(
    "The database URL must look like postgres://user:password@host:5432/database, with commas between several hosts.",
  );
}
