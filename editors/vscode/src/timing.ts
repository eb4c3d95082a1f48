/** Functions that run later, or less often than they are called. */

/** Runs at once, and for all the calls of some time after it once more at its end: a burst costs two runs. */
export class Throttled {
  private timer: NodeJS.Timeout | undefined;
  private isWanted = false;

  constructor(
    private readonly run: () => void,
    private readonly ms: number,
  ) {}

  call(): void {
    this.isWanted = true;
    if (this.timer === undefined) this.next();
  }

  dispose(): void {
    clearTimeout(this.timer);
  }

  private next(): void {
    this.timer = undefined;
    if (!this.isWanted) return;
    this.isWanted = false;
    this.timer = setTimeout(() => {
      this.next();
    }, this.ms);
    this.run();
  }
}

/** Knows whether something takes long, and says so once it does. */
export class Patience {
  private timer: NodeJS.Timeout | undefined;
  isOver = false;

  constructor(
    private readonly onOver: () => void,
    private readonly ms: number,
  ) {}

  start(): void {
    this.timer ??= setTimeout(() => {
      this.isOver = true;
      this.onOver();
    }, this.ms);
  }

  /** What was waited for is there. */
  dispose(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.isOver = false;
  }
}
