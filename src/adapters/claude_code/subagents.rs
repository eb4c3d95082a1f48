//! What a subagent was asked to do stands in a small file beside its transcript.

use std::sync::Arc;

use serde::Deserialize;

use crate::adapters::Record;
use crate::adapters::evidence::{Sighting, problem_at};
use crate::adapters::files::{Beyond, Found, Rewritten, Transcript};
use crate::adapters::jsonl::{self, Text};
use crate::protocol::session::{Problem, ProblemKind, SessionKind};
use crate::scope::Scope;

/// Under what the completed records are remembered.
const PURPOSE: &str = "claude-code subagent";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta<'a> {
    #[serde(borrow)]
    description: Text<'a>,
}

/// Gives subagents their titles. The file is written once, when the subagent starts, so that what it says is
/// kept with the state of the transcript. That it said nothing yet is not.
pub(super) fn name(scope: &Scope, found: &Found, files: &Rewritten<'_>, beyond: &mut Beyond) {
    for transcript in found.transcripts.iter().filter(|it| is_subagent(it)) {
        if scope.is_cancelled() {
            break;
        }
        let known = scope.memo.recall(PURPOSE, transcript.stamp);
        match known.map_or_else(|| named(scope, transcript, files), |it| Ok(Some(it))) {
            Ok(record) => beyond.sightings.extend(record.map(Sighting::Recorded)),
            Err(problem) => beyond.problems.push(problem),
        }
    }
}

fn is_subagent(transcript: &Transcript) -> bool {
    transcript.record.kind == SessionKind::Subagent
}

/// The record with what the file says; nothing where there is none.
fn named(
    scope: &Scope,
    transcript: &Transcript,
    files: &Rewritten<'_>,
) -> Result<Option<Arc<Record>>, Problem> {
    let path = transcript.path.with_extension("meta.json");
    let Some(bytes) = files.object(&path)? else { return Ok(None) };
    let Some(meta) = jsonl::record::<Meta<'_>>(&bytes) else {
        return Err(problem_at(ProblemKind::Malformed, &path, "members of unknown types"));
    };
    let title = meta.description.kept();
    let record = Arc::new(Record { title, ..(*transcript.record).clone() });
    scope.memo.remember(PURPOSE, transcript.stamp, record.clone());
    Ok(Some(record))
}
