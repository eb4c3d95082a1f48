/** When a server that ended is started again. */

/** The first pause; each further one is twice as long. */
const FIRST_PAUSE_MS = 1_000;
/** So many ends within the window mean that another start would not help. */
const ENDS_MAX = 5;
const WINDOW_MS = 180_000;

/** Counts the ends of a server and says how long to wait before it is started again. */
export class Restarts {
  private ends: number[] = [];

  /** The pause after an end at `now`; nothing when it is time to give up. */
  pauseAfter(now: number): number | undefined {
    this.ends = [...this.ends.filter((it) => now - it < WINDOW_MS), now];
    return this.ends.length < ENDS_MAX ? FIRST_PAUSE_MS * 2 ** (this.ends.length - 1) : undefined;
  }

  /** A person asked for a start: what was before does not count. */
  forget(): void {
    this.ends = [];
  }
}
