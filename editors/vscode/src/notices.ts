/** Which changes are worth a notification. */

import type { Session } from "./protocol.gen";
import { keyOf, type Step } from "./roster";
import { folderOf, needOf, oneLine, titleOf, withoutLinks } from "./words";

/** What a notification is about; each has its own setting. */
export type Topic = "waiting" | "failed" | "finished";

export interface Notice {
  readonly topic: Topic;
  readonly session: Session;
  /** Safe to show where VS Code looks for links. */
  readonly text: string;
  /** The same change has the same name in every window. */
  readonly id: string;
}

/** The notices of these steps: a session starts to wait, fails, or has finished its turn. */
export function noticesOf(steps: readonly Step[], nameOf: (agent: string) => string): Notice[] {
  return steps.flatMap(({ before, after, isBorn }) => {
    // Subagents answer to their parents, not to a person.
    if (!after || after.kind === "subagent") return [];
    const topic = before ? topicOf(before, after) : isBorn && bornTopicOf(after);
    if (!topic) return [];
    const place = after.cwd === undefined ? "" : ` in ${oneLine(folderOf(after.cwd))}`;
    const text = `${nameOf(after.agent)} ${predicate(topic, after)}${place}: ${titleOf(after)}`;
    const id = [keyOf(after), topic, after.reason, after.updatedAt ?? ""].join(" ");
    return [{ topic, session: after, text: withoutLinks(text), id }];
  });
}

function topicOf(before: Session, after: Session): Topic | undefined {
  if (before.status === after.status) return undefined;
  switch (after.status) {
    case "waiting":
      return "waiting";
    case "failed":
      return "failed";
    case "idle":
      return before.status === "running" ? "finished" : undefined;
    case "stopped":
      // Whoever interrupted or killed it knows.
      return before.status === "running" && after.reason === "completed" ? "finished" : undefined;
    default:
      return undefined;
  }
}

/** What starts with a question, a login say, needs somebody; what is over when it is first seen is old. */
function bornTopicOf({ status }: Session): Topic | undefined {
  return status === "waiting" ? "waiting" : undefined;
}

function predicate(topic: Topic, { reason }: Session): string {
  switch (topic) {
    case "waiting":
      return needOf(reason);
    case "failed":
      return "failed";
    case "finished":
      return "has finished";
  }
}
