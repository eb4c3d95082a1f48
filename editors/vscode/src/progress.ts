/** Waiting for the server, in sight. */

import * as vscode from "vscode";

/** Shows in the view that something is waited for, so that a server which hangs does not look like a dead click. */
export function inView<T>(work: () => Promise<T>): Thenable<T> {
  return vscode.window.withProgress({ location: { viewId: "headcount.sessions" } }, work);
}
