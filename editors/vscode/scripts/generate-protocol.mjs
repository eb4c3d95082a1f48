// Writes src/protocol.gen.ts from schema/openrpc.json; with --check, fails where the file is not what it would write.
import { readFileSync, writeFileSync } from "node:fs";
import { format } from "prettier";

const schemaPath = new URL("../../../schema/openrpc.json", import.meta.url);
const targetPath = new URL("../src/protocol.gen.ts", import.meta.url);
const { methods, components } = JSON.parse(readFileSync(schemaPath, "utf8"));

/** A doc comment of that text; nothing where there is none. */
function doc(text) {
  if (!text) return "";
  return `/** ${text.replaceAll("\n", " ").replaceAll("*/", "*\\/")} */\n`;
}

/** The TypeScript type of a JSON schema. Absent and null are one on this wire, and the server sends neither. */
function typeOf(schema) {
  if (schema === true || schema === undefined) return "unknown";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((it) => JSON.stringify(it)).join(" | ");
  if (schema.allOf?.length === 1) return typeOf(schema.allOf[0]);
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return union(options.map(typeOf));
  if (Array.isArray(schema.type)) return union(schema.type.map((type) => typeOf({ ...schema, type })));
  switch (schema.type) {
    case "null":
      return "null";
    case "string":
    case "boolean":
      return schema.type;
    case "integer":
    case "number":
      return "number";
    case "array":
      return `readonly (${typeOf(schema.items)})[]`;
    case "object":
      return objectType(schema);
    default:
      throw new Error(`no type for ${JSON.stringify(schema)}`);
  }
}

function union(types) {
  return [...new Set(types)].join(" | ");
}

function objectType(schema) {
  const required = new Set(schema.required);
  const members = Object.entries(schema.properties ?? {}).map(([name, member]) => {
    const type = typeOf(member).replace(/ \| null$/, "");
    return `${doc(member.description)}readonly ${name}${required.has(name) ? "" : "?"}: ${type};`;
  });
  const others = schema.additionalProperties;
  if (others && typeof others === "object") members.push(`readonly [name: string]: ${typeOf(others)};`);
  return members.length ? `{\n${members.join("\n")}\n}` : "Record<string, never>";
}

function declaration([name, schema]) {
  const type = typeOf(schema);
  const isInterface = schema.type === "object" && type.startsWith("{");
  return `${doc(schema.description)}export ${isInterface ? `interface ${name} ${type}` : `type ${name} = ${type};`}`;
}

/** The parameters of a method: the named type where there is one, else its members. */
function paramsOf(method) {
  const properties = Object.fromEntries(
    method.params.map(({ name, schema, description }) => [name, { ...schema, description }]),
  );
  const required = method.params.filter((it) => it.required).map((it) => it.name);
  return objectType({ properties, required });
}

const notifications = methods.flatMap((it) => it["x-notifications"] ?? []);
const text = await format(
  `// Generated from schema/openrpc.json by scripts/generate-protocol.mjs. Do not edit.

${Object.entries(components.schemas).map(declaration).join("\n\n")}

/** What a client may ask, by method. */
export interface Methods {
${methods.map((it) => `${doc(it.summary)}"${it.name}": { params: ${paramsOf(it)}; result: ${typeOf(it.result.schema)} };`).join("\n")}
}

/** What the server may push, by method. */
export interface Notifications {
${notifications.map((it) => `"${it.method}": ${typeOf(it.params)};`).join("\n")}
}

/** The codes of errors, by kind. */
export const ErrorCode = {
${Object.entries(components.errors)
  .map(([kind, { code, message }]) => `${doc(message)}${kind}: ${code},`)
  .join("\n")}
} as const;
`,
  { parser: "typescript", printWidth: 110 },
);

if (process.argv.includes("--check")) {
  if (readFileSync(targetPath, "utf8") !== text) {
    console.error("src/protocol.gen.ts is not what the schema says: npm run generate");
    process.exit(1);
  }
} else {
  writeFileSync(targetPath, text);
}
