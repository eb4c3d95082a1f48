/** Sessions as text to read: the transcript, and why the status is what it is. */

import type { PeekResult, Role, Session, StatusResult } from "./protocol.gen";
import { oneLine, statusInWords, titleOf, usageInWords } from "./words";

/** The last turns of a session, as Markdown source. */
export function transcriptPage(session: Session, { turns, earlier }: PeekResult, agent: string): string {
  const speaker: Record<Role, string> = { user: "You", assistant: agent, tool: "Tool" };
  const sections = turns.map(({ role, at, text, tool, truncated }) => {
    const who = tool === undefined ? speaker[role] : `Tool: ${oneLine(tool)}`;
    const heading = `## ${who}${at === undefined ? "" : ` — ${clock(at)}`}`;
    return `${heading}\n\n${text.trimEnd()}${truncated ? "\n\n[…]" : ""}`;
  });
  const gap = earlier ? ["[Earlier turns are not shown.]"] : [];
  const nothing = turns.length ? [] : ["[Nothing was said yet.]"];
  return [header(session, agent), ...gap, ...sections, ...nothing].join("\n\n") + "\n";
}

/** The chain of evidence that led to a status. */
export function evidencePage({ session, ...rest }: StatusResult, agent: string): string {
  const evidence = (session.evidence ?? []).map(
    ({ source, observedAt, says }) => `- ${clock(observedAt)} · ${source}: ${oneLine(says)}`,
  );
  const facts: [string, string | undefined][] = [
    ["Status", `${session.status} (${session.reason}), ${session.certainty}`],
    ["Conflict", session.conflict],
    ["Process", session.process && `${session.process.pid}, since ${clock(session.process.startedAt)}`],
    ["Tokens", session.usage && usageInWords(session.usage)],
    ["Session", session.sessionId],
  ];
  return (
    [
      header(session, agent),
      facts.flatMap(([name, value]) => (value ? [`- ${name}: ${value}`] : [])).join("\n"),
      "## Evidence",
      evidence.join("\n") || "[None.]",
      ...(rest.complete ? [] : ["[Not everything could be looked at.]"]),
    ].join("\n\n") + "\n"
  );
}

function header(session: Session, agent: string): string {
  const { cwd, branch, model } = session;
  const facts = [agent, model, statusInWords(session), cwd, branch].flatMap((it) =>
    it ? [oneLine(it)] : [],
  );
  return `# ${titleOf(session)}\n\n${facts.join(" · ")}`;
}

/** `2026-11-22T20:22:31.081Z` as `2026-11-22 20:22:31`, in UTC as the agents record it. */
function clock(timestamp: string): string {
  return timestamp.replace("T", " ").replace(/\.\d+Z$/, "");
}

/** A title as a file name: the tab shows it. */
export function fileName(session: Session): string {
  const words = titleOf(session).split(/[\s\\/:*?"<>|#%]+/);
  const name = words.filter((it) => /[^.]/.test(it)).join(" ");
  return Array.from(name).slice(0, 60).join("").trim() || "session";
}
