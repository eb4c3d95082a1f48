//! A line of a transcript, read into the few members that matter.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::adapters::jsonl::{self, Text};

/// The model that the client names where it makes up an answer itself.
pub(super) const SYNTHETIC: &str = "<synthetic>";

/// A record. What is absent or of another type than expected is an empty text, false or nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Line<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) subtype: Text<'a>,
    #[serde(borrow)]
    pub(super) uuid: Text<'a>,
    /// Of the record that this one follows; empty, for null, in the first. Not everything follows something.
    #[serde(borrow, deserialize_with = "jsonl::where_there")]
    pub(super) parent_uuid: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) timestamp: Text<'a>,
    #[serde(borrow)]
    pub(super) cwd: Text<'a>,
    #[serde(borrow)]
    pub(super) git_branch: Text<'a>,
    #[serde(borrow)]
    pub(super) entrypoint: Text<'a>,
    #[serde(borrow)]
    pub(super) session_kind: Text<'a>,
    /// Of a `queue-operation`.
    #[serde(borrow)]
    pub(super) operation: Text<'a>,
    /// Of one that puts a prompt into the queue.
    #[serde(borrow)]
    pub(super) content: Text<'a>,
    /// Of a `worktree-state`.
    #[serde(borrow)]
    pub(super) worktree_session: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) custom_title: Text<'a>,
    #[serde(borrow)]
    pub(super) ai_title: Text<'a>,
    /// Where a prompt came from; machine-made ones have none.
    #[serde(borrow)]
    pub(super) prompt_source: Text<'a>,
    #[serde(borrow)]
    pub(super) interrupted_message_id: Text<'a>,
    #[serde(borrow)]
    pub(super) error: Text<'a>,
    #[serde(deserialize_with = "jsonl::or_nothing")]
    pub(super) api_error_status: Option<u16>,
    #[serde(deserialize_with = "jsonl::or_nothing")]
    pub(super) is_api_error_message: Option<bool>,
    #[serde(deserialize_with = "jsonl::or_nothing")]
    pub(super) is_meta: Option<bool>,
    /// Whether a subagent says it, which older versions wrote into the transcript of who started it.
    #[serde(deserialize_with = "jsonl::or_nothing")]
    pub(super) is_sidechain: Option<bool>,
    #[serde(deserialize_with = "jsonl::or_nothing")]
    pub(super) is_compact_summary: Option<bool>,
    #[serde(borrow, deserialize_with = "jsonl::object_or_nothing")]
    pub(super) message: Option<Message<'a>>,
    /// Of a record that `/branch` has copied, and of copies of that.
    #[serde(borrow, deserialize_with = "jsonl::object_or_nothing")]
    pub(super) forked_from: Option<ForkedFrom<'a>>,
}

/// Where `/branch` has copied a record from.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ForkedFrom<'a> {
    #[serde(borrow, rename = "sessionId")]
    pub(super) session: Text<'a>,
}

/// Where a session works that was given a worktree of its own.
#[derive(Debug, Deserialize)]
pub(super) struct Worktree {
    #[serde(rename = "worktreePath")]
    pub(super) path: String,
    #[serde(rename = "worktreeBranch")]
    pub(super) branch: String,
    #[serde(rename = "originalBranch")]
    pub(super) original_branch: String,
}

/// What was said.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) model: Text<'a>,
    #[serde(borrow)]
    pub(super) stop_reason: Text<'a>,
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
}

/// What a message says: a prompt is a text, everything else is a list of blocks.
#[derive(Debug)]
pub(super) enum Content<'a> {
    Text(Text<'a>),
    Blocks(Vec<Block<'a>>),
}

/// A part of a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    #[serde(borrow)]
    pub(super) text: Text<'a>,
    /// Of a `tool_use`.
    #[serde(borrow)]
    pub(super) name: Text<'a>,
    /// Of a `tool_use`.
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    /// Of a `tool_result`: a text, or blocks of its own.
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    pub(super) fn content(&self) -> Option<Content<'a>> {
        content(self.content?)
    }
}

impl<'a> Block<'a> {
    pub(super) fn content(&self) -> Option<Content<'a>> {
        content(self.content?)
    }
}

fn content(raw: &RawValue) -> Option<Content<'_>> {
    if raw.get().starts_with('"') {
        Some(Content::Text(serde_json::from_str(raw.get()).ok()?))
    } else {
        Some(Content::Blocks(serde_json::from_str(raw.get()).ok()?))
    }
}

impl<'a> Line<'a> {
    /// What the person said, if it is a person who speaks in this record: not a tool's answer, not a note
    /// that the client puts in the person's mouth.
    pub(super) fn prompt(&self) -> Option<Text<'a>> {
        if self.kind.get() != "user" || self.is_note() {
            return None;
        }
        let text = match self.message.as_ref()?.content()? {
            Content::Text(text) => text,
            Content::Blocks(blocks) => {
                let is_said = |it: &Block<'_>| it.kind.get() == "text" && !it.text.is_empty();
                // An editor puts what it knows before what the person types.
                let is_human = |it: &Block<'_>| is_said(it) && !it.text.get().starts_with('<');
                blocks.into_iter().find(is_human)?.text
            }
        };
        if let Some(command) = command(&text) {
            return Some(command.into());
        }
        // Commands and their output stand between tags; so may a person's own text, but its source is told.
        let is_command = ["<command-", "<local-command-"].iter().any(|it| text.starts_with(it));
        let is_machine = is_command || (text.starts_with('<') && self.prompt_source.is_empty());
        let is_mark = text.starts_with("[Request interrupted by user");
        (!text.trim().is_empty() && !is_machine && !is_mark).then_some(text)
    }

    /// The worktree that the record speaks of.
    pub(super) fn worktree(&self) -> Option<Worktree> {
        serde_json::from_str(self.worktree_session?.get()).ok()
    }

    /// Whether the client speaks here in the person's name.
    pub(super) fn is_note(&self) -> bool {
        self.is_meta == Some(true) || self.is_compact_summary == Some(true)
    }
}

/// A command that asks the model, as a person types it: `/deploy prod`. Those of the interface's own begin with the
/// name, and nobody is asked.
fn command(text: &str) -> Option<String> {
    if !text.starts_with("<command-message>") {
        return None;
    }
    let inside = |opening: &str, closing: &str| {
        let (_, rest) = text.split_once(opening)?;
        Some(rest.rsplit_once(closing)?.0.trim())
    };
    let name = inside("<command-name>", "</command-name>")?;
    let given = inside("<command-args>", "</command-args>").unwrap_or_default();
    Some(if given.is_empty() { name.to_owned() } else { format!("{name} {given}") })
}
