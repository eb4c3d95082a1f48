/** Who says a notice: of many windows that see the same change, the first. */

import { createHash } from "node:crypto";
import { mkdir, open, readdir, rm, stat } from "node:fs/promises";
import path from "node:path";

/** How long it is remembered that a notice was said: all windows see the same change at about the same time. */
const CLAIM_AGE_MS = 10 * 60_000;

/** What was said, in this window or in another. */
export class Claims {
  /** As few as a person can be told of; a session that is out of sight for a while comes back with what was said of it. */
  private readonly seen = new Set<string>();

  /** Every window of this machine looks into the same directory. */
  constructor(private readonly directory: string) {}

  /** Whether it is new, and this window the first to say it. */
  async claim(id: string): Promise<boolean> {
    if (this.seen.has(id)) return false;
    this.seen.add(id);
    return isFirst(this.directory, id);
  }
}

/** Windows share a directory, and a file is made by one of them alone. */
async function isFirst(directory: string, id: string): Promise<boolean> {
  const name = createHash("sha256").update(id).digest("hex").slice(0, 32);
  try {
    await mkdir(directory, { recursive: true });
    await (await open(path.join(directory, name), "wx")).close();
  } catch (error) {
    // Where nothing can be written, saying it twice is better than not at all.
    return (error as NodeJS.ErrnoException).code !== "EEXIST";
  }
  await forgetOld(directory);
  return true;
}

async function forgetOld(directory: string): Promise<void> {
  const horizon = Date.now() - CLAIM_AGE_MS;
  for (const name of await readdir(directory).catch(() => [])) {
    const file = path.join(directory, name);
    // Another window may have been faster.
    const made = await stat(file).then(
      (it) => it.mtimeMs,
      () => horizon,
    );
    if (made < horizon) await rm(file, { force: true }).catch(() => undefined);
  }
}
