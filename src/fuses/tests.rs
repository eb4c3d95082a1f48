use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

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
        keepers.spawn(async move { board.keep(env).await });
    }
    tokio::time::timeout(PATIENCE, watch(told)).await.expect("it happens in time")
}

#[tokio::test]
async fn a_fuse_is_fired_once_however_many_servers_wait_for_it() {
    let world = World::new();
    let (count, done) = (world.home.path().join("count"), world.home.path().join("done"));
    nix::unistd::mkfifo(&done, Mode::S_IRWXU).unwrap();
    let script = format!(
        "echo $HEADCOUNT_FUSE_LABEL $HEADCOUNT_FUSE_LATE >> {}; echo > {}",
        count.display(),
        done.display()
    );
    let command = ["sh", "-c", &script].map(str::to_owned).to_vec();
    world.set(0, OnExpire { command: Some(command), ..OnExpire::default() });
    with_keepers(&world, async |_: [_; 4]| {
        blocking(move || std::fs::read_to_string(done).unwrap()).await;
        // Whoever looks now finds nothing to fire, and a second firing would have been counted.
        assert_eq!(look(&world.env(), scope::now()).await.unwrap().taken, []);
    })
    .await;
    assert!(
        ["a label false\n", "a label true\n"].contains(&&*std::fs::read_to_string(count).unwrap())
    );
}

#[test]
fn what_another_server_fires_is_told_here_too_and_what_was_cancelled_is_not() {
    let world = World::new();
    let fuse = world.set(0, event());
    let known = std::slice::from_ref(&fuse);
    let then = fuse.expires_at;
    assert_eq!(fired_elsewhere(known, &[], &[], then), known);
    assert_eq!(fired_elsewhere(known, &[], known, then), []);
    assert_eq!(fired_elsewhere(known, known, &[], then), []);
    let before = Timestamp::from_millis(then.as_millis() - 1).unwrap();
    assert_eq!(fired_elsewhere(known, &[], &[], before), []);
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
