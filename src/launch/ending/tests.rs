use std::cell::{Cell, RefCell};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use super::*;
use crate::adapters::drive::UNDRIVEN;
use crate::testing::FakeProc;

fn target(owners: &[ProcessRef]) -> Target<'_> {
    Target {
        owners,
        driver: &UNDRIVEN,
        session: None,
        launch_id: Some("outer"),
        leader: None,
        unfinished: &[],
    }
}

fn pids(processes: &[ProcessRef]) -> Vec<i32> {
    processes.iter().map(|it| it.pid.0).collect()
}

#[test]
fn what_a_supervisor_below_the_owner_keeps_is_not_of_its_tree() {
    let proc = FakeProc::new();
    let child = |pid, comm, parent| proc.process_like(pid, 100, comm, parent, 0);
    let owner = child(10, "codex", 1).identity;
    child(11, "headcount", 10).arguments(&["headcount", "serve"]);
    // The kernel's name of whatever is started through `/proc/self/exe`.
    child(12, "exe", 11).arguments(&["headcount", "supervise"]);
    child(13, "codex", 12).environ(&[(LAUNCH_VARIABLE, "inner")]);
    child(14, "sleep", 13);
    child(15, "exe", 10).arguments(&["headcount", "supervises"]);
    child(16, "sleep", 1).environ(&[(LAUNCH_VARIABLE, "outer")]);
    let table = ProcessTable::snapshot(proc.root()).unwrap();
    assert_eq!(pids(&tree_of(&table, target(&[owner]))), [11, 15]);
    assert_eq!(pids(&marked(&table, target(&[owner]))), [16]);
}

#[test]
fn what_a_session_has_left_behind_carries_its_mark_or_that_of_its_launch() {
    const DRIVER: Driver = Driver { session_variable: Some("SESSION"), ..UNDRIVEN };
    let proc = FakeProc::new();
    let child = |pid, tty| proc.process_like(pid, 100, "sleep", 1, tty);
    child(11, 0).environ(&[("SESSION", "one")]);
    child(12, 0).environ(&[("SESSION", "other")]);
    child(13, 0).environ(&[(LAUNCH_VARIABLE, "second")]);
    child(14, 34816).environ(&[("SESSION", "one")]);
    let table = ProcessTable::snapshot(proc.root()).unwrap();
    let session = SessionId::parse("one").unwrap();
    let left = left_behind(&table, &DRIVER, &session, &["first".into(), "second".into()]);
    assert_eq!(pids(&left.into_iter().collect::<Vec<_>>()), [11, 13]);
}

#[test]
fn two_owners_have_two_trees() {
    let proc = FakeProc::new();
    let owners = [10, 20].map(|pid| {
        proc.process_like(pid + 1, 100, "sleep", pid, 0);
        proc.process(pid, 100, "codex").identity
    });
    let table = ProcessTable::snapshot(proc.root()).unwrap();
    assert_eq!(pids(&tree_of(&table, target(&owners))), [11, 21]);
    assert_eq!(pids(&tree_of(&table, target(&owners[..1]))), [11]);
}

#[test]
fn what_cannot_be_held_is_left() {
    let this = Pid(i32::try_from(std::process::id()).unwrap());
    let this = procs::identity(Path::new(procs::PROC), this).unwrap();
    let unreadable = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(unreadable.path().join(this.pid.to_string()).join("stat")).unwrap();
    let proc_root = unreadable.path();
    let mut work = Work { proc_root, wait: &|_, _| true, ending: Ending::default() };
    assert!(work.hold_all(&[this]).is_empty());
    assert_eq!(work.ending.survivors, [this]);
    let owners = hold_owners(unreadable.path(), &[this]);
    assert!(matches!(owners, Err(NotEnded::Unable(_))), "{owners:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "an agent to end")]
fn what_follows_an_agent_that_ended_by_itself_is_not_told_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let [follows, stays] = ["follows", "stays"].map(|name| {
        let fifo = dir.path().join(name);
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        fifo
    });
    let script = format!("cat '{}' & cat '{}' & wait", follows.display(), stays.display());
    let mut agent = Command::new("sh").args(["-c", &script]).process_group(0).spawn().unwrap();
    // Each opens once its reader is there, which goes on until nobody can write to it any more.
    let open = |fifo: &Path| std::fs::File::options().write(true).open(fifo).unwrap();
    let (follower_goes_on, _other_goes_on) = (Cell::new(Some(open(&follows))), open(&stays));
    let proc_root = Path::new(procs::PROC);
    let pid = Pid(i32::try_from(agent.id()).unwrap());
    let owner = procs::identity(proc_root, pid).unwrap();

    let (patience, grace) = (Duration::from_mins(1), Duration::from_secs(5));
    let waited = RefCell::new(Vec::new());
    let wait = |processes: &[&Pinned], limit: Duration| {
        waited.borrow_mut().push((processes.len(), limit));
        if limit != FOLLOW_GRACE {
            return wait_for(processes, patience);
        }
        drop(follower_goes_on.take());
        let is_follower = |it: &&&Pinned| {
            let path = proc_root.join(it.process().pid.to_string()).join("cmdline");
            std::fs::read_to_string(path).is_ok_and(|it| it.contains("follows"))
        };
        let follower = processes.iter().find(is_follower);
        follower.is_some_and(|it| it.has_ended_within(patience))
    };
    let work = Work { proc_root, wait: &wait, ending: Ending::default() };
    let ending = work.end(target(&[owner]), grace).unwrap();
    let told: Vec<&str> = ending.signals.iter().map(|it| it.signal.as_str()).collect();
    assert_eq!((told, ending.signals[0].pid), (vec!["SIGTERM"; 2], owner.pid));
    assert_eq!(ending.survivors, []);
    let waits = [(1, grace), (2, FOLLOW_GRACE), (1, TERMINATE_GRACE), (0, KILL_GRACE)];
    assert_eq!(waited.into_inner()[..4], waits);
    agent.wait().unwrap();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "an agent to end, and what one before it has left")]
fn what_an_earlier_stop_has_not_come_to_ends_too_and_no_owner_twice() {
    let proc_root = Path::new(procs::PROC);
    let mut both = [0; 2].map(|_| Command::new("cat").stdin(Stdio::piped()).spawn().unwrap());
    let [owner, left] = both
        .each_ref()
        .map(|it| procs::identity(proc_root, Pid(i32::try_from(it.id()).unwrap())).unwrap());
    let target = Target { unfinished: &[owner, left], ..target(std::slice::from_ref(&owner)) };
    let table = ProcessTable::snapshot(proc_root).unwrap();
    assert_eq!(whole(&table, target), [owner, left].into());
    let ending = end(proc_root, target, Duration::from_mins(1)).unwrap();
    let told: Vec<_> = ending.signals.iter().map(|it| (it.signal.as_str(), it.pid)).collect();
    assert_eq!(told, [("SIGTERM", owner.pid), ("SIGTERM", left.pid)]);
    assert_eq!(ending.survivors, []);
    for child in &mut both {
        child.wait().unwrap();
    }
    assert!(finish(Path::new("/recorded"), &[owner]).is_err());
}

#[test]
fn nobody_is_signalled_for_a_recorded_process() {
    let proc = FakeProc::new();
    let this = i32::try_from(std::process::id()).unwrap();
    let recorded = proc.process(this, 100, "codex").identity;
    let ended = end(proc.root(), target(&[recorded]), Duration::ZERO);
    assert!(matches!(ended, Err(NotEnded::Unable(_))), "{ended:?}");
}
