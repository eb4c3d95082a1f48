use super::*;

/// What is told of a process with that name, open file and home.
fn told(comm: &str, file: &str, its_home: Option<&str>) -> Vec<Value> {
    let home = tempfile::tempdir().unwrap();
    let table = FakeProc::new();
    let its_home = its_home.unwrap_or(home.path().to_str().unwrap());
    let process = table.process(70, 900, comm).cwd("/work").environ(&[("HOME", its_home)]);
    process.open_file(20, Path::new(file));
    let told = testing::concluded(&ADAPTER, &table.scope_with(home.path(), &[]));
    told["sessions"].as_array().unwrap().clone()
}

const DATABASE: &str = "/tmp/openclaw-agent-exec-ZEFQ9J/agents/main/agent/openclaw-agent.sqlite";

#[test]
fn an_agent_without_the_gateway_is_told_as_a_process() {
    let [one] = &told("openclaw-agent", DATABASE, None)[..] else { panic!() };
    assert_eq!((&one["status"], &one["reason"]), (&json!("running"), &json!("process_alive")));
    assert_eq!((&one["process"]["pid"], &one["cwd"]), (&json!(70), &json!("/work")));
    assert_eq!((one.get("sessionId"), &one["certainty"]), (None, &json!("inferred")));
    // Nobody says whether a person has asked it anything.
    let [one] = &told("openclaw-tui", DATABASE, None)[..] else { panic!() };
    assert_eq!((&one["status"], &one["reason"]), (&json!("unknown"), &json!("process_alive")));
}

#[test]
fn who_only_asks_the_gateway_is_no_agent() {
    let own = "/home/dev/.openclaw/state/openclaw.sqlite";
    for (comm, file) in [
        ("openclaw-agent", own),
        ("openclaw-tui", "/tmp/openclaw-agent.sqlite"),
        ("openclaw-agent", "/x/agents/main/agent/openclaw-agent.sqlite-wal"),
        // The gateway has the databases of all its agents open, and lists their sessions itself.
        ("openclaw-gatewa", DATABASE),
        ("openclaw-doctor", DATABASE),
    ] {
        assert_eq!(told(comm, file, None), Vec::<Value>::new(), "{comm} {file}");
    }
    assert_eq!(told("openclaw-agent", DATABASE, Some("/home/other")), Vec::<Value>::new());
}

#[test]
fn it_is_told_beside_a_gateway_that_is_down() {
    let home = home(free_port());
    let table = FakeProc::new();
    let process = table.process(70, 900, "openclaw-agent");
    let process = process.environ(&[("HOME", home.path().to_str().unwrap())]);
    process.open_file(20, Path::new(DATABASE));
    let survey = survey(&table.scope_with(home.path(), &[]));
    assert_eq!((survey.outcome, survey.sightings.len()), (Outcome::Failed, 1));
}
