/** Words for a shell. */

/** A command line for a POSIX shell: every word that a shell would change is quoted. */
export function quoted(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
    .join(" ");
}

/** A command line that works in whichever directory it is pasted. */
export function quotedIn(cwd: string | undefined, words: readonly string[]): string {
  return cwd === undefined ? quoted(words) : `cd ${quoted([cwd])} && ${quoted(words)}`;
}
