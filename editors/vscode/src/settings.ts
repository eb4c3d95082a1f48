/** The settings of the server, as a person wrote them: VS Code hands on what is of another type than the manifest says. */

export interface ServerSettings {
  /** Where the program is; empty where that is not said. */
  readonly path: string;
  readonly args: readonly string[];
  /** What counts as not set, and why; a line each. */
  readonly wrong: readonly string[];
}

export function serverSettingsOf(path: unknown, args: unknown): ServerSettings {
  const isPath = typeof path === "string";
  const areArgs = Array.isArray(args) && args.every((it): it is string => typeof it === "string");
  return {
    path: isPath ? path : "",
    args: areArgs ? args : [],
    wrong: [
      ...(isPath ? [] : ["`headcount.server.path` counts as not set: it is no text."]),
      ...(areArgs ? [] : ["`headcount.server.args` counts as not set: it is no list of texts."]),
    ],
  };
}
