/** Words for a shell. */

import path from "node:path";

/** How a shell reads what is quoted; each way makes any word one word, as it is. */
const QUOTE: Partial<Record<string, (word: string) => string>> = {
  fish: (word) => `'${word.replaceAll(/[\\']/g, "\\$&")}'`,
  pwsh: (word) => `'${word.replaceAll("'", "''")}'`,
};
const posix = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/** No shell would change such a word: it begins with nothing that some shell expands, and holds no blank and no sign. */
const PLAIN = /^[\w./:-][\w./:=+-]*$/;

/** A command line for a shell, told by its program: fish and PowerShell quote in their own ways, all others as POSIX says. */
export function quoted(words: readonly string[], shell = ""): string {
  const name = path.posix.basename(shell);
  const quote = QUOTE[name] ?? posix;
  const line = words.map((word) => (PLAIN.test(word) ? word : quote(word))).join(" ");
  // To PowerShell a quoted first word is a text, until it is called.
  return name === "pwsh" && line.startsWith("'") ? `& ${line}` : line;
}

/** A command line that works in whichever directory it is pasted. */
export function quotedIn(cwd: string | undefined, words: readonly string[], shell = ""): string {
  return cwd === undefined ? quoted(words, shell) : `cd ${quoted([cwd], shell)} && ${quoted(words, shell)}`;
}
