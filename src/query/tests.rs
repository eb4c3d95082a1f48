use super::*;
use crate::base::{AbsPath, AgentId, SessionId};
use crate::protocol::session::{Certainty, Reason};

fn row(id: &str, status: Status, minute: Option<i64>) -> Row {
    let session = Session {
        session_id: SessionId::parse(id),
        agent: AgentId::of("agent"),
        status,
        reason: Reason::TurnEnded,
        certainty: Certainty::Asserted,
        title: Some(format!("Title of {id}")),
        prompt: None,
        cwd: AbsPath::parse("/work/api"),
        branch: Some("main".into()),
        model: None,
        created_at: None,
        updated_at: minute.and_then(|it| Timestamp::from_millis(it * 60_000)),
        ended_at: None,
        process: None,
        parent_session_id: None,
        kind: SessionKind::Main,
        forked_from: None,
        archived: None,
        usage: None,
        launch: None,
        conflict: None,
        host: None,
        evidence: None,
    };
    Row {
        session: Box::new(session),
        evidence: Vec::new(),
        record: None,
        owners: Vec::new(),
        candidates: Vec::new(),
        inherits: false,
    }
}

fn rows() -> Vec<Row> {
    vec![
        row("stopped-new", Status::Stopped, Some(9)),
        row("failed-old", Status::Failed, Some(1)),
        row("idle", Status::Idle, Some(5)),
        row("running-old", Status::Running, Some(2)),
        row("running-new", Status::Running, Some(3)),
        row("waiting", Status::Waiting, Some(0)),
        row("undated", Status::Stopped, None),
    ]
}

fn ids(page: &Page) -> Vec<&str> {
    page.rows.iter().map(|it| it.session.session_id.as_ref().unwrap().as_str()).collect()
}

const ORDER: [&str; 7] =
    ["waiting", "running-new", "running-old", "idle", "stopped-new", "failed-old", "undated"];

fn wanted(filter: Filter) -> Wanted {
    Wanted::of(filter, |_| None)
}

fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).unwrap()
}

#[test]
fn what_needs_you_comes_first_then_the_newest_activity() {
    let page = page(rows(), &wanted(Filter::default()), None, 100);
    assert_eq!(ids(&page), ORDER);
    assert_eq!((page.total, page.next), (7, None));
}

#[test]
fn pages_join_up_to_the_whole_list_at_every_size() {
    for limit in 1..=8 {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = page(rows(), &wanted(Filter::default()), cursor.as_ref(), limit);
            assert_eq!(page.total, 7);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            match page.next {
                Some(next) => cursor = Cursor::parse(&next.text(), &Filter::default()),
                None => break,
            }
        }
        assert_eq!(seen, ORDER, "limit {limit}");
    }
}

#[test]
fn a_page_begins_behind_its_cursor_though_rows_came_and_went() {
    let first = page(rows(), &wanted(Filter::default()), None, 3);
    let mut changed = rows();
    changed.retain(|it| it.session.session_id.as_ref().unwrap().as_str() != "running-old");
    changed.push(row("waiting-too", Status::Waiting, Some(8)));
    let second = page(changed, &wanted(Filter::default()), first.next.as_ref(), 2);
    assert_eq!(ids(&second), ["idle", "stopped-new"]);
}

#[test]
fn a_cursor_belongs_to_its_filter() {
    let cursor = page(rows(), &wanted(Filter::default()), None, 1).next.unwrap().text();
    let other = Filter { query: Some("x".into()), ..Filter::default() };
    assert!(Cursor::parse(&cursor, &Filter::default()).is_some());
    assert_eq!(Cursor::parse(&cursor, &other), None);
    for broken in ["", "zz", "7b7d", "7", "日本", &cursor[2..]] {
        assert_eq!(Cursor::parse(broken, &Filter::default()), None, "{broken}");
    }
}

#[test]
fn a_directory_is_meant_by_whatever_name_it_is_asked_for() {
    let count = |filter: Filter| {
        let real = |it: &AbsPath| {
            Some(path(if it.is_within(&path("/link")) { "/work/api" } else { "/elsewhere" }))
        };
        page(rows(), &Wanted::of(filter, real), None, 100).total
    };
    let path_of = |it: &str| Some(path(it));
    let none = Filter::default;
    assert_eq!(count(Filter { cwd: path_of("/link"), ..none() }), 7);
    assert_eq!(count(Filter { under: path_of("/link/sub"), ..none() }), 7);
    // Sessions recorded under the link itself are not lost.
    assert_eq!(count(Filter { cwd: path_of("/work/api"), ..none() }), 7);
    assert_eq!(count(Filter { cwd: path_of("/work/x/../api"), ..none() }), 7);
    assert_eq!(count(Filter { under: path_of("/work/../wor"), ..none() }), 0);
}

#[test]
fn each_member_of_a_filter_lets_through_only_its_own() {
    let count = |filter: Filter| page(rows(), &wanted(filter), None, 100).total;
    let none = Filter::default;
    assert_eq!(count(Filter { agents: Some(vec![AgentId::of("other")]), ..none() }), 0);
    assert_eq!(count(Filter { agents: Some(vec![AgentId::of("agent")]), ..none() }), 7);
    assert_eq!(count(Filter { status: Some(vec![Status::Running, Status::Idle]), ..none() }), 3);
    assert_eq!(count(Filter { cwd: AbsPath::parse("/work"), ..none() }), 0);
    assert_eq!(count(Filter { cwd: AbsPath::parse("/work/api"), ..none() }), 7);
    assert_eq!(count(Filter { under: AbsPath::parse("/work"), ..none() }), 7);
    assert_eq!(count(Filter { under: AbsPath::parse("/wor"), ..none() }), 0);
    assert_eq!(count(Filter { group: Some("night".into()), ..none() }), 0);
    assert_eq!(count(Filter { updated_since: Timestamp::from_millis(5 * 60_000), ..none() }), 2);
    assert_eq!(count(Filter { query: Some("TITLE of idle".into()), ..none() }), 1);
    assert_eq!(count(Filter { query: Some("MAIN".into()), ..none() }), 7);
}

#[test]
fn subagents_are_shown_only_when_asked_for() {
    let mut rows = rows();
    rows[0].session.kind = SessionKind::Subagent;
    let with = Filter { include_subagents: true, ..Filter::default() };
    assert_eq!(page(rows, &wanted(with), None, 100).total, 7);
    let mut rows = self::rows();
    rows[0].session.kind = SessionKind::Subagent;
    assert_eq!(page(rows, &wanted(Filter::default()), None, 100).total, 6);
}

/// Each client counts the same sessions by itself; this is what `session.list` says of them.
#[test]
fn as_many_need_you_as_every_client_says() {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Case {
        name: String,
        need_you: usize,
        sessions: Vec<serde_json::Value>,
    }
    let text = include_str!("../../tests/fixtures/needs-you.json");
    for Case { name, need_you, sessions } in serde_json::from_str::<Vec<Case>>(text).unwrap() {
        let row = |mut told: serde_json::Value| {
            told["agent"] = "agent".into();
            told["certainty"] = "asserted".into();
            let session: Session = serde_json::from_value(told).unwrap();
            Row { session: Box::new(session), ..self::row("", Status::Unknown, None) }
        };
        let rows = sessions.into_iter().map(row).collect();
        let waits = Filter { status: Some(vec![Status::Waiting]), ..Filter::default() };
        assert_eq!(page(rows, &wanted(waits), None, 100).total, need_you, "{name}");
    }
}

#[test]
fn the_order_is_that_of_every_client() {
    let text = include_str!("../../tests/fixtures/shown.json");
    let order = &serde_json::from_str::<serde_json::Value>(text).unwrap()["order"];
    let told = |it: &serde_json::Value| {
        let id = it["sessionId"].as_str().unwrap();
        let status = serde_json::from_value(it["status"].clone()).unwrap();
        let mut row = row(id, status, None);
        row.session.updated_at = it["updatedAt"].as_str().and_then(Timestamp::parse);
        row
    };
    let sorted: Vec<Row> = order.as_array().unwrap().iter().map(told).collect();
    let expect: Vec<String> =
        sorted.iter().map(|it| it.session.session_id.as_ref().unwrap().to_string()).collect();
    let shuffled = sorted.into_iter().rev().collect();
    assert_eq!(ids(&page(shuffled, &wanted(Filter::default()), None, 100)), expect);
}
