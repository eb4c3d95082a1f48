use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::adapters::excerpt::{Excerpt, Wants};
use crate::adapters::scan::Tally;
use crate::testing::{FakeProc, concluded};

const HELLO: &str = "11111111-1111-4111-8111-111111111111";
const TOOL: &str = "22222222-2222-4222-8222-222222222222";
const KILLED: &str = "33333333-3333-4333-8333-333333333333";
const PARENT: &str = "44444444-4444-4444-8444-444444444444";
const FORK: &str = "55555555-5555-4555-8555-555555555555";
const SCREEN: &str = "6678ccd4-1e69-462e-97f8-bd8d90f3b2aa";
const JOB: &str = "b332a232-3f1a-4c98-beb8-bbabb52749d1";

const PROJECT: &str = "projects/-home-dev-work-my-repo-A-b";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/claude-code")
}

fn transcript(session: &str) -> Vec<u8> {
    fs::read(fixtures().join("home/.claude").join(PROJECT).join(format!("{session}.jsonl")))
        .unwrap()
}

/// A home with a copy of a recorded moment, to be changed at will.
struct Store {
    home: TempDir,
    proc: FakeProc,
}

impl Store {
    fn of(moment: &str) -> Self {
        let store = Self::empty();
        copy(&fixtures().join(moment), store.home.path());
        store
    }

    fn empty() -> Self {
        Self { home: tempfile::tempdir().unwrap(), proc: FakeProc::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(".claude").join(name)
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn session_path(session: &str) -> String {
        format!("{PROJECT}/{session}.jsonl")
    }

    fn survey(&self) -> Value {
        concluded(&ADAPTER, &self.proc.scope_with(self.home.path(), &[]))
    }

    fn row(&self, session: &str) -> Value {
        let survey = self.survey();
        let rows = survey["sessions"].as_array().unwrap();
        rows.iter().find(|it| it["sessionId"] == session).cloned().unwrap_or(Value::Null)
    }

    /// Status, reason, certainty and process of a session.
    fn state(&self, session: &str) -> String {
        let row = self.row(session);
        let word = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
        let pid = &row["process"]["pid"];
        format!("{} {} {} {pid}", word("status"), word("reason"), word("certainty"))
    }

    fn problems(&self) -> Vec<Value> {
        self.survey()["report"]["problems"].as_array().unwrap().clone()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_recorded_store_is_concluded_whole() {
    insta::assert_json_snapshot!(Store::of("home").survey());
}

#[test]
fn nothing_at_all_is_absent() {
    assert_eq!(Store::empty().survey()["report"]["outcome"], "absent");
}

#[test]
fn the_store_can_be_elsewhere() {
    let store = Store::of("home");
    let elsewhere = store.home.path().join("elsewhere");
    fs::rename(store.path(""), &elsewhere).unwrap();
    let vars = [("CLAUDE_CONFIG_DIR", elsewhere.to_str().unwrap())];
    let survey = concluded(&ADAPTER, &store.proc.scope_with(store.home.path(), &vars));
    assert_eq!(survey["report"]["sessions"], 20);
}

mod live {
    use super::*;

    #[test]
    fn a_program_in_a_tool_is_running() {
        let store = Store::of("running-headless-tool");
        store.proc.process(28352, 124_980, "claude");
        assert_eq!(store.state(TOOL), "running turn_in_progress inferred 28352");
    }

    #[test]
    fn the_interface_says_what_it_waits_for() {
        let store = Store::of("tui-waiting-permission");
        store.proc.process_like(3826, 163_782, "claude", 1, 34816);
        assert_eq!(store.state(SCREEN), "waiting permission asserted 3826");
        assert_eq!(store.row(SCREEN)["updatedAt"], "2026-11-22T20:34:09.426Z");
    }

    #[test]
    fn a_subagent_lives_in_its_parents_process() {
        let store = Store::of("running-two-one-subagent");
        store.proc.process(29866, 133_381, "claude");
        store.proc.process(29867, 133_381, "claude");
        assert_eq!(store.state(KILLED), "running turn_in_progress inferred 29866");
        assert_eq!(store.state(PARENT), "running turn_in_progress inferred 29867");
        assert_eq!(store.state("a4e6d24a5b81b49b1"), "running turn_in_progress inferred 29867");
        assert_eq!(store.row("a4e6d24a5b81b49b1")["parentSessionId"], PARENT);
    }

    #[test]
    fn what_a_kill_has_left_claims_nothing_and_is_no_problem() {
        let store = Store::of("killed9-stale-pidfile");
        assert_eq!(store.state(KILLED), "stopped killed inferred null");
        // The same id, another process.
        store.proc.process(29866, 133_382, "claude");
        assert_eq!(store.state(KILLED), "stopped killed inferred null");
        assert_eq!(store.problems(), [Value::Null; 0]);
    }

    fn registered(status: &Value) -> Store {
        let store = Store::of("home");
        store.proc.process(77, 500, "claude");
        let mut entry = json!({ "pid": 77, "sessionId": HELLO, "cwd": "/home/dev/work",
            "startedAt": 1_795_379_219_029_i64, "procStart": "500", "kind": "interactive",
            "entrypoint": "cli", "name": "work-b6", "nameSource": "derived" });
        for (name, value) in status.as_object().unwrap() {
            entry[name] = value.clone();
        }
        store.put("sessions/77.json", entry.to_string());
        store
    }

    #[test]
    fn each_word_of_the_registry_has_its_status() {
        let check = |status: Value, expect: &str| {
            assert_eq!(registered(&status).state(HELLO), format!("{expect} 77"), "{status}");
        };
        check(json!({"status": "busy"}), "running turn_in_progress asserted");
        check(json!({"status": "shell"}), "running active_run asserted");
        check(json!({"status": "idle"}), "idle turn_ended asserted");
        check(json!({"status": "dreaming"}), "unknown unrecognised asserted");
        check(json!({}), "idle turn_ended inferred");
        let waiting = |what: &str| json!({"status": "waiting", "waitingFor": what});
        check(waiting("permission prompt"), "waiting permission asserted");
        check(waiting("worker request"), "waiting permission asserted");
        check(waiting("sandbox request"), "waiting permission asserted");
        check(waiting("input needed"), "waiting input asserted");
        check(waiting("a moon"), "waiting input asserted");
        check(json!({"status": "waiting"}), "waiting input asserted");
    }

    #[test]
    fn a_question_and_a_plan_are_told_by_the_tool_that_asks() {
        for (tool, reason) in [("AskUserQuestion", "question"), ("ExitPlanMode", "plan")] {
            let store =
                registered(&json!({"status": "waiting", "waitingFor": "permission prompt"}));
            let asked = String::from_utf8(transcript(KILLED))
                .unwrap()
                .replace("\"Bash\"", &format!("\"{tool}\""));
            store.put(&Store::session_path(HELLO), asked);
            assert_eq!(store.state(HELLO), format!("waiting {reason} asserted 77"));
        }
    }

    #[test]
    fn a_prompt_written_after_its_answer_is_still_older() {
        let store = registered(&json!({"status": "waiting", "waitingFor": "permission prompt"}));
        let prompt = |at: &str| {
            let message = json!({"role": "user", "content": "Ask me"});
            json!({"type": "user", "uuid": "1", "timestamp": at, "message": message})
        };
        let asks = json!({"type": "tool_use", "id": "1", "name": "AskUserQuestion", "input": {}});
        let message = json!({"role": "assistant", "stop_reason": "tool_use", "content": [asks]});
        let at = "2026-06-01T10:00:01.200Z";
        let answer = json!({"type": "assistant", "uuid": "2", "timestamp": at, "message": message});
        let snapshot = json!({"type": "file-history-snapshot"});
        for (asked, state) in [
            ("2026-06-01T10:00:01.100Z", "waiting question asserted 77"),
            ("2026-06-01T10:00:01.300Z", "waiting permission asserted 77"),
        ] {
            let lines = format!("{answer}\n{snapshot}\n{}\n", prompt(asked));
            store.put(&Store::session_path(HELLO), lines);
            assert_eq!(store.state(HELLO), state, "{asked}");
        }
    }

    #[test]
    fn a_session_without_a_transcript_is_what_the_registry_says() {
        let new = "99999999-0000-4000-8000-000000000001";
        let store = registered(
            &json!({"sessionId": new, "status": "idle", "name": "My work", "nameSource": null}),
        );
        assert_eq!(store.state(new), "idle never_prompted asserted 77");
        let row = store.row(new);
        assert_eq!((&row["title"], &row["cwd"]), (&json!("My work"), &json!("/home/dev/work")));
        let store = registered(&json!({"sessionId": new}));
        assert_eq!(store.state(new), "idle never_prompted inferred 77");
        assert_eq!(store.row(new)["title"], Value::Null, "a derived name is no title");
    }

    #[test]
    fn two_processes_on_one_session_are_a_conflict() {
        let store = registered(&json!({"status": "busy"}));
        store.proc.process(78, 600, "claude");
        let entry = json!({"pid": 78, "sessionId": HELLO, "procStart": "600", "status": "idle"});
        store.put("sessions/78.json", entry.to_string());
        assert_eq!(store.row(HELLO)["conflict"], "two_owners");
    }

    #[test]
    fn the_daemon_is_no_session() {
        let store = registered(&json!({"kind": "daemon", "sessionId": null}));
        store.proc.process(77, 500, "claude").arguments(&["claude", "--verbose"]);
        assert_eq!(store.survey()["report"]["sessions"], 20);
    }

    #[test]
    fn as_many_jobs_as_are_read_are_no_problem_and_one_more_is() {
        let store = Store::of("home");
        // One is recorded, and beside it lies a file.
        for number in 2..2_000 {
            fs::create_dir_all(store.path(&format!("jobs/{number}"))).unwrap();
        }
        assert_eq!(store.problems(), [Value::Null; 0]);
        fs::create_dir(store.path("jobs/2000")).unwrap();
        let [problem] = &store.problems()[..] else { panic!("one problem") };
        assert_eq!(
            (&problem["kind"], &problem["path"]),
            (&json!("limit"), &json!(store.path("jobs")))
        );
    }

    /// Of each process without a session: its id, and what is said of it.
    fn without_session(store: &Store) -> Vec<String> {
        let survey = store.survey();
        let rows = survey["sessions"].as_array().unwrap().iter();
        let rows = rows.filter(|it| it.get("sessionId").is_none());
        let told = ["status", "reason", "certainty", "cwd"];
        rows.map(|row| {
            let told = told.map(|it| row[it].as_str().unwrap_or_default());
            format!("{} {}", row["process"]["pid"], told.join(" "))
        })
        .collect()
    }

    #[test]
    fn a_process_that_has_not_registered_yet_is_a_row_without_a_session() {
        let store = registered(&json!({}));
        let tty = Path::new("/dev/pts/3");
        let start = |pid, parent, arguments: &[&str]| {
            let process = store.proc.process_like(pid, 600, "claude", parent, 34816);
            process.arguments(arguments).cwd("/work/a").open_file(0, tty).open_file(1, tty)
        };
        start(80, 1, &["claude", "--model", "opus"]);
        start(81, 1, &["/opt/claude-code/bin/claude.exe", "-p", "stop"]).open_file(2, tty);
        start(82, 1, &["claude"]).environ(&[("HOME", "/home/other")]);
        start(83, 80, &["claude", "--model", "opus"]);
        start(84, 1, &["rg", "--files"]);
        start(85, 1, &["claude", "mcp", "serve"]);
        start(86, 1, &["/opt/claude-code/bin/claude.exe", "--bg-pty-host", "/tmp/x"]);
        store.proc.process(87, 600, "claude").arguments(&["claude", "-p", "x"]).cwd("/work/b");
        store.proc.process(88, 600, "node").arguments(&["claude", "-p", "x"]).cwd("/work/b");
        let expect = [
            "80 idle never_prompted inferred /work/a",
            "81 idle never_prompted inferred /work/a",
            "87 running process_alive inferred /work/b",
        ];
        assert_eq!(without_session(&store), expect);
        let entry = json!({"pid": 80, "sessionId": TOOL, "procStart": "600", "status": "idle"});
        store.put("sessions/80.json", entry.to_string());
        assert_eq!(without_session(&store), expect[1..]);
    }

    #[test]
    fn a_first_start_has_a_process_before_it_has_a_store() {
        let store = Store::empty();
        store.proc.process(80, 600, "claude").arguments(&["claude"]).cwd("/work/a");
        assert_eq!(without_session(&store), ["80 running process_alive inferred /work/a"]);
    }

    #[test]
    fn a_file_that_is_never_completed_is_a_problem_of_a_live_process_only() {
        for content in ["", "{\"pid\":77,\"sess", "[]", "{\"startedAt\":\"no\"}"] {
            let store = registered(&json!({}));
            let path = store.put("sessions/77.json", content);
            let problems = store.problems();
            assert_eq!(problems.len(), 1, "{content}");
            assert_eq!(problems[0]["path"], path.to_str().unwrap());
            store.put("sessions/4000000.json", content);
            assert_eq!(store.problems().len(), 1, "{content}");
        }
    }

    #[test]
    fn a_job_is_a_session_before_it_has_a_transcript() {
        let store = Store::of("home");
        fs::remove_dir_all(store.path("projects/-home-dev-work-second")).unwrap();
        assert_eq!(store.state(JOB), "stopped interrupted asserted null");
        let row = store.row(JOB);
        assert_eq!(
            (&row["kind"], &row["cwd"]),
            (&json!("background"), &json!("/home/dev/work/second"))
        );
        let state = fs::read_to_string(store.path("jobs/b332a232/state.json")).unwrap();
        store.put("jobs/b332a232/state.json", state.replace("\"stopped\"", "\"working\""));
        let host = json!({"workers": {"b332a232": {"pid": 90, "sessionId": JOB, "rvAuth": "x"}}});
        store.put("daemon/roster.json", host.to_string());
        store.proc.process(90, 700, "claude");
        assert_eq!(store.state(JOB), "running turn_in_progress inferred 90");
    }
}

mod transcripts {
    use super::*;

    fn parsed(name: &str, bytes: &[u8]) -> crate::adapters::Record {
        parse::parse(&Excerpt::whole(Path::new(name), bytes)).unwrap().value
    }

    #[test]
    fn one_torn_anywhere_still_names_its_session() {
        let whole = transcript(HELLO);
        let name = format!("{HELLO}.jsonl");
        let path = Path::new(&name);
        for end in 0..whole.len() {
            let record = parsed(&name, &whole[..end]);
            assert_eq!(record.session.as_str(), HELLO);
            turns::turns(&whole[..end]);
            let (head, tail) = whole.split_at(end);
            assert!(parse::parse(&Excerpt::parts(path, head, tail)).is_ok());
        }
    }

    #[test]
    fn what_is_no_transcript_is_malformed() {
        let path = Path::new("11111111-1111-4111-8111-111111111111.jsonl");
        for bytes in [&b"\x00\xff\n\x80\n"[..], b"{}\n{}\n", b"plain\n", b"[1]\n"] {
            assert!(parse::parse(&Excerpt::whole(path, bytes)).is_err(), "{bytes:?}");
        }
        assert!(parse::parse(&Excerpt::whole(path, b"")).is_ok(), "it may be about to be written");
    }

    #[test]
    fn members_of_other_types_cost_themselves() {
        let line = json!({"type": "user", "timestamp": 5, "cwd": ["/x"], "gitBranch": {},
            "message": {"role": "user", "content": "hello"}});
        let record = parsed(&format!("{HELLO}.jsonl"), format!("{line}\n").as_bytes());
        assert_eq!(
            (record.prompt.as_deref(), record.created, record.cwd),
            (Some("hello"), None, None)
        );
    }

    #[test]
    fn deep_nesting_is_only_a_broken_line() {
        let deep = format!("{{\"type\":\"user\",\"x\":{}}}\n", "[".repeat(100_000));
        let whole = [deep.as_bytes(), &transcript(HELLO)].concat();
        assert_eq!(
            parsed(&format!("{HELLO}.jsonl"), &whole).prompt.as_deref(),
            Some("hello world")
        );
    }

    #[test]
    fn a_new_name_is_found_near_either_end() {
        let store = Store::of("home");
        let line = |kind: &str| {
            json!({"type": "system", "entrypoint": "cli", "cwd": "/x", "pad": "x".repeat(900),
            "timestamp": "2026-11-22T20:00:00.000Z", "subtype": kind})
            .to_string()
                + "\n"
        };
        let before =
            String::from_utf8(transcript(SCREEN)).unwrap().replace("Renamed by user", "Once");
        let renamed = json!({"type": "custom-title", "customTitle": "Anew"}).to_string() + "\n";
        let after = String::from_utf8(transcript(HELLO)).unwrap().replace("sdk-cli", "cli");
        for (pad_before, pad_after) in [(0, 400), (10, 400), (100, 400), (400, 30)] {
            let whole = [
                before.clone(),
                line("x").repeat(pad_before),
                renamed.clone(),
                line("y").repeat(pad_after),
                after.clone(),
            ];
            store.put(&Store::session_path(SCREEN), whole.concat());
            assert_eq!(store.row(SCREEN)["title"], "Anew", "{pad_before}, {pad_after}");
        }
    }

    #[test]
    fn a_programs_session_is_not_searched_for_a_name() {
        let head = transcript(HELLO);
        let path = Path::new("11111111-1111-4111-8111-111111111111.jsonl");
        let wants = |it: &[u8]| parse::parse(&Excerpt::parts(path, it, it)).unwrap().wants;
        assert_eq!(wants(&head), Wants::default());
        let screen = String::from_utf8(head).unwrap().replace("sdk-cli", "cli");
        assert!(wants(screen.as_bytes()).line_holding.is_some());
        assert!(wants(b"").longer_head && wants(b"").longer_tail);
    }

    #[test]
    fn turns_are_what_was_said_and_done() {
        let said = |session: &str| -> Vec<String> {
            let whole = transcript(session);
            let turns = whole.split(|it| *it == b'\n').flat_map(turns::turns);
            turns
                .map(|it| format!("{:?} {} {}", it.role, it.tool.unwrap_or_default(), it.text))
                .collect()
        };
        insta::assert_snapshot!(said(TOOL).join("\n"), @r#"
        User  [[think]][[bash:sleep 12; echo done-sleeping]][[say:All finished.]]
        Assistant  I will use Bash.
        Tool Bash {"command":"sleep 12; echo done-sleeping","description":"Run mock command","timeout":600000}
        Tool  done-sleeping
        Assistant  All finished.
        User  second prompt [[say:resumed ok]]
        Assistant  resumed ok
        "#);
        insta::assert_snapshot!(said("362261ff-0ae7-4bf1-a3db-25dd43c270a5").join("\n"), @r"
        User  after clear prompt
        Assistant  mock reply to: after clear prompt
        ");
    }
}

mod tokens {
    use super::*;

    fn input(store: &Store, session: &str) -> Value {
        store.row(session)["usage"]["inputTokens"].clone()
    }

    #[test]
    fn a_fork_counts_only_its_own_calls() {
        let store = Store::of("home");
        assert_eq!((input(&store, TOOL), input(&store, FORK)), (json!(3600), json!(2400)));
        // Without its origin, the copy is all there is.
        fs::remove_file(store.path(&Store::session_path(TOOL))).unwrap();
        assert_eq!(input(&store, FORK), json!(6000));
    }

    #[test]
    fn one_session_alone_knows_what_its_origin_counts() {
        let store = Store::of("home");
        let mut scope = store.proc.scope_with(store.home.path(), &[]);
        scope.interest.usage = crate::scope::UsageWanted::Of(FORK.to_owned());
        let survey = concluded(&ADAPTER, &scope);
        let rows = survey["sessions"].as_array().unwrap();
        let counted: Vec<_> = rows.iter().filter(|it| it.get("usage").is_some()).collect();
        assert_eq!(counted.len(), 1);
        assert_eq!(counted[0]["usage"]["inputTokens"], 2400);
    }

    #[test]
    fn a_count_that_is_none_costs_itself_and_not_its_call() {
        let store = Store::of("home");
        let whole = String::from_utf8(transcript(TOOL)).unwrap();
        let told = "\"cache_read_input_tokens\":400";
        assert!(whole.contains(told));
        for other in ["null", "\"400\"", "-1", "4.5"] {
            let whole = whole.replace(told, &format!("\"cache_read_input_tokens\":{other}"));
            store.put(&Store::session_path(TOOL), whole);
            let usage = &store.row(TOOL)["usage"];
            assert_eq!(
                (&usage["inputTokens"], &usage["cacheReadTokens"]),
                (&json!(3600), &json!(0))
            );
        }
    }

    #[test]
    fn lines_in_another_order_count_the_same() {
        let store = Store::of("home");
        let whole = String::from_utf8(transcript(TOOL)).unwrap();
        let mut lines: Vec<_> = whole.lines().collect();
        lines.reverse();
        store.put(&Store::session_path(TOOL), lines.join("\n") + "\n");
        assert_eq!(input(&store, TOOL), json!(3600));
    }
}

mod hostile {
    use super::*;

    /// Every other session is there, and the one problem names the path.
    fn costs_only_itself(store: &Store, path: &Path) {
        let survey = store.survey();
        assert_eq!(survey["report"]["problems"][0]["path"], path.to_str().unwrap(), "{survey}");
        assert_eq!(survey["report"]["problems"].as_array().unwrap().len(), 1);
        assert_eq!(store.state(KILLED), "stopped killed inferred null");
    }

    #[test]
    fn pipes_directories_and_loops_are_problems_and_block_nothing() {
        let name = Store::session_path("99999999-0000-4000-8000-000000000001");
        let check = |make: fn(&Path)| {
            let store = Store::of("home");
            make(&store.path(&name));
            costs_only_itself(&store, &store.path(&name));
        };
        check(|path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap());
        check(|path| fs::create_dir(path).unwrap());
        check(|path| symlink(path, path).unwrap());
        check(|path| fs::write(path, b"\x00\n\xff\n").unwrap());
    }

    #[test]
    fn a_store_that_is_a_file_is_a_problem() {
        let store = Store::empty();
        fs::write(store.home.path().join(".claude"), "x").unwrap();
        assert_eq!(store.problems().len(), 1);
    }

    #[test]
    fn a_line_of_200_megabytes_neither_hides_the_session_nor_its_tokens() {
        use std::io::{Seek, SeekFrom, Write};
        let store = Store::empty();
        let path = store.put(&Store::session_path(HELLO), transcript(HELLO));
        let mut file = fs::File::options().append(false).write(true).open(&path).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(b"{\"pad\":\"").unwrap();
        file.seek(SeekFrom::Current(200 << 20)).unwrap();
        file.write_all(b"\"}\n").unwrap();
        file.write_all(&transcript(HELLO)).unwrap();
        let row = store.row(HELLO);
        assert_eq!(
            (&row["prompt"], &row["usage"]["inputTokens"]),
            (&json!("hello world"), &json!(1200))
        );
        assert_eq!(store.problems(), [Value::Null; 0]);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in 0_usize..400) {
        try_all(&bytes, cut);
    }

    #[test]
    fn no_damage_makes_it_panic(at in any::<prop::sample::Index>(), with in any::<[u8; 3]>(), cut in 0_usize..16_000) {
        let mut bytes = transcript(SCREEN);
        let at = at.index(bytes.len() - 3);
        bytes[at..at + 3].copy_from_slice(&with);
        try_all(&bytes, cut);
    }
}

fn try_all(bytes: &[u8], cut: usize) {
    let path = Path::new("11111111-1111-4111-8111-111111111111.jsonl");
    drop(parse::parse(&Excerpt::whole(path, bytes)));
    let (head, tail) = bytes.split_at(cut.min(bytes.len()));
    drop(parse::parse(&Excerpt::parts(path, head, tail)));
    let mut calls = usage::Calls::default();
    for line in bytes.split(|it| *it == b'\n') {
        turns::turns(line);
        calls.add(line);
    }
    calls.finish();
}
