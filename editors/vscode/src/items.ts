/** How groups and sessions look in the tree. */

import * as vscode from "vscode";
import type { Group, Row, View } from "./arrangement";
import { facetsOf } from "./facets";
import type { Reason, Session, Status } from "./protocol.gen";
import { rankOf } from "./roster";
import type { MoreNode } from "./tree";
import {
  accessibleName,
  ageOf,
  agoInWords,
  clock,
  folderOf,
  needOf,
  oneLine,
  statusInWords,
  titleOf,
  usageInWords,
  wordFor,
} from "./words";

/** A mark without which a number would be read as part of a title before it that is written from the right. */
const LEFT_TO_RIGHT = "\u200e";

export function groupItem({ id, label, folder, rows, isOpen }: Group): vscode.TreeItem {
  const { Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
  const item = new vscode.TreeItem(label, isOpen ? Expanded : Collapsed);
  item.id = id;
  item.description = rows.length.toLocaleString("en");
  item.contextValue = "group";
  if (folder !== undefined) item.tooltip = folder;
  item.accessibilityInformation = {
    label: `${label}, ${rows.length} ${rows.length === 1 ? "session" : "sessions"}`,
  };
  return item;
}

export function moreItem(node: MoreNode): vscode.TreeItem {
  const { parent, hidden, next } = node;
  const item = new vscode.TreeItem(`… and ${hidden.toLocaleString("en")} more`);
  item.id = `${parent.group.id} more`;
  item.description = `show ${next === hidden ? "them" : next}`;
  item.contextValue = "more";
  item.command = { command: "headcount.showMore", title: "Show More Sessions", arguments: [node] };
  return item;
}

export function rowItem({ key, session, children, rank }: Row, { groupBy, nameOf }: View): vscode.TreeItem {
  const { None, Collapsed, Expanded } = vscode.TreeItemCollapsibleState;
  const state = children.length === 0 ? None : rank < rankOf(session.status) ? Expanded : Collapsed;
  const item = new vscode.TreeItem(titleOf(session), state);
  const now = Date.now();
  const agent = nameOf(session.agent);
  item.id = key;
  // What a narrow side bar cuts off comes last.
  const details = [
    session.status === "waiting" && needOf(session.reason),
    session.updatedAt && ageOf(session.updatedAt, now),
    groupBy !== "folder" && session.cwd && folderOf(session.cwd),
    groupBy !== "agent" && agent,
  ]
    .filter(Boolean)
    .join(" · ");
  item.description = `${LEFT_TO_RIGHT}${details}`;
  item.iconPath = iconOf(session);
  item.contextValue = ["session", ...facetsOf(session)].join(" ");
  item.accessibilityInformation = { label: accessibleName(session, agent, now) };
  const command = openingOf(session);
  if (command) item.command = command;
  return item;
}

/** What a click opens: the transcript or, where the agent told no session, what it said when it was launched. */
function openingOf(session: Session): vscode.Command | undefined {
  const { sessionId, launch } = session;
  if (sessionId !== undefined) {
    return { command: "headcount.openTranscript", title: "Open Transcript", arguments: [session] };
  }
  if (launch?.logPath === undefined) return undefined;
  return { command: "vscode.open", title: "Open Log", arguments: [vscode.Uri.file(launch.logPath)] };
}

/** All that is seen of an item, to tell whether it has to be drawn again. */
export function lookOf(item: vscode.TreeItem): string {
  const { label, description, iconPath, contextValue, collapsibleState, accessibilityInformation } = item;
  return JSON.stringify([
    label,
    description,
    iconPath,
    contextValue,
    collapsibleState,
    accessibilityInformation,
  ]);
}

/** Colours that every theme has: those of lists are none in high contrast. */
const ICON: Record<Status, readonly [icon: string, color: string]> = {
  waiting: ["bell-dot", "charts.yellow"],
  running: ["play-circle", "charts.green"],
  idle: ["circle-outline", "charts.blue"],
  stopped: ["circle-slash", "descriptionForeground"],
  failed: ["error", "charts.red"],
  unknown: ["question", "descriptionForeground"],
};

function iconOf({ status, reason, conflict }: Session): vscode.ThemeIcon {
  const [icon, color] = conflict
    ? (["warning", "charts.yellow"] as const)
    : reason === ("completed" satisfies Reason)
      ? (["pass", "descriptionForeground"] as const)
      : (wordFor(ICON, status) ?? ICON.unknown);
  return new vscode.ThemeIcon(icon, new vscode.ThemeColor(color));
}

/** Every value is appended as text: nothing that an agent wrote becomes markup, a link or an icon. */
export function tooltipOf(session: Session, agent: string, now: number): vscode.MarkdownString {
  const { cwd, branch, model, updatedAt, usage, process, sessionId, certainty, launch } = session;
  const lines: [string, string | undefined][] = [
    ["Status", `${statusInWords(session)}${certainty === "inferred" ? " (inferred)" : ""}`],
    ["Agent", model === undefined ? agent : `${agent} · ${oneLine(model)}`],
    ["Directory", cwd],
    ["Branch", branch],
    ["Active", updatedAt && `${agoInWords(updatedAt, now)} (${clock(updatedAt)})`],
    ["Tokens", usage && usageInWords(usage)],
    ["Process", process && String(process.pid)],
    ["Session", sessionId],
    ["Log", sessionId === undefined ? launch?.logPath : undefined],
  ];
  const tooltip = new vscode.MarkdownString();
  tooltip.appendMarkdown("**").appendText(titleOf(session)).appendMarkdown("**");
  for (const [name, value] of lines) {
    if (value) tooltip.appendMarkdown(`\n\n${name}: `).appendText(oneLine(value));
  }
  return tooltip;
}
