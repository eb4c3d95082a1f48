//! What the targets share: an arbitrary transcript, seen as `files.rs` would show it to a parser.

use std::path::Path;

use headcount::adapters::excerpt::Excerpt;
use headcount::adapters::files::FileAgent;

/// Shows the bytes to an agent's parser, whole and cut, and each line to its reader of turns.
///
/// The first two bytes choose where head and tail are cut.
pub fn transcript(agent: &FileAgent, name: &str, data: &[u8]) {
    let Some((choice, bytes)) = data.split_first_chunk::<2>() else { return };
    let path = Path::new(name);
    drop((agent.parse)(&Excerpt::whole(path, bytes)));
    let at = |choice: u8| bytes.len() * usize::from(choice) / 256;
    let (head, tail) = (&bytes[..at(choice[0])], &bytes[at(choice[1])..]);
    drop((agent.parse)(&Excerpt::parts(path, head, tail)));
    for line in bytes.split(|it| *it == b'\n') {
        drop((agent.turns)(line));
    }
}
