/** One server process: started, spoken to, and started again when it ends. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import * as vscode from "vscode";
import * as rpc from "vscode-jsonrpc/node";
import { type Abilities, abilitiesOf, NO_ABILITIES } from "./hello";
import type { Methods, Notifications } from "./protocol.gen";
import type { Located } from "./locate";
import { Restarts } from "./restarts";
import { lastLine } from "./words";

export type State = "stopped" | "starting" | "ready" | "missing" | "failed";

/** How long a server may take to end once its input has; then it is made to. A stop in progress, which takes up to ten
 * seconds, is not left half done. */
const FAREWELL_MS = 15_000;

/** What a launch tells of its progress. */
export interface Progress {
  readonly message?: string;
}

export type Method = keyof Methods;

/** A process that listens, and the conversation with it. */
interface Link {
  readonly child: ChildProcessWithoutNullStreams;
  readonly connection: rpc.MessageConnection;
}

export class Server implements vscode.Disposable {
  private link: Link | undefined;
  private current: State = "stopped";
  private said = NO_ABILITIES;
  private ending = "";
  private timer: NodeJS.Timeout | undefined;
  private readonly restarts = new Restarts();
  /** How long is waited; settable, so that a test need not wait so long. */
  readonly waits = {
    /** For a hello; it takes milliseconds. */
    helloMs: 10_000,
    /** For an answer, until the server has to show that it lives: twice the deadline that it sets itself. */
    answerMs: 10_000,
  };
  private readonly stateEmitter = new vscode.EventEmitter<State>();
  private readonly changedEmitter = new vscode.EventEmitter<Notifications["session.changed"]>();

  readonly onState = this.stateEmitter.event;
  readonly onChanged = this.changedEmitter.event;

  constructor(
    private readonly log: vscode.LogOutputChannel,
    private readonly locate: () => Located,
    private readonly args: () => readonly string[],
  ) {}

  get state(): State {
    return this.current;
  }

  /** What the server said last: the names of agents outlive it. */
  get abilities(): Abilities {
    return this.said;
  }

  /** Whether it is gone for good, until a person does something about it. */
  get isOff(): boolean {
    return this.current === "missing" || this.current === "failed";
  }

  /** Why there is none, as the last one said itself; empty once another one is there. */
  get lastWords(): string {
    return this.ending;
  }

  /** The process; for whoever wants to see it end. */
  get pid(): number | undefined {
    return this.link?.child.pid;
  }

  can(method: Method): boolean {
    return this.current === "ready" && this.said.methods.has(method);
  }

  /** Starts afresh: what failed before does not count. */
  async restart(): Promise<void> {
    this.restarts.forget();
    this.ending = "";
    await this.start();
  }

  /** Asks. A token that is cancelled cancels the request on the server too. */
  async request<M extends Method>(
    method: M,
    params: Methods[M]["params"],
    token?: vscode.CancellationToken,
  ): Promise<Methods[M]["result"]> {
    if (!this.link || this.current !== "ready") throw new Error("the headcount server is not running");
    if (!this.can(method)) {
      throw new Error(`headcount ${this.said.version} has no ${method}: install a newer one`);
    }
    return this.answered(this.link, ask(this.link.connection, method, params, token));
  }

  /** Asks, and hears how far it is. */
  async requestWithProgress<M extends Method>(
    method: M,
    params: Methods[M]["params"],
    token: vscode.CancellationToken,
    onProgress: (progress: Progress) => void,
  ): Promise<Methods[M]["result"]> {
    const workDoneToken = `${method} ${process.hrtime.bigint()}`;
    const listening = this.link?.connection.onProgress(
      new rpc.ProgressType<Progress>(),
      workDoneToken,
      onProgress,
    );
    try {
      return await this.request(method, { ...params, workDoneToken }, token);
    } finally {
      listening?.dispose();
    }
  }

  dispose(): void {
    this.part();
    this.current = "stopped";
    this.stateEmitter.dispose();
    this.changedEmitter.dispose();
  }

  private async start(): Promise<void> {
    this.part();
    const located = this.locate();
    if (located.kind === "missing") {
      this.log.error(`no headcount program at ${located.tried.join(", ")}`);
      this.become("missing");
      return;
    }
    this.become("starting");
    const link = this.open(located.program, [...this.args(), "serve"]);
    this.link = link;
    try {
      const said = abilitiesOf(await this.greeted(link));
      if (this.link !== link) return;
      if (!said) {
        this.refuse(link, `\`${located.program}\` is no headcount server`);
        return;
      }
      this.said = said;
      this.ending = "";
      this.log.info(`headcount ${said.version}, pid ${link.child.pid ?? "?"}`);
      await link.connection.sendNotification("initialized");
      this.become("ready");
    } catch (error) {
      this.refuse(link, `no hello from the server: ${textOf(error)}`);
    }
  }

  /** Ends a process that is of no use. One that ended by itself has been seen already. */
  private refuse(link: Link, why: string): void {
    if (this.link !== link) return;
    this.ending = why;
    this.log.error(why);
    link.child.kill("SIGKILL");
  }

  private greeted({ connection }: Link): Promise<Methods["initialize"]["result"]> {
    return within(this.waits.helloMs, ask(connection, "initialize", hello()));
  }

  /** Waits for an answer, as long as the server shows that it lives: it may have been given long for slow disks. */
  private async answered<T>(link: Link, answer: Promise<T>): Promise<T> {
    const watching = setInterval(() => void this.endIfMute(link), this.waits.answerMs);
    try {
      return await answer;
    } catch (error) {
      const isAbandoned =
        error instanceof rpc.ResponseError && error.code === rpc.ErrorCodes.PendingResponseRejected;
      throw isAbandoned ? new Error("the headcount server has ended") : error;
    } finally {
      clearInterval(watching);
    }
  }

  /** What it has said once it can say again at once. A server that does not hangs: another one is started. */
  private async endIfMute(link: Link): Promise<void> {
    try {
      await this.greeted(link);
    } catch {
      this.refuse(link, "the server does not answer");
    }
  }

  /** Starts the process, without a shell: a path with spaces is one word. */
  private open(program: string, args: readonly string[]): Link {
    this.log.info(`starting ${program} ${args.join(" ")}`);
    const child = spawn(program, args, { stdio: "pipe" });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.log.warn(text.trimEnd());
      this.ending = lastLine(text) || this.ending;
    });
    // Writing to a process that has ended is told by its exit, too.
    child.stdin.on("error", (error) => {
      this.log.debug(`stdin: ${error.message}`);
    });
    const connection = rpc.createMessageConnection(
      new rpc.StreamMessageReader(child.stdout),
      new rpc.StreamMessageWriter(child.stdin),
    );
    const link = { child, connection };
    child.once("error", (error) => {
      this.log.error(error.message);
      this.ending = error.message;
      this.ended(link);
    });
    child.once("exit", (code, signal) => {
      const how = signal ?? `code ${code ?? "?"}`;
      this.log.info(`the server has ended: ${how}`);
      // It may have said better itself.
      this.ending ||= how;
      this.ended(link);
    });
    connection.onError(([error]) => {
      this.log.error(`connection: ${error.message}`);
    });
    connection.onNotification("session.changed", (event: Notifications["session.changed"]) => {
      if (this.link === link) this.changedEmitter.fire(event);
    });
    connection.onUnhandledNotification(({ method }) => {
      this.log.debug(`the server pushed ${method}`);
    });
    connection.listen();
    return link;
  }

  /** It ended, and not by our doing: again, later, unless it happens too often. */
  private ended(link: Link): void {
    if (this.link !== link) return;
    this.link = undefined;
    link.connection.dispose();
    const pause = this.restarts.pauseAfter(Date.now());
    if (pause === undefined) {
      this.become("failed");
      return;
    }
    this.log.info(`starting it again in ${pause} ms`);
    this.become("starting");
    this.timer = setTimeout(() => void this.start(), pause);
  }

  /** Lets go of the process. The end of its input is the polite way out; the sessions it launched live on. */
  private part(): void {
    clearTimeout(this.timer);
    const link = this.link;
    this.link = undefined;
    if (!link) return;
    link.connection.dispose();
    link.child.stdin.end();
    const overdue = setTimeout(() => link.child.kill("SIGKILL"), FAREWELL_MS);
    link.child.once("exit", () => {
      clearTimeout(overdue);
    });
  }

  private become(state: State): void {
    this.current = state;
    this.stateEmitter.fire(state);
  }
}

function hello(): Methods["initialize"]["params"] {
  return { processId: process.pid, clientInfo: { name: vscode.env.appName, version: vscode.version } };
}

/** A missing token must not be passed on: vscode-jsonrpc would send it as a second parameter. */
async function ask<M extends Method>(
  connection: rpc.MessageConnection,
  method: M,
  params: Methods[M]["params"],
  token?: vscode.CancellationToken,
): Promise<Methods[M]["result"]> {
  return token
    ? connection.sendRequest<Methods[M]["result"]>(method, params, token)
    : connection.sendRequest<Methods[M]["result"]>(method, params);
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no answer within ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What an error says. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
