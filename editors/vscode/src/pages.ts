/** Sessions as text to read: the transcript, and why the status is what it is. */

import type { Certainty, PeekResult, Role, Session, Source, StatusResult } from "./protocol.gen";
import { problemInWords } from "./trouble";
import { clock, oneLine, statusInWords, titleOf, usageInWords, wordFor } from "./words";

/** The last turns of a session, as Markdown source. */
export function transcriptPage(
  session: Session,
  { turns, earlier, problems = [] }: Pick<PeekResult, "turns" | "earlier" | "problems">,
  agent: string,
): string {
  const speaker: Record<Role, string> = { user: "You", assistant: agent, tool: "Tool" };
  const sections = turns.map(({ role, at, text, tool, truncated }) => {
    const who = tool === undefined ? (wordFor(speaker, role) ?? oneLine(role)) : `Tool: ${oneLine(tool)}`;
    const heading = `## ${who}${at === undefined ? "" : ` — ${clock(at)}`}`;
    return `${heading}\n\n${text.trimEnd()}${truncated ? "\n\n[…]" : ""}`;
  });
  const gap = earlier ? ["[Earlier turns are not shown.]"] : [];
  const unseen = problems.map((it) => `[The turns cannot be shown: ${oneLine(problemInWords(it))}]`);
  const nothing = turns.length || unseen.length ? [] : ["[Nothing was said yet.]"];
  return [header(session, agent), ...gap, ...sections, ...unseen, ...nothing].join("\n\n") + "\n";
}

const SOURCE: Record<Source, string> = {
  registry: "the agent's record of its live processes",
  lock: "a lock on the session",
  process: "the processes of this machine",
  transcript: "the transcript",
  database: "the agent's database",
  gateway: "the agent's service",
  ledger: "what headcount launched",
};

const CERTAINTY: Record<Certainty, string> = {
  asserted: "the agent itself or the system says so",
  inferred: "concluded from what the agent wrote and what runs, for want of a word of its own",
};

/** The chain of evidence that led to a status. */
export function evidencePage({ session, ...rest }: StatusResult, agent: string): string {
  const evidence = (session.evidence ?? []).map(
    ({ source, says }) => `- ${wordFor(SOURCE, source) ?? oneLine(source)}: ${oneLine(says)}`,
  );
  const looked = session.evidence?.[0]?.observedAt;
  const certainty = wordFor(CERTAINTY, session.certainty);
  const facts: [string, string | undefined][] = [
    ["Status", `${session.status} (${session.reason.replaceAll("_", " ")})`],
    ["Certainty", certainty ? `${session.certainty}: ${certainty}` : session.certainty],
    ["Conflict", session.conflict && "two live processes write this session"],
    ["Process", session.process && `${session.process.pid}, since ${clock(session.process.startedAt)}`],
    ["Tokens", session.usage && usageInWords(session.usage)],
    ["Session", session.sessionId],
    ["Looked at", looked && clock(looked)],
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

/** A title as a file name: the tab shows it. */
export function fileName(session: Session): string {
  const words = titleOf(session).split(/[\s\\/:*?"<>|#%]+/);
  const name = words.filter((it) => /[^.]/.test(it)).join(" ");
  return Array.from(name).slice(0, 60).join("").trim() || "session";
}
