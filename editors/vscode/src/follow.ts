/** Keeps the end of a growing document in sight, for those who look at it. */

import * as vscode from "vscode";

export class Follow implements vscode.Disposable {
  /** How long each document was when it was seen last. */
  private readonly lines = new WeakMap<vscode.TextDocument, number>();
  private readonly listening = vscode.workspace.onDidChangeTextDocument(({ document }) => {
    this.grown(document);
  });

  /** Begins at the end. */
  start(editor: vscode.TextEditor): void {
    const { document } = editor;
    this.lines.set(document, document.lineCount);
    editor.selection = new vscode.Selection(endOf(document), endOf(document));
    showEnd(editor);
  }

  dispose(): void {
    this.listening.dispose();
  }

  /** Whoever saw the end as it was sees the end as it is; whoever has scrolled up stays there. */
  private grown(document: vscode.TextDocument): void {
    const before = this.lines.get(document);
    if (before === undefined) return;
    this.lines.set(document, document.lineCount);
    for (const editor of vscode.window.visibleTextEditors) {
      const sawEnd = editor.visibleRanges.some((it) => it.end.line >= before - 2);
      if (editor.document === document && sawEnd) showEnd(editor);
    }
  }
}

function endOf({ lineCount }: vscode.TextDocument): vscode.Position {
  return new vscode.Position(Math.max(0, lineCount - 1), 0);
}

function showEnd(editor: vscode.TextEditor): void {
  const end = endOf(editor.document);
  editor.revealRange(new vscode.Range(end, end));
}
