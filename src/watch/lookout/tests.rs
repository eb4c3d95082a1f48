use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::*;
use crate::adapters::evidence::{Claim, Sighting};
use crate::adapters::{Record, Survey};
use crate::base::SessionId;
use crate::ledger::LedgerFile;
use crate::protocol::lifecycle::AgentCard;
use crate::protocol::session::{Problem, ProblemKind, Source, Status};
use crate::testing::{FakeProc, FakeProcess};
use crate::watch::files::tests::exhausted;

/// How an adapter takes a survey.
#[derive(Clone, Copy)]
enum Mood {
    Well,
    Broken,
    Asleep,
    /// Well, as soon as it is in another mood.
    Held,
    /// With a defect outside its survey, where nothing catches it.
    Defective,
}

/// An adapter with one session, which every process serves, in the mood that the test wishes.
struct StandIn {
    card: AgentCard,
    mood: watch::Sender<Mood>,
    surveys: watch::Sender<usize>,
}

impl StandIn {
    fn new(mood: Mood) -> &'static Self {
        Self::called("stand-in", mood)
    }

    fn called(id: &'static str, mood: Mood) -> &'static Self {
        let card = AgentCard {
            id: AgentId::of(id),
            name: "Stand-in",
            binaries: &["program"],
            seen_version: "1",
            live_signal: "none",
            blind_spots: "all",
        };
        let (mood, surveys) = (watch::Sender::new(mood), watch::Sender::new(0));
        Box::leak(Box::new(Self { card, mood, surveys }))
    }

    fn is(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    fn mood(&self) -> Mood {
        *self.mood.borrow()
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
        assert!(!matches!(self.mood(), Mood::Defective), "a defect");
        vec![env.in_home(self.card.id.as_str())]
    }

    fn survey(&'static self, scope: Scope) -> BoxFuture<'static, Survey> {
        self.surveys.send_modify(|it| *it += 1);
        let well = move || {
            let session = SessionId::parse("one-session").unwrap();
            let record = Record::new(session.clone(), Source::Transcript);
            let processes = scope.processes.iter().map(|it| it.identity);
            let claims = processes.map(|it| Claim::of(it, Some(session.clone()), Source::Process));
            let sightings = claims.map(Sighting::Claimed);
            Survey::of(
                sightings.chain([Sighting::Recorded(Arc::new(record))]).collect(),
                Vec::new(),
            )
        };
        match self.mood() {
            Mood::Well | Mood::Defective => std::future::ready(well()).boxed(),
            Mood::Broken => std::future::ready(Survey::failed(broken())).boxed(),
            Mood::Asleep => std::future::pending().boxed(),
            Mood::Held => async move {
                let is_let_go = |it: &Mood| !matches!(it, Mood::Held);
                self.mood.subscribe().wait_for(is_let_go).await.unwrap();
                well()
            }
            .boxed(),
        }
    }
}

fn broken() -> Problem {
    Problem { kind: ProblemKind::Unreadable, message: "it broke".into(), path: None, line: None }
}

fn env(home: &Path) -> Env {
    let vars = [("HOME", home), ("PATH", home)];
    let vars = vars.into_iter().map(|(name, it)| (name.into(), it.into())).collect();
    Env::of_vars(vars).unwrap()
}

/// A lookout over a home and a table of processes of its own.
struct World {
    home: tempfile::TempDir,
    table: FakeProc,
    lookout: Arc<Lookout>,
    settings: Arc<Mutex<(Settings, Option<Problem>)>>,
    views: Views,
}

impl World {
    fn with(adapter: &'static StandIn, stores: StoreWatcher) -> Self {
        Self::of(&[adapter], stores)
    }

    fn of(adapters: &[&'static StandIn], stores: StoreWatcher) -> Self {
        Self::at(tempfile::tempdir().unwrap(), FakeProc::new(), adapters, stores)
    }

    fn at(
        home: tempfile::TempDir,
        table: FakeProc,
        adapters: &[&'static StandIn],
        stores: StoreWatcher,
    ) -> Self {
        for adapter in adapters {
            std::fs::create_dir(home.path().join(adapter.card.id.as_str())).unwrap();
        }
        let program = home.path().join("program");
        std::fs::write(&program, "x").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let settings = Arc::<Mutex<(Settings, Option<Problem>)>>::default();
        let read = settings.clone();
        let ground = Ground {
            env: Arc::new(env(home.path()).with_proc_root(table.root().to_owned())),
            memo: Arc::default(),
            adapters: adapters.iter().map(|it| *it as &'static dyn Adapter).collect(),
            settings: Arc::new(move || read.lock().unwrap().clone()),
        };
        let lookout = Arc::new(Lookout::with(ground, stores));
        let views = lookout.clone().views(None);
        Self { home, table, lookout, settings, views }
    }

    fn set(&self, settings: &str) {
        self.settings.lock().unwrap().0 = serde_json::from_str(settings).unwrap();
    }

    /// The next view: how many sessions, and the problems.
    async fn next(&mut self) -> (usize, Vec<String>) {
        let view = self.views.next().await.unwrap();
        let problems = view.problems(view.meant(None));
        (view.sessions.len(), problems.into_iter().map(|it| it.message).collect())
    }

    /// The status of the one session in the next view, which comes in time.
    async fn status(&mut self) -> Status {
        let view = tokio::time::timeout(AN_HOUR, self.views.next()).await;
        view.expect("a view in time").unwrap().sessions[0].status
    }

    /// Changes something in the agent's store.
    fn touch(&self, agent: &StandIn) {
        std::fs::write(self.in_store(agent, "file"), "x").unwrap();
    }

    fn in_store(&self, agent: &StandIn, name: &str) -> PathBuf {
        self.home.path().join(agent.card.id.as_str()).join(name)
    }
}

/// A process, as the kernel shows it: that of this test, which does not end meanwhile.
fn at_work(table: &FakeProc) -> FakeProcess<'_> {
    table.process(i32::try_from(std::process::id()).unwrap(), 100, "agent")
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
async fn a_look_at_the_ledger_is_no_reason_for_another() {
    let (agent, other) = (StandIn::new(Mood::Well), StandIn::called("other", Mood::Well));
    let home = tempfile::tempdir().unwrap();
    let ledger = LedgerFile::of(&env(home.path()));
    ledger.update(|_| Ok::<_, Infallible>(())).unwrap().unwrap();
    let mut world = World::at(home, FakeProc::new(), &[agent, other], StoreWatcher::new());
    assert_eq!(world.next().await, (2, vec![]));
    // Told after whatever reading has caused.
    world.touch(other);
    other.was_asked(2).await;
    assert_eq!(agent.surveys(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_is_late_keeps_its_sessions_and_is_asked_again() {
    let agent = StandIn::new(Mood::Well);
    let mut world = World::with(agent, StoreWatcher::new());
    assert_eq!(world.next().await, (1, vec![]));
    agent.is(Mood::Asleep);
    world.touch(agent);
    assert_eq!(world.next().await, (1, vec!["stand-in: no answer within 5000 ms".into()]));
    agent.is(Mood::Well);
    assert_eq!(world.next().await, (1, vec![]));
}

#[tokio::test]
async fn who_is_silent_keeps_nobody_waiting_for_the_others() {
    let (agent, silent) = (StandIn::new(Mood::Well), StandIn::called("silent", Mood::Asleep));
    let world = World::of(&[agent, silent], StoreWatcher::new());
    world.set(r#"{"deadlineMs": 60000}"#);
    let mut views = world.lookout.clone().views(Some(vec![AgentId::of("stand-in")]));
    assert_eq!(views.next().await.unwrap().sessions.len(), 1);
    agent.is(Mood::Broken);
    world.touch(agent);
    agent.was_asked(2).await;
    let view = views.next().await.unwrap();
    let problems = view.problems(view.meant(None)).into_iter().map(|it| it.message);
    assert_eq!(problems.collect::<Vec<_>>(), ["stand-in: it broke"]);
    assert_eq!(silent.surveys(), 1, "it was not asked again meanwhile");
}

#[tokio::test]
async fn who_changes_while_it_is_looked_at_is_looked_at_again() {
    let (agent, other) = (StandIn::new(Mood::Held), StandIn::called("other", Mood::Well));
    let world = World::of(&[agent, other], StoreWatcher::new());
    world.set(r#"{"deadlineMs": 60000}"#);
    agent.was_asked(1).await;
    world.touch(agent);
    // Told after the change of the first.
    world.touch(other);
    other.was_asked(2).await;
    assert_eq!(agent.surveys(), 1, "one look at a time");
    agent.is(Mood::Well);
    agent.was_asked(2).await;
}

#[tokio::test(start_paused = true)]
async fn who_fails_keeps_its_sessions_until_it_answers_again() {
    let agent = StandIn::new(Mood::Well);
    let mut world = World::with(agent, StoreWatcher::new());
    assert_eq!(world.next().await, (1, vec![]));
    agent.is(Mood::Broken);
    world.touch(agent);
    assert_eq!(world.next().await, (1, vec!["stand-in: it broke".into()]));
    agent.is(Mood::Well);
    assert_eq!(world.next().await, (1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_left_out_is_looked_at_while_somebody_names_it() {
    let (usual, left_out) = (StandIn::new(Mood::Well), StandIn::called("left-out", Mood::Well));
    let mut world = World::of(&[usual, left_out], StoreWatcher::new());
    world.set(r#"{"withoutAgents": ["left-out"]}"#);
    assert_eq!(world.next().await, (1, vec![]));
    assert_eq!((usual.surveys(), left_out.surveys()), (1, 0));

    let naming = || world.lookout.clone().views(Some(vec![AgentId::of("left-out")]));
    let mut named = naming();
    named.next().await.unwrap();
    assert_eq!((usual.surveys(), left_out.surveys()), (1, 1));
    left_out.is(Mood::Broken);
    world.touch(left_out);
    left_out.was_asked(2).await;
    let view = named.next().await.unwrap();
    assert_eq!(view.problems(&view.usual), [], "they are no problem of who did not name it");

    drop(named);
    tokio::time::sleep(AN_HOUR).await;
    let asked = left_out.surveys();
    world.touch(left_out);
    world.touch(usual);
    usual.was_asked(2).await;
    assert_eq!(left_out.surveys(), asked, "nobody names it any more");
    naming().next().await.unwrap();
    assert_eq!(left_out.surveys(), asked + 1, "what was seen before is not shown again");
}

#[tokio::test(start_paused = true)]
async fn settings_hold_from_the_next_look_on() {
    let agent = StandIn::new(Mood::Asleep);
    let mut world = World::with(agent, StoreWatcher::new());
    world.set(r#"{"deadlineMs": 50}"#);
    assert_eq!(world.next().await, (0, vec!["stand-in: no answer within 50 ms".into()]));
    world.set(r#"{"withoutAgents": ["stand-in"]}"#);
    world.touch(agent);
    assert_eq!(world.next().await, (0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_settings_is_told_until_it_is_mended() {
    let agent = StandIn::new(Mood::Well);
    let mut world = World::with(agent, StoreWatcher::new());
    world.settings.lock().unwrap().1 = Some(broken());
    assert_eq!(world.next().await, (1, vec!["it broke".into()]));
    world.settings.lock().unwrap().1 = None;
    world.touch(agent);
    assert_eq!(world.next().await, (1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_defect_of_the_lookout_is_told_and_not_taken_for_nothing() {
    let agent = StandIn::new(Mood::Defective);
    let mut world = World::with(agent, StoreWatcher::new());
    assert!(world.views.next().await.is_err());
    assert!(world.lookout.has_ended());
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
    std::fs::File::create(world.in_store(agent, "store.db-wal")).unwrap();
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

#[tokio::test(start_paused = true)]
async fn that_a_process_at_work_is_suspended_or_continued_is_seen_though_nothing_tells() {
    let (agent, home, table) =
        (StandIn::new(Mood::Well), tempfile::tempdir().unwrap(), FakeProc::new());
    at_work(&table);
    let mut world = World::at(home, table, &[agent], StoreWatcher::new());
    assert_eq!(world.status().await, Status::Running);
    tokio::time::sleep(AN_HOUR).await;
    assert_eq!(agent.surveys(), 1, "it shows the same");
    at_work(&world.table).suspended();
    assert_eq!(world.status().await, Status::Waiting);
    at_work(&world.table);
    assert_eq!(world.status().await, Status::Running);
    assert_eq!(agent.surveys(), 3);
}

#[test]
fn a_change_makes_it_worth_trying_as_often_again() {
    let mut work = Work::default();
    let changed = || Touched { changed: [3].into(), ..Touched::default() };
    let silent = |work: &mut Work, agent| work.silences.after(agent, false);
    for after in AFTER_SILENCE {
        assert_eq!(silent(&mut work, 3), Some(after));
        silent(&mut work, 4);
    }
    assert_eq!(silent(&mut work, 3), None);
    work.take_in(changed(), Instant::now());
    assert_eq!(silent(&mut work, 3), Some(AFTER_SILENCE[0]));
    assert_eq!(silent(&mut work, 4), None, "nothing of it has changed");
}
