//! What a subagent was asked to do stands in a small file beside its transcript.

use std::io;
use std::sync::Arc;

use serde::Deserialize;

use crate::adapters::Record;
use crate::adapters::evidence::{Sighting, problem_at};
use crate::adapters::files::{Beyond, Found, Transcript, read_small};
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
/// kept with the state of the transcript.
pub(super) fn name(scope: &Scope, found: &Found, beyond: &mut Beyond) {
    type Named = Result<Arc<Record>, Problem>;
    for transcript in found.transcripts.iter().filter(|it| is_subagent(it)) {
        let known = scope.memo.recall::<Named>(PURPOSE, transcript.stamp);
        let named = known.unwrap_or_else(|| {
            let named = Arc::new(named(transcript));
            scope.memo.remember(PURPOSE, transcript.stamp, named.clone());
            named
        });
        match &*named {
            Ok(record) => beyond.sightings.push(Sighting::Recorded(record.clone())),
            Err(problem) => beyond.problems.push(problem.clone()),
        }
    }
}

fn is_subagent(transcript: &Transcript) -> bool {
    transcript.record.kind == SessionKind::Subagent
}

fn named(transcript: &Transcript) -> Result<Arc<Record>, Problem> {
    let path = transcript.path.with_extension("meta.json");
    let bytes = match read_small(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(transcript.record.clone());
        }
        Err(error) => return Err(problem_at(ProblemKind::Unreadable, &path, error.to_string())),
    };
    let Some(meta) = jsonl::record::<Meta<'_>>(&bytes) else {
        return Err(problem_at(ProblemKind::Malformed, &path, "not a JSON object"));
    };
    Ok(Arc::new(Record { title: meta.description.kept(), ..(*transcript.record).clone() }))
}
