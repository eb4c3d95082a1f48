//! Entries as rows: a noun, a name and a JSON text each. PURE.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::entry::{Elsewhere, LaunchEntry, Ledger};
use super::fuses::Firing;
use super::stops::Stop;
use crate::procs::{Place, Sight};
use crate::protocol::fuse::Fuse;
use crate::protocol::lock::Lock;

const LAUNCH: &str = "launch";
const LOCK: &str = "lock";
const FUSE: &str = "fuse";
const FIRING: &str = "firing";
const STOP: &str = "stop";

/// A row by noun and name, and what it shall say; nothing where it shall be gone.
pub(super) type RowChange = (&'static str, String, Option<String>);

/// Takes the entry of one row in, as it is seen from here.
pub(super) fn take_in(
    ledger: &mut Ledger,
    noun: &str,
    body: &str,
    here: &Place,
) -> serde_json::Result<()> {
    match noun {
        LAUNCH => {
            let stored: Stored = serde_json::from_str(body)?;
            ledger.launches.push(stored.seen_from(here));
        }
        LOCK => ledger.locks.push(serde_json::from_str(body)?),
        FUSE => ledger.fuses.push(serde_json::from_str(body)?),
        FIRING => ledger.firings.push(serde_json::from_str(body)?),
        STOP => ledger.stops.push(serde_json::from_str(body)?),
        // Additions of a later version under the same schema stay as they are.
        _ => {}
    }
    Ok(())
}

/// The rows to write, and those to delete, so that what was stored from here `before` becomes `after`.
pub(super) fn changes(
    before: &Ledger,
    after: &Ledger,
    here: &Place,
) -> serde_json::Result<Vec<RowChange>> {
    let stored = |it: &LaunchEntry| text(&Stored::of(it, here));
    let id = |it: &LaunchEntry| it.launch.launch_id.clone();
    let mut rows = differences(LAUNCH, &before.launches, &after.launches, id, stored)?;
    let directory = |it: &Lock| it.directory.to_string();
    rows.extend(differences(LOCK, &before.locks, &after.locks, directory, text)?);
    let directory = |it: &Fuse| it.directory.to_string();
    rows.extend(differences(FUSE, &before.fuses, &after.fuses, directory, text)?);
    rows.extend(differences(FIRING, &before.firings, &after.firings, Firing::name, text)?);
    rows.extend(differences(STOP, &before.stops, &after.stops, Stop::name, text)?);
    Ok(rows)
}

/// How entries of one kind have changed. Only what differs is written out: most of a ledger never does.
fn differences<T: PartialEq>(
    noun: &'static str,
    before: &[T],
    after: &[T],
    name: impl Fn(&T) -> String,
    text: impl Fn(&T) -> serde_json::Result<String>,
) -> serde_json::Result<Vec<RowChange>> {
    let mut left: HashMap<String, &T> = before.iter().map(|it| (name(it), it)).collect();
    let mut changes = Vec::new();
    for entry in after {
        let name = name(entry);
        if left.remove(&name) != Some(entry) {
            changes.push((noun, name, Some(text(entry)?)));
        }
    }
    changes.extend(left.into_keys().map(|name| (noun, name, None)));
    Ok(changes)
}

fn text<T: Serialize>(entry: &T) -> serde_json::Result<String> {
    serde_json::to_string(entry)
}

/// A launch as it is stored, with the place where its processes mean what they mean.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(default)]
    place: Place,
    #[serde(flatten)]
    entry: LaunchEntry,
}

impl Stored {
    fn of(entry: &LaunchEntry, here: &Place) -> Self {
        let mut entry = entry.clone();
        let Some(Elsewhere { place, process, keeper }) = entry.elsewhere.take() else {
            return Self { place: here.clone(), entry };
        };
        Self { place, entry: LaunchEntry { process, keeper, ..entry } }
    }

    fn seen_from(self, here: &Place) -> LaunchEntry {
        let Self { place, mut entry } = self;
        let sight = here.sees(&place);
        if sight == Sight::Here {
            return entry;
        }
        let (process, keeper) = (entry.process.take(), entry.keeper.take());
        if sight == Sight::Elsewhere {
            entry.elsewhere = Some(Elsewhere { place, process, keeper });
        }
        entry
    }
}
