//! An excerpt of a transcript becomes a record: from the head until the first prompt, from the tail until the rest. PURE.

use std::path::Path;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::line::{Content, Line, Message, SYNTHETIC, Worktree};
use crate::adapters::Record;
use crate::adapters::evidence::{Failure, Prompt, TurnState, WaitingFor};
use crate::adapters::excerpt::{Excerpt, Malformed, Parsed, Sought, Wants};
use crate::adapters::jsonl;
use crate::base::{AbsPath, SessionId, Timestamp};
use crate::protocol::session::{SessionKind, Source};

/// Every record that names the session holds it, after one of the next two.
const TITLE: &str = "Title\":";
/// By a person.
const CUSTOM: &str = "\"custom";
/// By the agent. It says both again every 32 KB and when it ends, this one behind the other (2.1.197, by its program).
const AI: &str = "\"ai";
/// Every record that was copied from another session holds it, and few others.
static FORKED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"forkedFrom\":"));
/// Every line by a model holds it.
static MODEL: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"model\":"));

pub(super) fn parse(excerpt: &Excerpt<'_>) -> Result<Parsed<Record>, Malformed> {
    let (session, parent) =
        identity(excerpt.path).ok_or_else(|| Malformed::new("the file's name is no session id"))?;
    let mut head = Head::read(excerpt);
    let tail = Tail::read(excerpt);
    if !head.is_record && !tail.is_record && excerpt.head_lines().next().is_some() {
        return Err(Malformed::new("none of its lines is a record"));
    }
    let tail_is_settled = tail.is_settled();
    // Where one record is longer than all that is read of the end, what the beginning says is the last that is known.
    let last = tail.circumstances.or(head.circumstances.take()).unwrap_or_default();
    let branch = head.branch_of(&last);
    let is_subagent = parent.is_some();
    let kind = match (is_subagent, last.is_background) {
        (true, _) => SessionKind::Subagent,
        (false, true) => SessionKind::Background,
        (false, false) => SessionKind::Main,
    };
    let late = Titles::of(excerpt.tail_lines_holding(&TITLES));
    // A person may rename a session at any time, and most do so early.
    let may_be_renamed = !is_subagent && !last.is_programmatic && late.custom.is_none();
    let wants = Wants {
        longer_head: head.prompt.is_none(),
        longer_tail: tail.model.is_none() || !tail_is_settled,
        line_holding: may_be_renamed.then_some(Sought {
            ending: TITLE,
            beginning: CUSTOM,
            second_best: late.ai.is_none().then_some(AI),
        }),
    };
    let titles = late.or_else(|| Titles::of(excerpt.earlier_lines_holding(&TITLES)));
    let turn = tail.turn.unwrap_or_else(|| untold(excerpt));
    let value = Record {
        kind,
        parent,
        forked_from: branched_from(excerpt),
        lineage: if is_subagent { None } else { head.root.or(head.first_uuid) },
        title: titles.custom.or(titles.ai),
        prompt: head.prompt.or(head.queued),
        cwd: last.cwd,
        branch,
        model: tail.model,
        created: head.created,
        updated: tail.updated.or(excerpt.modified_unseen()).or(head.created),
        turn_moved: tail.updated.filter(|_| turn.is_in_flight()),
        turn,
        ..Record::new(session, Source::Transcript)
    };
    Ok(Parsed { value, wants })
}

/// The session that `/branch` has made this one of: its transcript begins with the copies. One that `--fork-session` has
/// made of a branch copies what that says of its own origin, behind notes of its own (2.1.197).
fn branched_from(excerpt: &Excerpt<'_>) -> Option<SessionId> {
    let first = excerpt.head_lines().next().filter(|it| jsonl::holds(it, &FORKED))?;
    SessionId::parse(&jsonl::record::<Line<'_>>(first)?.forked_from?.session)
}

/// How the turn stands where no record tells: nothing was asked, if all of the file can be read.
fn untold(excerpt: &Excerpt<'_>) -> TurnState {
    let mut lines = excerpt.head_lines().map(jsonl::record::<Line<'_>>).peekable();
    let is_told = excerpt.is_whole() && lines.peek().is_some();
    if is_told && lines.all(|it| it.is_some()) {
        TurnState::NeverPrompted
    } else {
        TurnState::Unknown
    }
}

/// The session, and of a subagent the session that started it: both stand in the path.
fn identity(path: &Path) -> Option<(SessionId, Option<SessionId>)> {
    let stem = path.file_stem()?.to_str()?;
    let Some(agent) = stem.strip_prefix("agent-") else {
        return Some((SessionId::parse(stem)?, None));
    };
    let parent = path.parent()?.parent()?.file_name()?.to_str()?;
    Some((SessionId::parse(agent)?, Some(SessionId::parse(parent)?)))
}

static TITLES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(TITLE));

/// The last title of each sort. Only a record that names the session counts: a quoted one has backslashes
/// before its quotes.
#[derive(Default)]
struct Titles {
    custom: Option<String>,
    ai: Option<String>,
}

impl Titles {
    fn of<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let kept = |it: &str| Some(it.trim().to_owned()).filter(|it| !it.is_empty());
        let mut titles = Self::default();
        for line in lines.filter_map(jsonl::record::<Line<'_>>) {
            titles.custom = kept(line.custom_title.get()).or(titles.custom);
            titles.ai = kept(line.ai_title.get()).or(titles.ai);
        }
        titles
    }

    /// Those found earlier, where a person has not named the session later.
    fn or_else(self, earlier: impl FnOnce() -> Self) -> Self {
        if self.custom.is_some() {
            return self;
        }
        let earlier = earlier();
        Self { custom: earlier.custom, ai: self.ai.or(earlier.ai) }
    }
}

/// What the beginning says.
#[derive(Default)]
struct Head {
    is_record: bool,
    created: Option<Timestamp>,
    /// The id of the record that the chain of the conversation begins with. A fork copies the chain, ids and all, in its
    /// order: the first prompt of an interface may be written after its answer.
    root: Option<String>,
    /// The id of the first record that has one, where the chain begins elsewhere.
    first_uuid: Option<String>,
    prompt: Option<Prompt>,
    circumstances: Option<Circumstances>,
    /// What was handed to a program to be asked. A hook may have kept it from the model: then nobody says it again.
    queued: Option<Prompt>,
    /// The worktree that the session was begun in.
    worktree: Option<Worktree>,
}

impl Head {
    fn read(excerpt: &Excerpt<'_>) -> Self {
        let mut head = Self::default();
        for line in excerpt.head_lines() {
            let Some(line) = jsonl::record::<Line<'_>>(line) else { continue };
            head.is_record |= !line.kind.is_empty();
            head.created = head.created.or_else(|| Timestamp::parse(line.timestamp.get()));
            if head.first_uuid.is_none() {
                head.first_uuid = line.uuid.kept();
            }
            if head.root.is_none() && line.parent_uuid.as_ref().is_some_and(|it| it.is_empty()) {
                head.root = line.uuid.kept();
            }
            if head.queued.is_none() && line.operation.get() == "enqueue" {
                head.queued = line.content.kept().map(|it| Prompt::of(&it));
            }
            head.worktree = head.worktree.or_else(|| line.worktree());
            head.circumstances = head.circumstances.or_else(|| Circumstances::of(&line));
            if let Some(prompt) = line.prompt() {
                head.prompt = Some(Prompt::of(prompt.get()));
                break;
            }
        }
        head
    }

    /// The branch of a session that is where it was begun: until it is resumed, its records go on to name the branch
    /// from which its worktree was made (2.1.197).
    fn branch_of(&self, last: &Circumstances) -> Option<String> {
        let is_its = |it: &&Worktree| {
            last.cwd.as_ref().is_some_and(|cwd| cwd.as_path() == Path::new(&it.path))
                && last.branch.as_ref() == Some(&it.original_branch)
        };
        let worktree = self.worktree.as_ref().filter(is_its);
        worktree.map(|it| it.branch.clone()).or_else(|| last.branch.clone())
    }
}

/// What the end says, read backwards: the first answer to each question is the last in the file.
#[derive(Default)]
struct Tail {
    is_record: bool,
    updated: Option<Timestamp>,
    circumstances: Option<Circumstances>,
    model: Option<String>,
    /// Whether a `last-prompt` came after the last turn: the process left in good order.
    is_closed: bool,
    turn: Option<TurnState>,
    /// When the person spoke of whom `turn` tells. The first prompt of an interface may be written after its
    /// answer (2.1.197): until an older record is met, a younger one may stand before it.
    asked: Option<Timestamp>,
    /// Whether `turn` is only known to have ended: the record before says how.
    has_only_ended: bool,
}

/// What every record of the conversation repeats.
#[derive(Default)]
struct Circumstances {
    cwd: Option<AbsPath>,
    branch: Option<String>,
    is_background: bool,
    /// Whether `claude -p` or a program wrote it: nobody renames there.
    is_programmatic: bool,
}

impl Circumstances {
    fn of(line: &Line<'_>) -> Option<Self> {
        (!line.cwd.is_empty()).then(|| Self {
            cwd: AbsPath::parse(line.cwd.get()),
            // Outside a repository, and on no branch, the agent writes `HEAD`.
            branch: line.git_branch.kept().filter(|it| it != "HEAD"),
            is_background: line.session_kind.get() == "bg",
            is_programmatic: line.entrypoint.get().starts_with("sdk"),
        })
    }
}

impl Tail {
    fn read(excerpt: &Excerpt<'_>) -> Self {
        let mut tail = Self::default();
        for bytes in excerpt.tail_lines() {
            if tail.is_settled() {
                if tail.model.is_some() {
                    break;
                }
                // All that is still missing.
                if !jsonl::holds(bytes, &MODEL) {
                    continue;
                }
            }
            if let Some(line) = jsonl::record::<Line<'_>>(bytes) {
                tail.take(&line);
            }
        }
        tail
    }

    fn is_settled(&self) -> bool {
        let has_turn = self.turn.is_some() && self.asked.is_none() && !self.has_only_ended;
        has_turn && self.circumstances.is_some() && self.updated.is_some()
    }

    fn take(&mut self, line: &Line<'_>) {
        self.is_record |= !line.kind.is_empty();
        self.updated = self.updated.or_else(|| Timestamp::parse(line.timestamp.get()));
        self.circumstances = self.circumstances.take().or_else(|| Circumstances::of(line));
        if self.model.is_none() {
            let model = line.message.as_ref().map_or("", |it| it.model.get());
            if !model.is_empty() && model != SYNTHETIC {
                self.model = Some(model.to_owned());
            }
        }
        if self.turn.is_none() {
            self.is_closed |= line.kind.get() == "last-prompt";
            self.turn = self.told(line);
            self.has_only_ended = is_end(line);
            let is_asked = line.kind.get() == "user" && turn(line) == Some(TurnState::InProgress);
            self.asked = Timestamp::parse(line.timestamp.get()).filter(|_| is_asked);
        } else if let Some(asked) = self.asked
            && let Some(turn) = self.told(line)
        {
            self.asked = None;
            if Timestamp::parse(line.timestamp.get()).is_some_and(|it| it > asked) {
                self.turn = Some(turn);
                self.has_only_ended = is_end(line);
            }
        } else if self.has_only_ended
            && let Some(turn) = turn(line)
        {
            self.has_only_ended = false;
            if matches!(turn, TurnState::Failed(_) | TurnState::Interrupted) {
                self.turn = Some(turn);
            }
        }
    }

    fn told(&self, line: &Line<'_>) -> Option<TurnState> {
        let turn = turn(line)?;
        Some(if self.is_closed && turn.is_in_flight() { TurnState::Interrupted } else { turn })
    }
}

/// How the turn stands by one record, if it is one that tells.
fn turn(line: &Line<'_>) -> Option<TurnState> {
    let message = line.message.as_ref();
    match line.kind.get() {
        "user" if line.is_note() => None,
        "user" => by_person(line, message?),
        "assistant" => Some(by_model(line, message?)),
        "system" if is_end(line) => Some(TurnState::Completed),
        // A prompt handed to a program, not yet written down as such.
        "queue-operation" if matches!(line.operation.get(), "enqueue" | "dequeue") => {
            Some(TurnState::InProgress)
        }
        _ => None,
    }
}

/// Whether this is the interface's account of a turn that has ended, however it did.
fn is_end(line: &Line<'_>) -> bool {
    line.kind.get() == "system" && line.subtype.get() == "turn_duration"
}

fn by_person(line: &Line<'_>, message: &Message<'_>) -> Option<TurnState> {
    if !line.interrupted_message_id.is_empty() {
        return Some(TurnState::Interrupted);
    }
    match message.content()? {
        Content::Text(text) if text.starts_with("[Request interrupted by user") => {
            Some(TurnState::Interrupted)
        }
        // A command of the interface, or what it printed: the model is not asked.
        Content::Text(_) => line.prompt().map(|_| TurnState::InProgress),
        Content::Blocks(blocks) => {
            let is_mark = |text: &str| text.starts_with("[Request interrupted by user");
            let is_interrupted = blocks.iter().any(|it| is_mark(it.text.get()));
            Some(if is_interrupted { TurnState::Interrupted } else { TurnState::InProgress })
        }
    }
}

fn by_model(line: &Line<'_>, message: &Message<'_>) -> TurnState {
    if line.is_api_error_message == Some(true) {
        let is_login = matches!(line.api_error_status, Some(401 | 403))
            || line.error.get() == "authentication_failed";
        return TurnState::Failed(if is_login { Failure::Auth } else { Failure::Model });
    }
    match message.stop_reason.get() {
        "tool_use" | "pause_turn" => pending(message),
        // Older versions wrote lines before the answer had ended.
        "" if asks_for_tool(message).is_some() => pending(message),
        "" => TurnState::Unknown,
        _ => TurnState::Completed,
    }
}

/// A tool that is asked for and has not answered; two of them are questions to the person.
fn pending(message: &Message<'_>) -> TurnState {
    match asks_for_tool(message).as_deref() {
        Some("AskUserQuestion") => TurnState::Waiting(WaitingFor::Question),
        Some("ExitPlanMode") => TurnState::Waiting(WaitingFor::Plan),
        _ => TurnState::InProgress,
    }
}

fn asks_for_tool(message: &Message<'_>) -> Option<String> {
    let Content::Blocks(blocks) = message.content()? else { return None };
    blocks.iter().find(|it| it.kind.get() == "tool_use").map(|it| it.name.get().to_owned())
}
