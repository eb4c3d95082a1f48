//! What unit tests share: a world without files, processes or agents, and a recorded `/proc` to put some in.

use std::fmt::Write as _;
use std::fs::{self, FileTimes};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use nix::sys::stat::{major, minor};

use crate::adapters::{Adapter, Record};
use crate::base::{AgentId, Pid, ProcessRef, Timestamp};
use crate::env::Env;
use crate::memo::Memo;
use crate::procs::Terminal;
use crate::protocol::lifecycle::AgentCard;
use crate::scope::{Interest, Scope, UsageWanted};

pub(crate) fn card(id: &'static str) -> AgentCard {
    AgentCard {
        id: AgentId::of(id),
        name: id,
        binaries: &[],
        seen_version: "0",
        live_signal: "none",
        blind_spots: "all",
    }
}

/// An environment whose home is `home`, and where processes cannot be seen.
pub(crate) fn env(home: &std::path::Path) -> Env {
    let env = Env::of_vars([("HOME".into(), home.into())].into()).expect("test homes are absolute");
    // Below what is no directory nothing can ever be.
    env.with_proc_root("/dev/null/proc".into())
}

pub(crate) fn scope() -> Scope {
    scope_at(std::path::Path::new("/nonexistent"))
}

pub(crate) fn scope_at(home: &std::path::Path) -> Scope {
    Scope::observe(Arc::new(env(home)), Arc::new(Memo::default()), Interest::SESSIONS)
}

/// Puts a program there. It is written by another process: one that a test beside this one starts meanwhile would inherit
/// the open file, and what somebody may write to cannot be run.
#[expect(clippy::disallowed_methods, reason = "a writer that is no other test's parent")]
pub(crate) fn put_program(path: &Path, content: &str) {
    let mut writer = Command::new("sh");
    writer.args(["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""]).arg(path).arg(content);
    assert!(writer.status().unwrap().success());
}

/// A recorded `/proc` in a temporary directory. The kernel booted at 2026-11-22T20:00:00Z; a tick is 10 ms.
pub(crate) struct FakeProc {
    root: tempfile::TempDir,
}

/// One process of it; each method adds what the kernel would show.
pub(crate) struct FakeProcess<'a> {
    dir: std::path::PathBuf,
    root: &'a Path,
    pub(crate) identity: ProcessRef,
}

impl FakeProc {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("stat"), "btime 1795377600\n").unwrap();
        fs::write(root.path().join("locks"), "").unwrap();
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// A process without a terminal, child of 1, that started so many ticks after boot.
    pub(crate) fn process(&self, pid: i32, start_ticks: u64, comm: &str) -> FakeProcess<'_> {
        self.process_like(pid, start_ticks, comm, 1, 0)
    }

    /// A process with a parent, and a controlling terminal where `tty` is not 0.
    pub(crate) fn process_like(
        &self,
        pid: i32,
        start_ticks: u64,
        comm: &str,
        parent: i32,
        tty: i32,
    ) -> FakeProcess<'_> {
        let dir = self.root.path().join(pid.to_string());
        fs::create_dir_all(dir.join("fd")).unwrap();
        let zeros = "0 ".repeat(14);
        let stat =
            format!("{pid} ({comm}) S {parent} {pid} {pid} {tty} {zeros}{start_ticks} 0 0\n");
        fs::write(dir.join("stat"), stat).unwrap();
        for file in ["cmdline", "environ"] {
            fs::write(dir.join(file), "").unwrap();
        }
        FakeProcess {
            dir,
            root: self.root.path(),
            identity: ProcessRef { pid: Pid(pid), start_ticks },
        }
    }

    /// What a process finds at the path of a terminal, in its own view of the files.
    pub(crate) fn terminal(&self, pid: i32, path: &str, seen: Terminal) {
        let path = self.root.path().join(format!("{pid}/root{path}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = fs::File::create(path).unwrap();
        let time = |at: Timestamp| {
            UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap())
        };
        let times = FileTimes::new().set_accessed(time(seen.typed)).set_modified(time(seen.drawn));
        file.set_times(times).unwrap();
    }

    /// A scope that sees this table and the stores below `home`.
    pub(crate) fn scope(&self, home: &Path) -> Scope {
        self.scope_with(home, &[])
    }

    /// The same with variables set besides `HOME`, and every session's usage wanted.
    pub(crate) fn scope_with(&self, home: &Path, vars: &[(&str, &str)]) -> Scope {
        let mut all: std::collections::BTreeMap<_, _> =
            vars.iter().map(|(name, value)| (name.into(), value.into())).collect();
        all.insert("HOME".into(), home.into());
        let env = Env::of_vars(all).unwrap().with_proc_root(self.root.path().to_owned());
        Scope::observe(
            Arc::new(env),
            Arc::new(Memo::default()),
            Interest { usage: UsageWanted::All, subagents: true },
        )
    }
}

impl FakeProcess<'_> {
    pub(crate) fn exe(self, path: &str) -> Self {
        symlink(path, self.dir.join("exe")).unwrap();
        self
    }

    pub(crate) fn suspended(self) -> Self {
        let stat = self.dir.join("stat");
        fs::write(&stat, fs::read_to_string(&stat).unwrap().replace(") S ", ") T ")).unwrap();
        self
    }

    pub(crate) fn cwd(self, path: &str) -> Self {
        symlink(path, self.dir.join("cwd")).unwrap();
        self
    }

    pub(crate) fn arguments(self, arguments: &[&str]) -> Self {
        let bytes: String = arguments.iter().flat_map(|it| [it, "\0"]).collect();
        fs::write(self.dir.join("cmdline"), bytes).unwrap();
        self
    }

    pub(crate) fn environ(self, variables: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        for (name, value) in variables {
            write!(text, "{name}={value}\0").unwrap();
        }
        fs::write(self.dir.join("environ"), text).unwrap();
        self
    }

    pub(crate) fn open_file(self, descriptor: u32, path: &Path) -> Self {
        symlink(path, self.dir.join("fd").join(descriptor.to_string())).unwrap();
        self
    }

    /// The same, and the descriptor stands there in the file.
    pub(crate) fn open_file_at(self, descriptor: u32, path: &Path, position: usize) -> Self {
        let info = self.dir.join("fdinfo");
        fs::create_dir_all(&info).unwrap();
        let text = format!("pos:\t{position}\nflags:\t0102001\nmnt_id:\t27\nino:\t5\n");
        fs::write(info.join(descriptor.to_string()), text).unwrap();
        self.open_file(descriptor, path)
    }

    /// The process holds an exclusive `flock` on an existing file.
    pub(crate) fn holds_lock(self, file: &Path) -> Self {
        let meta = fs::metadata(file).unwrap();
        let (pid, inode) = (self.identity.pid, meta.ino());
        let (major, minor) = (major(meta.dev()), minor(meta.dev()));
        let path = self.root.join("locks");
        let mut locks = fs::read_to_string(&path).unwrap();
        let number = locks.lines().count() + 1;
        writeln!(
            locks,
            "{number}: FLOCK  ADVISORY  WRITE {pid} {major:02x}:{minor:02x}:{inode} 0 EOF"
        )
        .unwrap();
        fs::write(&path, locks).unwrap();
        self
    }
}

/// What an adapter shows of the last turns of a recorded session, and whether there are earlier ones.
pub(crate) fn peeked(
    adapter: &'static dyn Adapter,
    scope: Scope,
    record: Record,
    turns: usize,
) -> (Vec<String>, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let peeked = runtime.block_on(adapter.peek(scope, Arc::new(record), turns).unwrap()).unwrap();
    (peeked.turns.into_iter().map(|it| it.text).collect(), peeked.has_earlier)
}

/// What a survey of one adapter is concluded to, as the wire shows it: evidence added, times of reading left out.
pub(crate) fn concluded(
    agent: &'static dyn crate::adapters::Adapter,
    scope: &Scope,
) -> serde_json::Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let survey = runtime.block_on(agent.survey(scope.clone()));
    let surveyed = crate::census::Surveyed {
        agent: agent.card().id.clone(),
        survey,
        elapsed: std::time::Duration::ZERO,
    };
    let roster = crate::reconcile::reconcile(
        vec![surveyed],
        &crate::ledger::Ledger::default(),
        &scope.processes,
        scope.now,
    );
    let rows: Vec<_> = roster
        .rows
        .into_iter()
        .map(|row| {
            let mut session = serde_json::to_value(row.session).unwrap();
            session["evidence"] = row
                .evidence
                .into_iter()
                .map(|it| format!("{:?}: {}", it.source, it.says))
                .collect();
            session
        })
        .collect();
    serde_json::json!({ "sessions": rows, "report": roster.reports.first() })
}
