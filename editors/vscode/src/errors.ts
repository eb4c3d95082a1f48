/** The server's errors, narrowed at the edge. */

import { ResponseError } from "vscode-jsonrpc";
import type { ErrorCode } from "./protocol.gen";
import { lastLine } from "./words";

/** JSON-RPC's code of a request that its client cancelled. */
const CANCELLED = -32800;

/** What the server adds to an error. */
export interface ErrorData {
  readonly hint?: string;
  /** The last that a launched agent said. */
  readonly output?: string;
  /** Who claims a directory. */
  readonly holder?: string;
}

export function isCancelled(error: unknown): boolean {
  return error instanceof ResponseError && error.code === CANCELLED;
}

/** Whether the server refused for this reason. */
export function isKind(error: unknown, code: (typeof ErrorCode)[keyof typeof ErrorCode]): boolean {
  return error instanceof ResponseError && error.code === code;
}

/** What the server adds to an error; nothing where it is not the server's. */
export function dataOf(error: unknown): ErrorData {
  const data: unknown = error instanceof ResponseError ? error.data : undefined;
  if (typeof data !== "object" || data === null) return {};
  const { hint, output, holder } = data as Record<string, unknown>;
  const by = typeof holder === "object" && holder !== null && "by" in holder ? holder.by : undefined;
  return {
    ...(typeof hint === "string" && { hint }),
    ...(typeof output === "string" && { output }),
    ...(typeof by === "string" && { holder: by }),
  };
}

/** What an error says, and what can be done; of an agent that did not come up, what it said last. */
export function inWords(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const { hint, output } = dataOf(error);
  const last = lastLine(output ?? "");
  if (last) return `${message}: ${last}`;
  return hint ? `${message}. ${hint}` : message;
}
