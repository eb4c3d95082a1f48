//! What a list costs, beside what reading the same files costs in any program.
//!
//! `cargo bench --bench list` makes a store of 2,000 sessions (`benches/corpus.py`, 1.3 GB, once, below `target/`), then
//! alternates floor and server, so that a noisy machine disturbs both. `HEADCOUNT_BENCH_HOME` names a store to
//! measure instead.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]
#![allow(clippy::disallowed_methods, reason = "it starts the server, and times it")]
#![allow(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memmem::Finder;

/// How often each is measured; the median is shown.
const ROUNDS: usize = 7;
const HEAD: usize = 8 << 10;
const TAIL: usize = 64 << 10;
const CHUNK: usize = 256 << 10;

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"session.list","params":{"limit":10000,"deadlineMs":600000}}"#;
const USAGE: &str = r#"{"jsonrpc":"2.0","id":2,"method":"session.list","params":{"limit":10000,"deadlineMs":600000,"include":["usage"],"includeSubagents":true}}"#;

fn main() {
    let home = home();
    let files = transcripts(&home);
    let bytes: u64 = files.iter().map(|(_, size)| size).sum();
    println!("{} transcripts, {} MB, {ROUNDS} rounds, medians", files.len(), bytes >> 20);

    let nothing = tempfile::tempdir().unwrap();
    let mut measured = Measured::default();
    for _ in 0..ROUNDS {
        measured.spawn.push(time(|| {
            Command::new("/bin/true").status().unwrap();
        }));
        let started = Instant::now();
        let mut server = Server::start(nothing.path());
        server.ask(LIST);
        measured.reply.push(started.elapsed());
        server.end();

        measured.ends.push(time(|| on_two_threads(&transcripts(&home), read_ends)));
        measured.known_ends.push(time(|| on_two_threads(&files, read_ends)));
        measured
            .names
            .push(time(|| on_two_threads(&largest_first(transcripts(&home)), read_ends_and_names)));
        measured.stats.push(time(|| assert_eq!(transcripts(&home).len(), files.len())));
        measured.newlines.push(time(|| on_two_threads(&files, count_newlines)));

        let started = Instant::now();
        let mut server = Server::start(&home);
        server.ask(LIST);
        measured.first.push(started.elapsed());
        measured.again.push(time(|| server.ask(LIST)));
        measured.usage.push(time(|| server.ask(USAGE)));
        server.ask(LIST);
        measured.resident_kb.push(server.resident_kb());
        server.end();
    }
    measured.print();
}

#[derive(Default)]
struct Measured {
    spawn: Vec<Duration>,
    reply: Vec<Duration>,
    ends: Vec<Duration>,
    known_ends: Vec<Duration>,
    names: Vec<Duration>,
    stats: Vec<Duration>,
    newlines: Vec<Duration>,
    first: Vec<Duration>,
    again: Vec<Duration>,
    usage: Vec<Duration>,
    resident_kb: Vec<u64>,
}

impl Measured {
    fn print(mut self) {
        let ms = |it: Duration| it.as_secs_f64() * 1000.0;
        println!("{:<34}{:>10}{:>10}{:>8}{:>8}", "", "server", "floor", "ratio", "aim");
        let row = |what: &str, server: &mut Vec<Duration>, floor: &mut Vec<Duration>, aim: f64| {
            let (server, floor) = (ms(median(server)), ms(median(floor)));
            let ratio = server / floor;
            println!("{what:<34}{server:>7.1} ms{floor:>7.1} ms{ratio:>8.2}{aim:>8.1}");
        };
        row("start to first whole list", &mut self.first, &mut self.ends, 2.5);
        row("the same, files known before", &mut self.first, &mut self.known_ends, 2.5);
        row("the same, every name found", &mut self.first, &mut self.names, 2.5);
        row("the list again", &mut self.again, &mut self.stats, 2.0);
        row("exact usage of everything, once", &mut self.usage, &mut self.newlines, 2.0);
        let (reply, spawn) = (ms(median(&mut self.reply)), ms(median(&mut self.spawn)));
        let more = format!("+{:.1}", reply - spawn);
        println!(
            "{:<34}{reply:>7.1} ms{spawn:>7.1} ms{more:>8}{:>8}",
            "first reply, nothing stored", "+8"
        );
        let resident = median(&mut self.resident_kb) / 1024;
        println!("{:<34}{resident:>7} MB{:>18}{:>8}", "resident memory after it", "", 30);
    }
}

fn median<T: Copy + Ord>(values: &mut [T]) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let started = Instant::now();
    std::hint::black_box(work());
    started.elapsed()
}

fn home() -> PathBuf {
    if let Some(home) = env::var_os("HEADCOUNT_BENCH_HOME") {
        return home.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = root.join("target/bench-store");
    if !home.with_extension("manifest.json").exists() {
        let made = Command::new("python3")
            .arg(root.join("benches/corpus.py"))
            .args(["--profile", "heavy", "--manifest"])
            .arg(home.with_extension("manifest.json"))
            .arg("--home")
            .arg(&home)
            .status();
        assert!(made.unwrap().success(), "benches/corpus.py failed");
    }
    home
}

/// Every transcript below the agents' directories, with its size: a walk and a stat.
fn transcripts(home: &Path) -> Vec<(PathBuf, u64)> {
    let mut files = Vec::new();
    for store in
        [".claude/projects", ".codex/sessions", ".codex/archived_sessions", ".pi/agent/sessions"]
    {
        walk(&home.join(store), &mut files);
    }
    files
}

fn largest_first(mut files: Vec<(PathBuf, u64)>) -> Vec<(PathBuf, u64)> {
    files.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    files
}

fn walk(dir: &Path, files: &mut Vec<(PathBuf, u64)>) {
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|it| it == "jsonl") {
            files.push((path, entry.metadata().unwrap().len()));
        }
    }
}

fn on_two_threads(files: &[(PathBuf, u64)], work: fn(&mut [u8], &Path, u64) -> usize) -> usize {
    let next = AtomicUsize::new(0);
    let lane = || {
        let mut buffer = vec![0; CHUNK];
        let mut sum = 0;
        while let Some((path, size)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            sum += work(&mut buffer, path, *size);
        }
        sum
    };
    thread::scope(|scope| {
        let other = scope.spawn(lane);
        lane() + other.join().unwrap()
    })
}

fn read_ends(buffer: &mut [u8], path: &Path, size: u64) -> usize {
    let file = File::open(path).unwrap();
    let head = file.read_at(&mut buffer[..HEAD], 0).unwrap();
    head + file.read_at(&mut buffer[..TAIL], size.saturating_sub(TAIL as u64)).unwrap()
}

/// The ends, but Pi's transcripts from their end to the last name: what a list must read in which every name is right. Pi says
/// a name once, anywhere.
fn read_ends_and_names(buffer: &mut [u8], path: &Path, size: u64) -> usize {
    if !path.components().any(|it| it.as_os_str() == ".pi") {
        return read_ends(buffer, path, size);
    }
    let file = File::open(path).unwrap();
    let name = Finder::new(r#""session_info""#);
    let mut end = size;
    while end > 0 {
        let start = end.saturating_sub(buffer.len() as u64);
        let len = usize::try_from(end - start).unwrap();
        let read = file.read_at(&mut buffer[..len], start).unwrap();
        if name.find(&buffer[..read]).is_some() {
            return 1;
        }
        end = start;
    }
    0
}

fn count_newlines(buffer: &mut [u8], path: &Path, _: u64) -> usize {
    let mut file = File::open(path).unwrap();
    let mut lines = 0;
    loop {
        match file.read(buffer).unwrap() {
            0 => return lines,
            read => lines += memchr::memchr_iter(b'\n', &buffer[..read]).count(),
        }
    }
}

struct Server {
    process: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
    reply: String,
}

impl Server {
    fn start(home: &Path) -> Self {
        let state = home.with_extension("state");
        let mut process = Command::new(env!("CARGO_BIN_EXE_headcount"))
            .arg("--home")
            .arg(home)
            .arg("serve")
            .env("HEADCOUNT_STATE_DIR", state)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = process.stdin.take().unwrap();
        let replies = BufReader::new(process.stdout.take().unwrap());
        Self { process, requests, replies, reply: String::new() }
    }

    fn ask(&mut self, request: &str) {
        writeln!(self.requests, "{request}").unwrap();
        self.reply.clear();
        self.replies.read_line(&mut self.reply).unwrap();
        assert!(self.reply.contains("\"complete\":true"), "{}", &self.reply[..300]);
    }

    fn resident_kb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|it| it.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn end(mut self) {
        drop(self.requests);
        self.process.wait().unwrap();
    }
}
