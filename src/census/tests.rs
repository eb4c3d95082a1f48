use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::*;
use crate::adapters::Record;
use crate::adapters::evidence::Sighting;
use crate::base::SessionId;
use crate::protocol::lifecycle::AgentCard;
use crate::protocol::session::Source;
use crate::testing;

type Look = Box<dyn Fn(Scope) -> BoxFuture<'static, Survey> + Send + Sync>;

struct StandIn {
    card: AgentCard,
    look: Look,
}

impl Adapter for StandIn {
    fn card(&self) -> &AgentCard {
        &self.card
    }

    fn survey(&'static self, scope: Scope) -> BoxFuture<'static, Survey> {
        (self.look)(scope)
    }
}

fn stand_in(
    id: &'static str,
    look: impl Fn(Scope) -> BoxFuture<'static, Survey> + Send + Sync + 'static,
) -> &'static dyn Adapter {
    Box::leak(Box::new(StandIn { card: testing::card(id), look: Box::new(look) }))
}

fn one_session() -> BoxFuture<'static, Survey> {
    let record = Record::new(SessionId::parse("s1").unwrap(), Source::Transcript);
    std::future::ready(Survey::of(vec![Sighting::Recorded(Arc::new(record))], Vec::new())).boxed()
}

#[tokio::test(start_paused = true)]
async fn a_late_a_failing_and_a_panicking_adapter_cost_only_themselves() {
    let adapters = [
        stand_in("late", |_| pending().boxed()),
        stand_in("panics", |_| async { panic!("index out of bounds") }.boxed()),
        stand_in("failing", |_| {
            async { Survey::failed(problem(ProblemKind::Unreachable, "refused".into())) }.boxed()
        }),
        stand_in("well", |_| one_session()),
    ];
    let surveys = take(&adapters, &testing::scope(), Duration::from_millis(50)).await;
    let said: Vec<_> = surveys
        .iter()
        .map(|it| {
            (
                it.agent.as_str(),
                it.survey.outcome,
                it.survey.problems.first().map(|it| it.message.as_str()),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("late", Outcome::TimedOut, Some("no answer within 50 ms")),
            ("panics", Outcome::Failed, Some("index out of bounds")),
            ("failing", Outcome::Failed, Some("refused")),
            ("well", Outcome::Ok, None),
        ]
    );
    assert_eq!(surveys[3].survey.sightings.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_raises_the_adapters_own_flag_alone() {
    let (flag, seen) = std::sync::mpsc::channel();
    let late = stand_in("late", move |scope| {
        flag.send(scope).unwrap();
        pending().boxed()
    });
    let scope = testing::scope();
    take(&[late], &scope, Duration::from_millis(1)).await;
    assert!(seen.recv().unwrap().is_cancelled());
    assert!(!scope.is_cancelled());
}

#[tokio::test]
async fn dropping_the_census_drops_every_adapters_work() {
    struct Told(Arc<AtomicBool>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let told = dropped.clone();
    let adapter = stand_in("slow", move |_| {
        let told = Told(told.clone());
        async move {
            let _told = told;
            pending().await
        }
        .boxed()
    });
    let scope = testing::scope();
    let adapters = [adapter];
    let mut census = Box::pin(take(&adapters, &scope, DEADLINE));
    assert!(census.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await;
    drop(census);
    tokio::task::yield_now().await;
    assert!(dropped.load(Ordering::Relaxed));
}
