// From a JSON schema to a Markdown table of settings, as `deno fmt` would write it. Pure.

/** What a table needs of a JSON schema. */
export interface Schema {
  type?: string | string[];
  description?: string;
  default?: unknown;
  const?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  properties?: { [name: string]: Schema };
  additionalProperties?: Schema | boolean;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
}

/** The table of a plugin's settings: dotted name, values, default, meaning. */
export function settingsTable(schema: unknown): string {
  const rows = settings(schema as Schema, "");
  if (rows.length === 0) return "This plugin has no settings.";
  return table([["Setting", "Values", "Default", "Meaning"], ...rows]);
}

/** Rows as a Markdown table, the first being its head. */
export function table(rows: string[][]): string {
  const cells = rows.map((row) => row.map((cell) => cell.replace(/\s+/g, " ").replaceAll("|", "\\|").trim()));
  const widths = cells[0]!.map((_, column) => Math.max(3, ...cells.map((row) => [...row[column]!].length)));
  const line = (row: string[]) =>
    `| ${row.map((cell, column) => cell + " ".repeat(widths[column]! - [...cell].length)).join(" | ")} |`;
  return [
    line(cells[0]!),
    `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`,
    ...cells.slice(1).map(line),
  ].join("\n");
}

/** The text with `body` between the markers of a section: `<!-- name -->` and `<!-- /name -->`. @throws Error when there is not exactly one pair */
export function withSection(text: string, name: string, body: string): string {
  const start = `<!-- ${name} -->`, end = `<!-- /${name} -->`;
  const parts = text.split(start);
  const rest = parts[1]?.split(end);
  if (parts.length !== 2 || rest?.length !== 2) {
    throw new Error(`the ${name} must stand between one ${start} and one ${end}`);
  }
  return `${parts[0]}${start}\n\n${body}\n\n${end}${rest[1]}`;
}

function settings(schema: Schema, path: string): string[][] {
  if (schema.properties && Object.keys(schema.properties).length > 0) {
    return Object.entries(schema.properties).flatMap(([name, inner]) =>
      settings(inner, path === "" ? name : `${path}.${name}`)
    );
  }
  const each = schema.additionalProperties;
  if (typeof each === "object" && each.properties) {
    return settings(each, `${path}.NAME`);
  }
  if (path === "") return [];
  const fallback = schema.default === undefined ? "" : `\`${JSON.stringify(schema.default)}\``;
  return [[`\`${path}\``, values(schema), fallback, schema.description ?? ""]];
}

function values(schema: Schema): string {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map(values).join(" or ");
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(", ");
  switch (schema.type) {
    case "integer":
    case "number":
      return range(schema);
    case "array":
      return `list of ${values(schema.items ?? {})}`;
    case "object":
      return typeof schema.additionalProperties === "object"
        ? `map of ${values(schema.additionalProperties)}`
        : "object";
    case "boolean":
      return "`true`, `false`";
    case "string":
      return "text";
    default:
      return "any";
  }
}

function range({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Schema): string {
  // Integers of JavaScript end here; it says nothing to a person.
  const told = (limit: number | undefined) =>
    limit !== undefined && Math.abs(limit) < Number.MAX_SAFE_INTEGER;
  const parts = [
    told(minimum) ? `from ${minimum}` : told(exclusiveMinimum) ? `above ${exclusiveMinimum}` : "",
    told(maximum) ? `to ${maximum}` : told(exclusiveMaximum) ? `below ${exclusiveMaximum}` : "",
  ].filter((part) => part !== "");
  return [type === "integer" ? "integer" : "number", ...parts].join(" ");
}
