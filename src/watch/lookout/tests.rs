use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::*;
use crate::adapters::evidence::Sighting;
use crate::adapters::{Record, Survey};
use crate::base::{AgentId, SessionId};
use crate::protocol::lifecycle::AgentCard;
use crate::protocol::session::{ProblemKind, Source};
use crate::watch::files::tests::exhausted;

/// How an adapter takes a survey.
#[derive(Clone, Copy)]
enum Mood {
    Well,
    Broken,
    Asleep,
}

/// An adapter with one session, in the mood that the test wishes.
struct StandIn {
    card: AgentCard,
    mood: Mutex<Mood>,
    surveys: watch::Sender<usize>,
}

impl StandIn {
    fn new(mood: Mood) -> &'static Self {
        let card = AgentCard {
            id: AgentId::of("stand-in"),
            name: "Stand-in",
            binaries: &["program"],
            seen_version: "1",
            live_signal: "none",
            blind_spots: "all",
        };
        let (mood, surveys) = (Mutex::new(mood), watch::Sender::new(0));
        Box::leak(Box::new(Self { card, mood, surveys }))
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn surveys(&self) -> usize {
        *self.surveys.borrow()
    }

    async fn was_asked(&self, times: usize) {
        self.surveys.subscribe().wait_for(|it| *it >= times).await.unwrap();
    }
}

impl Adapter for StandIn {
    fn card(&self) -> &AgentCard {
        &self.card
    }

    fn stores(&self, env: &Env) -> Vec<PathBuf> {
        vec![env.in_home(".stand-in")]
    }

    fn survey(&'static self, _: Scope) -> BoxFuture<'static, Survey> {
        self.surveys.send_modify(|it| *it += 1);
        match *self.mood.lock().unwrap() {
            Mood::Well => {
                let record =
                    Record::new(SessionId::parse("one-session").unwrap(), Source::Transcript);
                let sightings = vec![Sighting::Recorded(Arc::new(record))];
                std::future::ready(Survey::of(sightings, Vec::new())).boxed()
            }
            Mood::Broken => std::future::ready(Survey::failed(broken())).boxed(),
            Mood::Asleep => std::future::pending().boxed(),
        }
    }
}

fn broken() -> Problem {
    Problem { kind: ProblemKind::Unreadable, message: "it broke".into(), path: None, line: None }
}

/// A lookout over a home of its own.
struct World {
    home: tempfile::TempDir,
    views: watch::Receiver<Option<View>>,
    _tasks: JoinSet<()>,
}

impl World {
    fn with(adapter: &'static StandIn, stores: StoreWatcher) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".stand-in")).unwrap();
        std::fs::create_dir(home.path().join("proc")).unwrap();
        let program = home.path().join("program");
        std::fs::write(&program, "x").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let vars = [("HOME", home.path()), ("PATH", home.path())];
        let vars = vars.into_iter().map(|(name, it)| (name.into(), it.into())).collect();
        let env = Env::of_vars(vars).unwrap().with_proc_root(home.path().join("proc"));
        let (tell, views) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(look(Arc::new(env), Arc::default(), vec![adapter], stores, tell));
        Self { home, views, _tasks: tasks }
    }

    /// The next view: how many sessions, and the problems.
    async fn next(&mut self) -> (usize, Vec<String>) {
        self.views.changed().await.unwrap();
        let view = self.views.borrow_and_update().clone().unwrap();
        (view.sessions.len(), view.problems.into_iter().map(|it| it.message).collect())
    }

    fn touch(&self) {
        std::fs::write(self.home.path().join(".stand-in/file"), "x").unwrap();
    }
}

const AN_HOUR: Duration = Duration::from_hours(1);

#[tokio::test(start_paused = true)]
async fn without_a_reason_there_is_no_second_look() {
    let agent = StandIn::new(Mood::Well);
    let mut world = World::with(agent, StoreWatcher::new());
    assert_eq!(world.next().await, (1, vec![]));
    tokio::time::sleep(AN_HOUR).await;
    assert_eq!(agent.surveys(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_late_keeps_its_sessions_and_is_asked_again() {
    let agent = StandIn::new(Mood::Well);
    let mut world = World::with(agent, StoreWatcher::new());
    assert_eq!(world.next().await, (1, vec![]));
    agent.is(Mood::Asleep);
    world.touch();
    assert_eq!(world.next().await, (1, vec!["stand-in: no answer within 5000 ms".into()]));
    agent.is(Mood::Well);
    assert_eq!(world.next().await, (1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn who_stays_broken_is_asked_ever_later_and_then_no_more() {
    let agent = StandIn::new(Mood::Broken);
    let mut world = World::with(agent, StoreWatcher::new());
    assert_eq!(world.next().await, (0, vec!["stand-in: it broke".into()]));
    tokio::time::sleep(AN_HOUR).await;
    assert_eq!(agent.surveys(), 1 + AFTER_SILENCE.len());
}

#[tokio::test(start_paused = true)]
async fn a_program_that_is_opened_is_a_reason_to_look_at_once_and_a_little_later() {
    let agent = StandIn::new(Mood::Well);
    let mut world = World::with(agent, StoreWatcher::new());
    world.next().await;
    let begun = Instant::now();
    std::fs::read(world.home.path().join("program")).unwrap();
    // Perhaps twice at once: the file and its directory are watched.
    agent.was_asked(2 + AFTER_START.len()).await;
    assert!(begun.elapsed() >= AFTER_START[0], "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_written_into_a_database_is_looked_for_until_it_can_be_read() {
    let agent = StandIn::new(Mood::Well);
    let mut world = World::with(agent, StoreWatcher::new());
    world.next().await;
    let begun = Instant::now();
    std::fs::File::create(world.home.path().join(".stand-in/store.db-wal")).unwrap();
    agent.was_asked(2 + AFTER_WRITE.len()).await;
    assert!(begun.elapsed() >= AFTER_WRITE[0], "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_watched_looks_are_few_and_a_problem_says_so() {
    let agent = StandIn::new(Mood::Well);
    let mut world = World::with(agent, exhausted());
    let (sessions, problems) = world.next().await;
    assert_eq!(sessions, 1);
    assert!(problems[0].contains("every 2 s"), "{problems:?}");
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(agent.surveys(), 5);
}
