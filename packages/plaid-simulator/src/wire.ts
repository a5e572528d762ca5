/**
 * Plaid's own types, as JSON carries them: an enum member is its string. Lets handlers be checked against the types of the
 * `plaid` package without loading that package, which the simulator needs for nothing else.
 */
export type Wire<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends Array<infer Element>
      ? Array<Wire<Element>>
      : T extends object
        ? { [Key in keyof T]: Wire<T[Key]> }
        : T;

/**
 * A value that Plaid does send and its published types do not allow: null where the generator lost "nullable", an enum
 * member that appeared after the types were made. Used by the hostile user only, so that a search finds each place.
 */
export function outsideTheTypes<T>(value: unknown): T {
  return value as T;
}
