//! Linux's `/proc`: the walk, and parsers of the few files that are read.
//!
//! Parsed by hand rather than by a crate: one bounded read a process is the whole cost of a snapshot,
//! and the root can be a recorded table.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::Process;
use crate::base::{Pid, ProcessRef, Timestamp};

/// The unit of start times in `/proc/<pid>/stat`. User space sees 100 on every Linux architecture
/// that runs these agents (`USER_HZ`).
pub(super) const TICKS_PER_SECOND: u64 = 100;

/// Most bytes read of a `stat`: 52 numbers and a name stay below 2 KiB.
const STAT_MAX: u64 = 4 << 10;
/// Most bytes read of arguments: a prompt may be one of them, and 1 MiB would say no more.
const ARGUMENTS_MAX: u64 = 256 << 10;
/// Most bytes read of an environment; the kernel's own bound for both together is 2 MiB by default.
const ENVIRONMENT_MAX: u64 = 2 << 20;
/// Most descriptors looked at: agents hold tens.
const OPEN_FILES_MAX: usize = 4096;
/// Most bytes read of the table of locks: a line is some 60 bytes, so this is 100,000 locks.
const LOCKS_MAX: u64 = 6 << 20;

/// An advisory lock and its holder, as `/proc/locks` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLock {
    pub device: u64,
    pub inode: u64,
    pub holder: Pid,
}

pub(super) fn walk(root: &Path) -> io::Result<Vec<Process>> {
    let mut processes = Vec::new();
    let mut text = Vec::new();
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        if !name.as_bytes().first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        match read_bounded(&root.join(&name).join("stat"), STAT_MAX, &mut text) {
            Ok(()) => processes.extend(parse_stat(&text)),
            // It has ended between the listing and here, or is another user's and not shown.
            Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(processes)
}

pub(super) fn who_is(dir: &Path) -> io::Result<Option<ProcessRef>> {
    Ok(process(dir)?.map(|it| it.identity))
}

/// The process as it is now; nothing where there is none, or a zombie; an error where that cannot be seen.
pub(super) fn process(dir: &Path) -> io::Result<Option<Process>> {
    let mut text = Vec::new();
    match read_bounded(&dir.join("stat"), STAT_MAX, &mut text) {
        Ok(()) => {}
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    }
    let (process, is_zombie) = parse_any_stat(&text).ok_or(io::ErrorKind::InvalidData)?;
    Ok((!is_zombie).then_some(process))
}

pub(super) fn identity(dir: &Path) -> Option<ProcessRef> {
    who_is(dir).ok().flatten()
}

/// Whether reading failed because the process has ended: before its file was opened, or after.
fn is_gone(error: &io::Error) -> bool {
    const ESRCH: i32 = nix::errno::Errno::ESRCH as i32;
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH)
}

pub(super) fn identity_even_ended(dir: &Path) -> Option<ProcessRef> {
    let mut text = Vec::new();
    read_bounded(&dir.join("stat"), STAT_MAX, &mut text).ok()?;
    parse_any_stat(&text).map(|(it, _)| it.identity)
}

pub(super) fn boot_time(root: &Path) -> Option<Timestamp> {
    let mut text = Vec::new();
    // The line stands behind those of the processors and of the interrupts, which can be long.
    read_bounded(&root.join("stat"), 1 << 20, &mut text).ok()?;
    let line = text.split(|it| *it == b'\n').find_map(|line| line.strip_prefix(b"btime "))?;
    let seconds: i64 = number(line)?;
    Timestamp::from_millis(seconds.checked_mul(1000)?)
}

pub(super) fn boot_id(root: &Path) -> Option<String> {
    let mut text = Vec::new();
    read_bounded(&root.join("sys/kernel/random/boot_id"), STAT_MAX, &mut text).ok()?;
    Some(String::from_utf8(text).ok()?.trim().to_owned())
}

/// Milliseconds since boot, sleep included; the kernel shows them to hundredths of a second.
pub(super) fn uptime_millis(root: &Path) -> Option<i64> {
    let mut text = Vec::new();
    read_bounded(&root.join("uptime"), 256, &mut text).ok()?;
    let (seconds, rest) = str::from_utf8(&text).ok()?.split_once('.')?;
    let hundredths = rest.get(..2).filter(|it| it.bytes().all(|it| it.is_ascii_digit()))?;
    number::<i64>(seconds.as_bytes())?
        .checked_mul(1000)?
        .checked_add(number::<i64>(hundredths.as_bytes())? * 10)
}

pub(super) fn arguments(dir: &Path) -> Option<Vec<String>> {
    let mut bytes = Vec::new();
    read_bounded(&dir.join("cmdline"), ARGUMENTS_MAX, &mut bytes).ok()?;
    // Programs that set their title leave a row of NULs behind it.
    let end = bytes.iter().rposition(|it| *it != 0).map_or(0, |at| at + 1);
    let arguments =
        bytes[..end].split(|it| *it == 0).map(|it| String::from_utf8_lossy(it).into_owned());
    Some(if end == 0 { Vec::new() } else { arguments.collect() })
}

pub(super) fn environment(dir: &Path) -> Option<BTreeMap<OsString, OsString>> {
    let mut bytes = Vec::new();
    read_bounded(&dir.join("environ"), ENVIRONMENT_MAX, &mut bytes).ok()?;
    let pair = |entry: &[u8]| {
        let at = memchr::memchr(b'=', entry)?;
        Some((
            OsString::from_vec(entry[..at].to_vec()),
            OsString::from_vec(entry[at + 1..].to_vec()),
        ))
    };
    Some(bytes.split(|it| *it == 0).filter_map(pair).collect())
}

pub(super) fn link(dir: &Path, name: &str) -> Option<PathBuf> {
    let target = fs::read_link(dir.join(name)).ok()?;
    // The kernel marks what was removed while in use; the path before the mark is the one it had.
    match target.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(path) => Some(PathBuf::from(OsStr::from_bytes(path))),
        None => Some(target),
    }
}

pub(super) fn open_files(dir: &Path) -> Option<Vec<(u32, PathBuf)>> {
    let entries = fs::read_dir(dir.join("fd")).ok()?;
    let entry = |it: fs::DirEntry| {
        Some((it.file_name().to_str()?.parse().ok()?, fs::read_link(it.path()).ok()?))
    };
    Some(entries.take(OPEN_FILES_MAX).filter_map(|it| entry(it.ok()?)).collect())
}

/// Where in its file a descriptor stands: `pos:` and a number, in the first of some short lines.
pub(super) fn position(dir: &Path, descriptor: u32) -> Option<u64> {
    let mut text = Vec::new();
    read_bounded(&dir.join("fdinfo").join(descriptor.to_string()), STAT_MAX, &mut text).ok()?;
    number(text.strip_prefix(b"pos:")?.split(|it| *it == b'\n').next()?)
}

pub(super) fn file_locks(root: &Path) -> io::Result<Vec<FileLock>> {
    let mut text = Vec::new();
    read_bounded(&root.join("locks"), LOCKS_MAX, &mut text)?;
    Ok(text.split(|it| *it == b'\n').filter_map(parse_lock).collect())
}

pub(super) fn read_bounded(path: &Path, limit: u64, into: &mut Vec<u8>) -> io::Result<()> {
    into.clear();
    File::open(path)?.take(limit).read_to_end(into)?;
    Ok(())
}

/// Reads a `stat`; nothing for a zombie.
fn parse_stat(text: &[u8]) -> Option<Process> {
    parse_any_stat(text).filter(|(_, is_zombie)| !is_zombie).map(|(it, _)| it)
}

/// Reads `pid (comm) state ppid pgrp session tty_nr … starttime …`, and whether it is a zombie.
fn parse_any_stat(text: &[u8]) -> Option<(Process, bool)> {
    // The name is the program's own choice and may hold brackets and spaces: its end is the last bracket.
    let (open, close) = (memchr::memchr(b'(', text)?, memchr::memrchr(b')', text)?);
    let comm = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
    let rest: Vec<&[u8]> = text.get(close + 2..)?.split(|it| *it == b' ').collect();
    let field = |number: usize| rest.get(number - 3).copied();
    let state = field(3)?;
    let is_zombie = matches!(state, b"Z" | b"X");
    let identity = ProcessRef {
        pid: Pid(number(text[..open].trim_ascii())?),
        start_ticks: number(field(22)?)?,
    };
    let process = Process {
        identity,
        parent: Pid(number(field(4)?)?),
        group: Pid(number(field(5)?)?),
        session: Pid(number(field(6)?)?),
        comm,
        has_terminal: number::<i64>(field(7)?)? != 0,
        // A small `t` is held by a debugger.
        is_suspended: state == b"T",
    };
    Some((process, is_zombie))
}

/// Reads `1: FLOCK  ADVISORY  WRITE 28823 fe:00:10209323 0 EOF`. Lines of waiters (`->`) hold nothing.
fn parse_lock(line: &[u8]) -> Option<FileLock> {
    let words: Vec<&[u8]> =
        line.split(u8::is_ascii_whitespace).filter(|it| !it.is_empty()).collect();
    let [_, kind, _, _, holder, place, ..] = words[..] else { return None };
    if kind == b"->" {
        return None;
    }
    let mut parts = str::from_utf8(place).ok()?.splitn(3, ':');
    let major = u32::from_str_radix(parts.next()?, 16).ok()?;
    let minor = u32::from_str_radix(parts.next()?, 16).ok()?;
    let inode = parts.next()?.parse().ok()?;
    Some(FileLock { device: device(major, minor), inode, holder: Pid(number(holder)?) })
}

/// A device number as `stat` gives it (glibc's `makedev`).
fn device(major: u32, minor: u32) -> u64 {
    let (major, minor) = (u64::from(major), u64::from(minor));
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    str::from_utf8(digits.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from a Claude Code 2.1.197 process, with a hostile name put in its place.
    const STAT: &[u8] = b"28352 (a) (b c) S 28350 28352 28352 34816 28352 4194304 9 0 0 0 1 2 0 0 20 0 11 0 124980 74780000000 9 18446744073709551615";

    #[test]
    fn what_is_read_of_a_process_has_an_end() {
        let root = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(root.path().join(name), bytes).unwrap();
        let long = |limit: u64| vec![b'x'; usize::try_from(limit).unwrap() + 1];
        put("cmdline", &long(ARGUMENTS_MAX));
        let arguments = arguments(root.path()).unwrap();
        assert_eq!(arguments[0].len() as u64, ARGUMENTS_MAX);

        put("environ", &[&b"a="[..], &long(ENVIRONMENT_MAX)].concat());
        let environment = environment(root.path()).unwrap();
        assert_eq!(environment[OsStr::new("a")].len() as u64, ENVIRONMENT_MAX - 2);

        let stat = |fill: u64| [b"1 (", &long(fill)[..], &STAT[b"28352 (a) (b c".len()..]].concat();
        put("stat", &stat(1 << 10));
        assert!(identity(root.path()).is_some());
        put("stat", &stat(STAT_MAX));
        assert_eq!(who_is(root.path()).unwrap_err().kind(), io::ErrorKind::InvalidData);

        let lock = b"1: FLOCK  ADVISORY  WRITE 28823 fe:00:10209323 0 EOF\n";
        let blank = vec![b'\n'; usize::try_from(LOCKS_MAX).unwrap() - 2 * lock.len()];
        put("locks", &[&lock[..], &blank, lock].concat());
        assert_eq!(file_locks(root.path()).unwrap().len(), 2);
        put("locks", &[&lock[..], &blank, lock, lock].concat());
        assert_eq!(file_locks(root.path()).unwrap().len(), 2);

        fs::create_dir(root.path().join("fd")).unwrap();
        for descriptor in 0..=OPEN_FILES_MAX {
            let link = root.path().join(format!("fd/{descriptor}"));
            std::os::unix::fs::symlink("/x", link).unwrap();
        }
        assert_eq!(open_files(root.path()).unwrap().len(), OPEN_FILES_MAX);
    }

    #[test]
    fn a_stat_line_is_read_whatever_its_name_holds() {
        let process = parse_stat(STAT).unwrap();
        assert_eq!(process.comm, "a) (b c");
        assert_eq!(process.identity, ProcessRef { pid: Pid(28352), start_ticks: 124_980 });
        assert_eq!(
            (process.parent, process.group, process.has_terminal),
            (Pid(28350), Pid(28352), true)
        );
    }

    #[test]
    fn a_descriptor_tells_where_it_stands() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("fdinfo")).unwrap();
        let check = |text: &str, expect| {
            fs::write(dir.path().join("fdinfo/7"), text).unwrap();
            assert_eq!(position(dir.path(), 7), expect, "{text:?}");
        };
        check("pos:\t9965\nflags:\t0102001\nmnt_id:\t27\n", Some(9965));
        check("pos:\t0\n", Some(0));
        for text in ["", "pos:", "pos:\tx\n", "pos:\t-1\n", "flags:\t1\npos:\t5\n"] {
            check(text, None);
        }
        assert_eq!(position(dir.path(), 8), None);
    }

    #[test]
    fn what_is_suspended_is_told_from_what_a_debugger_holds() {
        let check = |state: &str, expect| {
            let stat = String::from_utf8_lossy(STAT).replace(") S ", &format!(") {state} "));
            assert_eq!(parse_stat(stat.as_bytes()).unwrap().is_suspended, expect, "{state}");
        };
        check("S", false);
        check("R", false);
        check("D", false);
        check("T", true);
        check("t", false);
    }

    #[test]
    fn zombies_and_torn_lines_are_no_process() {
        let zombie = String::from_utf8_lossy(STAT).replace(") S ", ") Z ");
        assert_eq!(parse_stat(zombie.as_bytes()), None);
        let start_time = memchr::memmem::find(STAT, b"124980").unwrap();
        for end in 0..start_time {
            assert_eq!(parse_stat(&STAT[..end]), None, "cut at {end}");
        }
    }

    #[test]
    fn what_is_known_to_the_second_is_made_exact_by_the_uptime() {
        let root = tempfile::tempdir().unwrap();
        let check = |uptime: &str, now: i64, expect: &str| {
            fs::write(root.path().join("stat"), "btime 1795377600\n").unwrap();
            fs::write(root.path().join("uptime"), uptime).unwrap();
            let table = super::super::ProcessTable::snapshot(root.path()).unwrap();
            let process = ProcessRef { pid: Pid(1), start_ticks: 100 };
            let now = Timestamp::from_millis(1_795_377_600_000 + now).unwrap();
            assert_eq!(table.started_near(process, now).unwrap().to_string(), expect, "{uptime}");
        };
        check("60.50 100.00\n", 61_380, "2026-11-22T20:00:01.880Z");
        // An uptime that is another system's, or none: only the second is known.
        for other in ["5.00 1.00\n", "", "x.yz", "60.5"] {
            check(other, 61_380, "2026-11-22T20:00:01.000Z");
        }
    }

    #[test]
    fn locks_name_their_holder_and_waiters_are_left_out() {
        let held = b"1: FLOCK  ADVISORY  WRITE 28823 fe:00:10209323 0 EOF";
        let lock = FileLock { device: 0xfe00, inode: 10_209_323, holder: Pid(28823) };
        assert_eq!(parse_lock(held), Some(lock));
        assert_eq!(parse_lock(b"1: -> FLOCK  ADVISORY  WRITE 9 fe:00:10209323 0 EOF"), None);
        assert_eq!(parse_lock(b""), None);
        assert_eq!(device(259, 300), 0x0011_032c);
    }

    #[test]
    fn a_recorded_table_reads_like_the_kernels() {
        let recorded = crate::testing::FakeProc::new();
        let recorded_process = recorded.process(28352, 124_980, "pi");
        let root = recorded.root();
        let dir = root.join("28352");
        assert_eq!(recorded_process.identity.start_ticks, 124_980);
        fs::write(dir.join("cmdline"), b"pi\0\0\0\0").unwrap();
        fs::write(dir.join("environ"), b"HOME=/home/dev\0EMPTY=\0torn").unwrap();
        std::os::unix::fs::symlink("/home/dev/work (deleted)", dir.join("cwd")).unwrap();
        std::os::unix::fs::symlink("/x/rollout.jsonl", dir.join("fd/42")).unwrap();

        let table = super::super::ProcessTable::snapshot(root).unwrap();
        let process = table.get(Pid(28352)).unwrap().identity;
        assert_eq!(table.arguments(process), ["pi"]);
        assert_eq!(table.cwd(process), Some(PathBuf::from("/home/dev/work")));
        assert_eq!(table.open_files(process), [(42, PathBuf::from("/x/rollout.jsonl"))]);
        let environment = table.environment(process).unwrap();
        assert_eq!(environment.get(OsStr::new("HOME")), Some(&OsString::from("/home/dev")));
        assert_eq!(table.started_at(process).unwrap().to_string(), "2026-11-22T20:20:49.800Z");

        let recycled = ProcessRef { start_ticks: 1, ..process };
        assert!(table.is_alive(process) && !table.is_alive(recycled));
        assert_eq!(table.arguments(recycled), Vec::<String>::new());
        assert_eq!(table.lineage(Pid(28352)).count(), 1);
    }

    #[test]
    fn a_directory_in_which_the_kernel_shows_nothing_is_no_table() {
        let nothing = tempfile::tempdir().unwrap();
        let error = super::super::ProcessTable::snapshot(nothing.path()).unwrap_err();
        assert_eq!(error.to_string(), "none is shown, not even this one");
        let nobody = crate::testing::FakeProc::new();
        assert!(super::super::ProcessTable::snapshot(nobody.root()).is_ok());
    }
}
