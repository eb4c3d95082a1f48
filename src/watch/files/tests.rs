use std::convert::Infallible;
use std::time::Duration;

use notify::{ErrorKind, WatcherKind};
use tokio::time::timeout;

use super::*;
use crate::adapters::sqlite;
use crate::base::AbsPath;
use crate::ledger::LedgerFile;
use crate::testing::FakeProc;

/// Longest wait for an event that comes at once; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Which agent keeps the store.
const AGENT: AgentIndex = 7;

/// A store below a home, and a watcher that follows it.
struct Watch {
    home: tempfile::TempDir,
    watcher: StoreWatcher,
    watchlist: Watchlist,
}

impl Watch {
    fn of(store: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let stores = vec![(AGENT, Watched::all_below(home.path().join(store)))];
        let watchlist =
            Watchlist { stores, home: Some(home.path().to_owned()), ..Watchlist::default() };
        Self { home, watcher: StoreWatcher::new(), watchlist }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.home.path().join(relative)
    }

    fn make(&self, dir: &str) {
        std::fs::create_dir_all(self.path(dir)).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn link(&self, link: &str, target: &str) {
        std::os::unix::fs::symlink(self.path(target), self.path(link)).unwrap();
    }

    fn follow(&mut self) {
        self.watcher.follow(&self.watchlist);
        assert_eq!(self.watcher.problem, None);
    }

    async fn touched(&self) -> Touched {
        timeout(PATIENCE, self.watcher.touched()).await.expect("an event in time")
    }

    /// Each file that is put into the directory is told. Several, for events of what came before may still come.
    async fn tells_of(&mut self, dir: &str) {
        for name in ["one", "two", "three", "four", "five"] {
            let touched = self.touched().await;
            assert_eq!(touched.changed, [AGENT].into());
            self.follow();
            self.watcher.touched_meanwhile();
            std::fs::write(self.path(dir).join(name), "x").unwrap();
        }
        self.touched().await;
    }
}

#[tokio::test]
async fn a_store_that_comes_to_be_level_by_level_is_followed() {
    let mut watch = Watch::of(".agent/sessions/2026");
    watch.follow();
    watch.make(".agent");
    watch.touched().await;
    watch.follow();
    watch.make(".agent/sessions/2026/11");
    watch.tells_of(".agent/sessions/2026/11").await;
}

#[tokio::test]
async fn a_store_that_is_removed_and_made_again_between_two_looks_is_followed() {
    let mut watch = Watch::of(".agent/sessions");
    watch.make(".agent/sessions");
    watch.follow();
    std::fs::remove_dir_all(watch.path(".agent/sessions")).unwrap();
    watch.make(".agent/sessions");
    watch.tells_of(".agent/sessions").await;
}

#[tokio::test]
async fn another_store_in_the_place_of_a_renamed_one_is_followed() {
    let mut watch = Watch::of(".agent/sessions");
    watch.make(".agent/sessions");
    watch.follow();
    watch.rename(".agent", ".agent.old");
    watch.make(".agent/sessions");
    watch.tells_of(".agent/sessions").await;
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_now_is_followed() {
    let mut watch = Watch::of(".agent/sessions");
    watch.make("one/sessions");
    watch.make("two/sessions");
    watch.link(".agent", "one");
    watch.follow();
    watch.link(".agent.new", "two");
    watch.rename(".agent.new", ".agent");
    watch.tells_of("two/sessions").await;
}

#[tokio::test]
async fn after_lost_events_all_is_watched_anew() {
    let mut watch = Watch::of(".agent/sessions");
    watch.make(".agent/sessions");
    watch.follow();
    watch.watcher.shared.take_in(Err(notify::Error::new(ErrorKind::MaxFilesWatch)));
    watch.tells_of(".agent/sessions").await;
}

#[tokio::test]
async fn opening_a_program_is_told_and_reading_a_store_is_not() {
    let mut watch = Watch::of(".agent");
    watch.make(".agent");
    std::fs::write(watch.path(".agent/session"), "x").unwrap();
    std::fs::write(watch.path("program"), "x").unwrap();
    watch.watchlist.programs = vec![(3, watch.path("program"))];
    watch.follow();
    std::fs::read(watch.path(".agent/session")).unwrap();
    std::fs::read(watch.path("program")).unwrap();
    assert_eq!(watch.touched().await, Touched { started: [3].into(), ..Touched::default() });
}

#[tokio::test]
async fn what_is_written_into_a_database_is_told_and_reading_it_is_not() {
    let mut watch = Watch::of(".agent");
    watch.make(".agent");
    let path = watch.path(".agent/store.db");
    let agent = rusqlite::Connection::open(&path).unwrap();
    agent.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE session (id);").unwrap();
    watch.follow();
    let scope = FakeProc::new().scope(watch.home.path());
    let count = |it: &rusqlite::Connection| {
        it.query_row("SELECT count(*) FROM session", [], |it| it.get::<_, i64>(0))
    };
    assert_eq!(sqlite::read(&scope, &path, count).unwrap(), Some(0));
    // Told after whatever reading has caused.
    std::fs::write(watch.path(".agent/last"), "x").unwrap();
    assert_eq!(watch.touched().await, Touched { changed: [AGENT].into(), ..Touched::default() });
    agent.execute("INSERT INTO session VALUES ('a')", []).unwrap();
    while watch.touched().await.unsettled != [AGENT].into() {}
    assert_eq!(sqlite::read(&scope, &path, count).unwrap(), Some(1));
}

#[tokio::test]
async fn who_reads_the_ledger_is_not_told_of_it() {
    let mut watch = Watch::of("state");
    let other = AGENT + 1;
    watch.watchlist.stores.push((other, Watched::all_below(watch.path("other"))));
    watch.make("other");
    let path = AbsPath::parse(watch.path("state/ledger.db")).unwrap();
    let ledger = LedgerFile::at(path, Path::new("/proc"));
    ledger.update(|_| Ok::<_, Infallible>(())).unwrap().unwrap();
    watch.follow();
    ledger.read().unwrap();
    // Told after whatever reading has caused.
    std::fs::write(watch.path("other/last"), "x").unwrap();
    assert_eq!(watch.touched().await, Touched { changed: [other].into(), ..Touched::default() });
}

/// A watcher that is slow: a store comes to be while it begins to watch.
#[derive(Debug)]
struct Slow;

impl Watcher for Slow {
    fn new<F: notify::EventHandler>(_: F, _: Config) -> notify::Result<Self> {
        Ok(Self)
    }

    fn watch(&mut self, path: &Path, _: RecursiveMode) -> notify::Result<()> {
        if path.ends_with("above") {
            std::fs::create_dir_all(path.join("store")).map_err(notify::Error::io)?;
        }
        Ok(())
    }

    fn unwatch(&mut self, _: &Path) -> notify::Result<()> {
        Ok(())
    }

    fn kind() -> WatcherKind {
        WatcherKind::NullWatcher
    }
}

#[test]
fn what_comes_to_be_while_it_is_looked_for_is_told() {
    let mut watch = Watch::of("above/store");
    watch.make("above");
    watch.watcher = StoreWatcher::made_by(|_| Ok(Box::new(Slow)));
    watch.follow();
    assert_eq!(watch.watcher.touched_meanwhile().changed, [AGENT].into());
    watch.follow();
    assert_eq!(watch.watcher.touched_meanwhile().changed, [].into());
}

/// A watcher of a system whose limit is reached.
#[derive(Debug)]
struct Exhausted;

impl Watcher for Exhausted {
    fn new<F: notify::EventHandler>(_: F, _: Config) -> notify::Result<Self> {
        Ok(Self)
    }

    fn watch(&mut self, _: &Path, _: RecursiveMode) -> notify::Result<()> {
        Err(notify::Error::new(ErrorKind::MaxFilesWatch))
    }

    fn unwatch(&mut self, _: &Path) -> notify::Result<()> {
        Ok(())
    }

    fn kind() -> WatcherKind {
        WatcherKind::NullWatcher
    }
}

/// Watches nothing, as where the system's limit is reached.
pub(in super::super) fn exhausted() -> StoreWatcher {
    StoreWatcher::made_by(|_| Ok(Box::new(Exhausted)))
}

#[test]
fn a_limit_that_is_reached_is_a_problem_with_a_name() {
    let watchlist = Watch::of("store").watchlist;
    let mut watcher = exhausted();
    watcher.follow(&watchlist);
    let problem = watcher.problem.unwrap();
    assert_eq!(problem.kind, ProblemKind::Limit);
    assert!(problem.message.contains("fs.inotify.max_user_watches"), "{}", problem.message);

    let mut watcher =
        StoreWatcher::made_by(|_| Err(notify::Error::io(std::io::Error::from_raw_os_error(24))));
    watcher.follow(&watchlist);
    assert_eq!(watcher.problem.unwrap().kind, ProblemKind::Unreadable);
}

#[test]
fn without_a_home_the_stores_alone_are_watched() {
    let home = tempfile::tempdir().unwrap();
    let store = home.path().join("store");
    std::fs::create_dir(&store).unwrap();
    let watched = |home: Option<&Path>| {
        let stores = vec![(0, Watched::just(store.clone()))];
        let watchlist =
            Watchlist { stores, home: home.map(Path::to_owned), ..Watchlist::default() };
        targets(&watchlist).into_keys().collect::<Vec<_>>()
    };
    assert_eq!(watched(None), [&*store]);
    assert_eq!(watched(Some(home.path())), [home.path(), &store]);
}

#[test]
fn what_cannot_be_watched_is_named_as_the_problems_path() {
    let refused = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
    let told = problem(&notify::Error::io(refused).add_path("/home/dev".into()));
    assert_eq!(told.message, "changes cannot be watched: permission denied");
    assert_eq!(told.path, AbsPath::parse("/home/dev"));
}
