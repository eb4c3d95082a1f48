//! Exact tokens: every answer of the model's, counted once, whatever lines repeat it.

use std::collections::BTreeMap;

use super::super::evidence::Sighting;
use super::super::files::{Beyond, Found};
use super::super::scan;
use super::chat;
use crate::base::SessionId;
use crate::protocol::session::Usage;
use crate::scope::Scope;

/// Counts the sessions whose usage is wanted.
pub(super) fn count(scope: &Scope, found: &Found, beyond: &mut Beyond) {
    let wanted = found.to_count(&scope.interest);
    let counted = scan::all::<Answers>(scope, &wanted, &mut beyond.problems);
    let mut sessions: BTreeMap<&SessionId, BTreeMap<String, Usage>> = BTreeMap::new();
    for (transcript, answers) in wanted.into_iter().zip(counted) {
        let Some(answers) = answers else { continue };
        sessions.entry(&transcript.record.session).or_default().extend(answers.0.clone());
    }
    for (session, answers) in sessions.into_iter().filter(|(_, it)| !it.is_empty()) {
        let mut usage = Usage::default();
        for answer in answers.values() {
            usage.add(answer);
        }
        beyond.sightings.push(Sighting::Counted { session: session.clone(), usage });
    }
}

/// The answers of one file, by their id.
#[derive(Debug, Default)]
struct Answers(BTreeMap<String, Usage>);

impl scan::Tally for Answers {
    const PURPOSE: &'static str = "gemini usage";
    const NEEDLE: &'static str = r#""tokens""#;

    fn add(&mut self, line: &[u8]) {
        let answers = chat::messages(line).into_iter();
        self.0.extend(answers.filter_map(|it| Some((it.id?, it.tokens?.shown()))));
    }
}
