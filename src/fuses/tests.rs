use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;

use futures_util::FutureExt;
use nix::sys::stat::Mode;

use super::*;
use crate::base::AbsPath;
use crate::protocol::fuse::OnExpire;

/// How long any one thing may take before a test is called broken.
const PATIENCE: Duration = Duration::from_mins(1);

struct World {
    home: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn env(&self) -> Arc<Env> {
        let vars = [("HOME", self.home.path()), ("PATH", Path::new("/usr/bin:/bin"))];
        let vars = vars.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        Arc::new(Env::of_vars(vars).unwrap())
    }

    /// Sets a fuse as another server would, that many milliseconds from now.
    fn set(&self, millis: i64, on_expire: OnExpire) -> Fuse {
        let fuse = Fuse {
            directory: AbsPath::parse(self.home.path()).unwrap(),
            expires_at: Timestamp::from_millis(scope::now().as_millis() + millis).unwrap(),
            label: Some("a label".into()),
            session_id: None,
            on_expire,
        };
        let set: Result<_, std::convert::Infallible> = LedgerFile::of(&self.env())
            .update(|ledger| {
                ledger.set_fuse(fuse.clone());
                Ok(())
            })
            .unwrap();
        set.unwrap();
        fuse
    }

    /// A file that is read once somebody has written to it, and written once somebody reads.
    fn fifo(&self, name: &str) -> std::path::PathBuf {
        let path = self.home.path().join(name);
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        path
    }
}

/// What somebody writes to a fifo, which has to happen.
fn heard(fifo: std::path::PathBuf) -> String {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(std::fs::read_to_string(fifo).unwrap()));
    told.recv_timeout(PATIENCE).expect("somebody writes")
}

fn shell(script: &str) -> OnExpire {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec();
    OnExpire { command: Some(command), ..OnExpire::default() }
}

fn event() -> OnExpire {
    OnExpire { event: Some("e".into()), ..OnExpire::default() }
}

/// Lets this many servers keep fuses while `watch` goes on with what each of them tells.
async fn with_keepers<const N: usize, T>(
    world: &World,
    watch: impl AsyncFnOnce([broadcast::Receiver<FuseExpired>; N]) -> T,
) -> T {
    let boards: [Arc<FuseBoard>; N] = std::array::from_fn(|_| Arc::default());
    let mut keepers = JoinSet::new();
    let told = boards.each_ref().map(|it| it.expiries());
    for board in boards {
        let env = world.env();
        keepers.spawn(async move { board.keep(env, Unfinished::default()).await });
    }
    tokio::time::timeout(PATIENCE, watch(told)).await.expect("it happens in time")
}

#[tokio::test]
async fn a_fuse_is_fired_once_however_many_servers_wait_for_it() {
    let world = World::new();
    let (count, done) = (world.home.path().join("count"), world.fifo("done"));
    let script = format!(
        "echo \"$HEADCOUNT_FUSE_LABEL $HEADCOUNT_FUSE_LATE\" >> {}; echo > {}",
        count.display(),
        done.display()
    );
    world.set(0, shell(&script));
    with_keepers(&world, async |_: [_; 4]| {
        blocking(move || std::fs::read_to_string(done).unwrap()).await;
        // Whoever looks now finds nothing to fire, and a second firing would have been counted.
        assert_eq!(fuses(&world.env()).unwrap(), []);
    })
    .await;
    assert!(
        ["a label false\n", "a label true\n"].contains(&&*std::fs::read_to_string(count).unwrap())
    );
}

#[tokio::test]
async fn whenever_a_keeper_leaves_a_fuse_is_there_or_is_fired() {
    for turns in 0..24 {
        let world = World::new();
        let done = world.fifo("done");
        world.set(-1, shell(&format!("echo fired > {}", done.display())));
        let (board, unfinished) = (FuseBoard::default(), Unfinished::default());
        let mut keeping = Box::pin(board.keep(world.env(), unfinished.clone()));
        for _ in 0..turns {
            assert!(keeping.as_mut().now_or_never().is_none());
            blocking(|| ()).await;
        }
        drop(keeping);
        assert_eq!(unfinished.wait().await, 0);
        let left = LedgerFile::of(&world.env()).read().unwrap();
        assert_eq!(left.firings, [], "after {turns} turns");
        if left.fuses.is_empty() {
            assert_eq!(heard(done), "fired\n");
        }
    }
}

#[tokio::test]
async fn a_fuse_that_was_told_of_is_fired_though_its_server_leaves_at_once() {
    let world = World::new();
    let done = world.fifo("done");
    world.set(-1, shell(&format!("echo fired > {}", done.display())));
    let (board, unfinished) = (FuseBoard::default(), Unfinished::default());
    let mut told = board.expiries();
    tokio::select! {
        never = board.keep(world.env(), unfinished.clone()) => match never {},
        told = told.recv() => assert!(told.is_ok()),
    }
    assert_eq!(unfinished.wait().await, 0);
    assert_eq!(heard(done), "fired\n");
}

#[test]
fn a_command_that_takes_long_keeps_nobody_from_files() {
    let world = World::new();
    let (begun, end) = (world.fifo("begun"), world.fifo("end"));
    world.set(0, shell(&format!("echo > {}; read it < {}", begun.display(), end.display())));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().max_blocking_threads(1).build().unwrap().block_on(async {
        with_keepers(&world, async |[mut told]: [_; 1]| {
            told.recv().await.unwrap();
            assert_eq!(blocking(move || std::fs::read_to_string(begun).unwrap()).await, "\n");
        })
        .await;
    });
    std::fs::write(end, "on\n").unwrap();
}

#[test]
fn what_a_server_left_half_done_is_not_done_again() {
    let world = World::new();
    let fuse = world.set(-1, shell("true"));
    let file = LedgerFile::of(&world.env());
    let this = crate::procs::this_process().unwrap();
    let dead = crate::base::ProcessRef { start_ticks: this.start_ticks + 1, ..this };
    let by = crate::ledger::Firer { process: Some(dead), place: file.here().clone() };
    let begun: Result<_, Infallible> =
        file.update(|it| Ok(it.begin_firing(&fuse.directory, &by, scope::now()))).unwrap();
    assert_eq!(begun.unwrap().map(|it| it.fuse), Some(fuse));
    assert_eq!(fuses(&world.env()).unwrap(), []);
    assert_eq!(file.read().unwrap().firings, []);
}

#[test]
fn the_earliest_are_fired_first_and_not_too_many_at_once() {
    let fuse = |directory: &str, seconds: i64| Fuse {
        directory: AbsPath::parse(directory).unwrap(),
        expires_at: Timestamp::from_millis(seconds * 1000).unwrap(),
        label: None,
        session_id: None,
        on_expire: event(),
    };
    let fuses = [fuse("/a", 3), fuse("/b", 1), fuse("/c", 2), fuse("/d", 4)];
    let due = |most| -> Vec<String> {
        let due = due(&fuses, fuses[0].expires_at, most);
        due.iter().map(ToString::to_string).collect()
    };
    assert_eq!(due(FIRING_MAX), ["/b", "/c", "/a"]);
    assert_eq!(due(2), ["/b", "/c"]);
    assert_eq!(due(0), [""; 0]);
}

#[tokio::test]
async fn a_fuse_stays_due_while_as_many_are_fired_as_may_be() {
    let world = World::new();
    let fuse = world.set(-1, event());
    let (board, env, unfinished) = (FuseBoard::default(), world.env(), Unfinished::default());
    let busy = |count| (0..count).map(|_| std::future::pending()).collect::<JoinSet<_>>();
    let firing = busy(FIRING_MAX);
    let mut keeper = Keeper { board: &board, env, unfinished, known: Vec::new(), firing };
    keeper.look().await.unwrap();
    assert_eq!(keeper.known, std::slice::from_ref(&fuse));
    assert_eq!(keeper.next(), None, "the end of one wakes it, and nothing else would help");
    keeper.firing = busy(FIRING_MAX - 1);
    assert_eq!(keeper.next(), Some(fuse.expires_at));
    keeper.look().await.unwrap();
    assert_eq!(keeper.known, []);
}

#[test]
fn what_another_server_fires_is_told_here_too_and_what_was_cancelled_is_not() {
    let world = World::new();
    let fuse = world.set(0, event());
    let known = std::slice::from_ref(&fuse);
    let then = fuse.expires_at;
    assert_eq!(fired_elsewhere(known, &[], then), known);
    assert_eq!(fired_elsewhere(known, known, then), []);
    let before = Timestamp::from_millis(then.as_millis() - 1).unwrap();
    assert_eq!(fired_elsewhere(known, &[], before), []);
}

#[tokio::test]
async fn a_fuse_that_ran_out_while_nobody_was_there_is_fired_late() {
    let world = World::new();
    world.set(-60_000, event());
    with_keepers(&world, async |[mut told]: [_; 1]| {
        assert!(told.recv().await.unwrap().late);
    })
    .await;
}

#[tokio::test]
async fn a_fuse_set_elsewhere_wakes_whoever_waits() {
    let world = World::new();
    let far = world.set(3_600_000, event());
    with_keepers(&world, async |[mut told]: [_; 1]| {
        // Nothing tells when the keeper has begun to wait: it has to notice at any moment.
        let near = world.set(10, event());
        assert_eq!(told.recv().await.unwrap().fuse, near);
        assert_ne!(near.expires_at, far.expires_at);
    })
    .await;
}

#[tokio::test]
async fn a_webhook_is_told_and_its_body_is_signed() {
    let world = World::new();
    let settings = world.home.path().join(".config/headcount/config.json");
    std::fs::create_dir_all(settings.parent().unwrap()).unwrap();
    std::fs::write(settings, r#"{ "webhookSecret": "s3cret", "later": 1 }"#).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
    world.set(0, OnExpire { webhook: Some(address), ..OnExpire::default() });
    let (head, body) = with_keepers(&world, async |_: [_; 1]| {
        blocking(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.strip_prefix("Content-Length: ") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head += &line;
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            (head, String::from_utf8(body).unwrap())
        })
        .await
    })
    .await;
    assert!(head.starts_with("POST /hook?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"), "{head}");
    assert!(head.contains("X-Headcount-Signature: sha256="), "{head}");
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["fuse"]["label"], &body["late"]), (&"a label".into(), &false.into()));
}

#[tokio::test]
async fn a_keeper_without_fuses_waits_for_nothing_but_news() {
    tokio::time::timeout(Duration::from_millis(1), wait_for(None)).await.unwrap_err();
}

/// Keeps fuses until the keeper waits for news, lets `happen` happen to its state directory, and returns the next expiry.
fn told_after(world: &World, happen: impl FnOnce()) -> FuseExpired {
    // One thread for files: work that is begun after the keeper's ends after it.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let board = FuseBoard::default();
        let mut told = board.expiries();
        let mut keeping = Box::pin(board.keep(world.env(), Unfinished::default()));
        for _ in 0..24 {
            assert!(keeping.as_mut().now_or_never().is_none());
            blocking(|| ()).await;
        }
        happen();
        tokio::select! {
            never = keeping => match never {},
            told = tokio::time::timeout(PATIENCE, told.recv()) => told.expect("it is told").unwrap(),
        }
    })
}

#[test]
fn a_fuse_is_seen_though_nothing_was_there_when_its_keeper_began() {
    let world = World::new();
    let mut set = None;
    let told = told_after(&world, || set = Some(world.set(10, event())));
    assert_eq!(Some(told.fuse), set);
}

#[test]
fn a_fuse_is_seen_though_all_that_was_there_was_removed() {
    let world = World::new();
    world.set(3_600_000, event());
    let mut set = None;
    let told = told_after(&world, || {
        std::fs::remove_dir_all(world.env().state_dir()).unwrap();
        set = Some(world.set(10, event()));
    });
    assert_eq!(Some(told.fuse), set);
}
