/** Where the headcount program is. */

import path from "node:path";

/** Where to look for the program. */
export interface Places {
  /** The setting; empty where it is not set. */
  readonly setting: string;
  /** Where the program is in the packaged extension. */
  readonly bundled: string;
  /** The directories of PATH. */
  readonly searchPath: readonly string[];
  readonly home: string;
}

/** The program, or every place where it is not. */
export type Located =
  | { readonly kind: "found"; readonly program: string }
  | { readonly kind: "missing"; readonly tried: readonly string[] };

/** Finds the program: what the setting says and nothing else, or in the extension, or on PATH. */
export function locate(places: Places, isProgram: (file: string) => boolean): Located {
  const tried = places.setting ? chosen(places) : everywhere(places);
  const program = tried.find(isProgram);
  return program === undefined ? { kind: "missing", tried } : { kind: "found", program };
}

function everywhere(places: Places): string[] {
  return [places.bundled, ...onPath(path.basename(places.bundled), places)];
}

/** A bare name is looked for on PATH, as a shell would. */
function chosen(places: Places): string[] {
  const { setting, home } = places;
  if (setting.startsWith("~/")) return [path.join(home, setting.slice(2))];
  return setting.includes(path.sep) ? [setting] : onPath(setting, places);
}

function onPath(name: string, { searchPath }: Places): string[] {
  return searchPath.filter((it) => path.isAbsolute(it)).map((it) => path.join(it, name));
}
