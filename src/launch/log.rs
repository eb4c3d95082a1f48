//! The log of a launch: what the agent says, bounded, and the last of it at hand.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::env::Env;

/// Most bytes in a log; then it is put aside and begun anew, and what was put aside before is gone.
/// Two of them hold days of an agent's events.
const LOG_MAX: u64 = 8 << 20;
/// How much of the last output a failed launch shows.
pub(super) const TAIL_MAX: usize = 2 << 10;

pub(super) struct LaunchLog {
    path: PathBuf,
    file: File,
    size: u64,
    tail: VecDeque<u8>,
}

impl LaunchLog {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let file = open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size, tail: VecDeque::new() })
    }

    /// Keeps what the agent said. A disk that is full costs the log, not the agent.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        let surplus = (self.tail.len() + bytes.len()).saturating_sub(TAIL_MAX);
        self.tail.drain(..surplus.min(self.tail.len()));
        self.tail.extend(&bytes[bytes.len().saturating_sub(TAIL_MAX)..]);
        if self.size + bytes.len() as u64 > LOG_MAX && self.size > 0 && self.rotate().is_err() {
            return;
        }
        if self.file.write_all(bytes).is_ok() {
            self.size += bytes.len() as u64;
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        fs::rename(&self.path, set_aside(&self.path))?;
        self.file = open(&self.path)?;
        self.size = 0;
        Ok(())
    }

    /// The last that was said, from a whole character on.
    pub(super) fn tail(&self) -> String {
        let bytes: Vec<u8> = self.tail.iter().copied().collect();
        let start = bytes.iter().position(|it| it & 0xc0 != 0x80).unwrap_or(0);
        let text = String::from_utf8_lossy(&bytes[start..]);
        // Bytes that are no text take more room as the mark that stands for them.
        let from = text.len().saturating_sub(TAIL_MAX);
        let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text[from..].to_owned()
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).mode(0o600).open(path)
}

/// Where the logs of launches are kept.
pub(super) fn dir(env: &Env) -> PathBuf {
    env.state_dir().join("launches")
}

/// Where the older half of a log is.
pub(super) fn set_aside(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

/// The log that a file is of; nothing where it is of none.
pub(super) fn of_either_half(path: &Path) -> Option<PathBuf> {
    match path.extension()?.to_str()? {
        "log" => Some(path.to_owned()),
        "1" => {
            Some(path.with_extension("")).filter(|it| it.extension().is_some_and(|it| it == "log"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_bounded_private_and_remembers_the_last() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("launches/one.log");
        let mut log = LaunchLog::open(&path).unwrap();
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..20 {
            log.write(&chunk);
        }
        log.write("the end: ü".as_bytes());
        let size = |it: &Path| fs::metadata(it).unwrap().len();
        assert!(size(&path) <= LOG_MAX && size(&set_aside(&path)) <= LOG_MAX);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 2);
        for half in [path.clone(), set_aside(&path)] {
            assert_eq!(of_either_half(&half), Some(path.clone()));
        }
        assert_eq!(of_either_half(Path::new("/launches/x.1")), None);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(log.tail().ends_with("the end: ü") && log.tail().len() <= TAIL_MAX);
    }

    #[test]
    fn the_tail_never_begins_inside_a_character() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LaunchLog::open(&dir.path().join("one.log")).unwrap();
        log.write("é".repeat(TAIL_MAX).as_bytes());
        log.write(b"x");
        assert!(log.tail().starts_with('é') && log.tail().ends_with('x'));
    }
}
