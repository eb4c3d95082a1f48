//! Whether an interface waits for a person: nothing records that, and nothing is drawn then (0.61.0).
//!
//! While the model thinks, the seconds are counted on the screen, and while a tool works, a mark turns. Settings can leave
//! that mark out (`ui.showSpinner`): where they speak of it, nothing is concluded.

use std::path::{Path, PathBuf};

use crate::adapters::Record;
use crate::adapters::evidence::{Bond, Claim, TurnState, WaitingFor};
use crate::adapters::files::read_small;
use crate::base::ProcessRef;
use crate::scope::Scope;

/// The setting by which a tool at work may look as if it waited.
const MARK: &str = "showSpinner";
/// What an administrator sets for all users.
const SYSTEM_SETTINGS: &str = "/etc/gemini-cli/settings.json";

/// Tells of each session in a turn whose interface draws nothing that it waits. `is_interface` is asked for the process
/// that claims it.
pub(super) fn tell(
    scope: &Scope,
    roots: &[PathBuf],
    claims: &[Claim],
    is_interface: impl Fn(ProcessRef) -> bool,
    records: &mut [Record],
) {
    for record in records.iter_mut().filter(|it| it.turn == TurnState::InProgress) {
        let owns = |it: &&Claim| it.session.as_ref() == Some(&record.session);
        let mut owners = claims.iter().filter(owns).filter(|it| it.bond != Bond::Alike);
        let (Some(owner), None) = (owners.next(), owners.next()) else { continue };
        let is_still = || {
            let terminal = scope.processes.terminal(owner.process);
            terminal.is_some_and(|it| !it.may_be_drawn_on(scope.now))
        };
        if is_interface(owner.process)
            && !scope.processes.is_suspended(owner.process)
            && is_still()
            && draws_at_work(roots, record)
        {
            record.turn = TurnState::Waiting(WaitingFor::Input);
        }
    }
}

/// Whether something is drawn while a tool works. What cannot be read may say otherwise.
fn draws_at_work(roots: &[PathBuf], record: &Record) -> bool {
    let of_project = record.cwd.as_ref().map(|it| it.as_path().join(".gemini"));
    let dirs = roots.iter().cloned().chain(of_project);
    let files = dirs.map(|it| it.join("settings.json")).chain([PathBuf::from(SYSTEM_SETTINGS)]);
    files.into_iter().all(|it| is_silent_about_the_mark(&it))
}

fn is_silent_about_the_mark(settings: &Path) -> bool {
    match read_small(settings) {
        Ok(text) => memchr::memmem::find(&text, MARK.as_bytes()).is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}
