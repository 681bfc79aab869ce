/**
 * Shapes of foreign JSON as short texts, read by one function: less code to send than a check per field.
 *
 * `"title subtitle? w#? actions:action* values{}?"`: a text that is not empty; `?` may be absent (or null, or of another
 * kind: it is left out); `#` a finite number; `!` a flag; `~` a text that may be empty; `{}` an object; `@` anything;
 * `:name*` a list of shape `name`, from which whatever does not fit is left out.
 */
export type Fields = Record<string, unknown>;

export const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
/** A text that is not empty, or undefined. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

const PART = /^(\w+)(?::(\w+)\*|([#!~@]|\{\}))?(\?)?$/;

/**
 * The fields of `shape`, or undefined if one that must be there is not. `item` reads the entries of a list by the name of
 * their shape.
 */
export function fit(
  data: Fields,
  shape: string,
  item?: (entry: unknown, shape: string) => unknown,
): Fields | undefined {
  const found: Fields = {};
  for (const part of shape.split(" ")) {
    const [, name = "", list, kind, optional] = PART.exec(part) ?? [];
    let value = data[name];
    if (list) {
      value = Array.isArray(value)
        ? value.map((entry) => item?.(entry, list)).filter((entry) => entry !== undefined)
        : optional
          ? undefined
          : [];
    } else if (
      kind === "#"
        ? !Number.isFinite(value)
        : kind === "!"
          ? typeof value !== "boolean"
          : kind === "~"
            ? typeof value !== "string"
            : kind === "{}"
              ? !isObject(value)
              : !kind && !textOf(value)
    )
      value = undefined;
    if (value !== undefined) found[name] = value;
    else if (!optional && name) return undefined;
  }
  return found;
}
