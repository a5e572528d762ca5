/** Where the server's files are, for the banner: a relocated data directory must not be a surprise. */
export interface Whereabouts {
  readonly binariesDirectory: string;
  readonly dataDirectory: string;
  readonly logFile: string;
  /** The operating-system user that runs the server. */
  readonly serverUser: string;
  /** One sentence each for what is not where it was asked to be; empty when everything is. */
  readonly notes: readonly string[];
}
