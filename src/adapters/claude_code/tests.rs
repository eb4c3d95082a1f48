use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::adapters::Record;
use crate::adapters::excerpt::{Excerpt, Wants};
use crate::adapters::scan::Tally;
use crate::base::Timestamp;
use crate::testing::{self, FakeProc, concluded, peeked};

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
    /// When it is looked at, where that matters.
    now: Option<Timestamp>,
}

impl Store {
    fn of(moment: &str) -> Self {
        let store = Self::empty();
        copy(&fixtures().join(moment), store.home.path());
        store
    }

    fn empty() -> Self {
        Self { home: tempfile::tempdir().unwrap(), proc: FakeProc::new(), now: None }
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
        let mut scope = self.proc.scope_with(self.home.path(), &[]);
        scope.now = self.now.unwrap_or(scope.now);
        concluded(&ADAPTER, &scope)
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

mod asking;
mod background;
mod long_lines;
mod tokens;
mod unregistered;

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
    fn what_a_subagent_does_is_told_as_soon_as_it_is_written_down() {
        let store = Store::of("home");
        let meta = format!("{PROJECT}/{PARENT}/subagents/agent-a4e6d24a5b81b49b1.meta.json");
        let scope = store.proc.scope(store.home.path());
        let title = || {
            let survey = concluded(&ADAPTER, &scope);
            let rows = survey["sessions"].as_array().unwrap();
            rows.iter().find(|it| it["parentSessionId"] == PARENT).unwrap()["title"].clone()
        };
        fs::remove_file(store.path(&meta)).unwrap();
        assert_eq!(title(), Value::Null);
        for torn in ["", r#"{"description":"Coun"#] {
            let path = store.put(&meta, torn);
            // Its writer will not go on.
            let long_ago = std::time::UNIX_EPOCH;
            fs::File::options().append(true).open(path).unwrap().set_modified(long_ago).unwrap();
            assert_eq!(title(), Value::Null);
        }
        store.put(&meta, r#"{"description":"Count"}"#);
        assert_eq!(title(), "Count");
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

    pub(super) fn registered(status: &Value) -> Store {
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
    fn a_menu_that_a_person_has_opened_is_no_question_of_the_agents() {
        let menu = json!({"status": "waiting", "waitingFor": "dialog open"});
        let in_session = |session: &str| {
            let mut entry = menu.clone();
            entry["sessionId"] = session.into();
            registered(&entry)
        };
        assert_eq!(in_session(HELLO).state(HELLO), "idle turn_ended inferred 77");
        assert_eq!(in_session(KILLED).state(KILLED), "running turn_in_progress inferred 77");
        let new = "99999999-0000-4000-8000-000000000001";
        assert_eq!(in_session(new).state(new), "idle never_prompted inferred 77");
        let later = in_session(KILLED);
        later.proc.process(77, 900_000_000, "claude");
        let mut entry = menu.clone();
        entry["sessionId"] = KILLED.into();
        entry["procStart"] = "900000000".into();
        later.put("sessions/77.json", entry.to_string());
        assert_eq!(later.state(KILLED), "idle turn_ended inferred 77", "the turn is another's");
    }

    #[test]
    fn no_member_of_another_type_hides_the_process() {
        for member in
            ["cwd", "startedAt", "kind", "name", "nameSource", "updatedAt", "statusUpdatedAt"]
        {
            for other in [json!(null), json!("x"), json!(-1.5), json!([{}]), json!({"a": 1})] {
                let store = registered(&json!({"status": "busy", member: other}));
                assert_eq!(store.state(HELLO), "running turn_in_progress asserted 77", "{member}");
            }
        }
    }

    #[test]
    fn one_that_ends_with_its_turn_is_never_idle() {
        let headless = json!({"entrypoint": "sdk-cli"});
        let check = |arguments: &[&str], expect: &str| {
            let store = registered(&headless);
            store.proc.process(77, 500, "claude").arguments(arguments);
            assert_eq!(store.state(HELLO), format!("{expect} inferred 77"), "{arguments:?}");
        };
        check(&["claude", "-p", "--resume", HELLO, "--", "more"], "running process_alive");
        let fed = ["claude", "-p", "--input-format", "stream-json", "--resume", HELLO];
        check(&fed, "idle turn_ended");
        check(&["claude", "--", "-p"], "idle turn_ended");
        let store = registered(&json!({"entrypoint": "sdk-cli", "sessionId": KILLED}));
        store.proc.process(77, 500, "claude").arguments(&["claude", "-p", "more"]);
        assert_eq!(store.state(KILLED), "running turn_in_progress inferred 77");
    }

    #[test]
    fn an_editors_process_that_was_asked_nothing_is_idle() {
        let new = "99999999-0000-4000-8000-000000000001";
        let store = registered(&json!({"entrypoint": "claude-vscode", "sessionId": new}));
        assert_eq!(store.state(new), "running process_alive inferred 77");
        let fed = ["claude", "--input-format", "stream-json", "--permission-prompt-tool", "stdio"];
        store.proc.process(77, 500, "claude").arguments(&fed);
        assert_eq!(store.state(new), "idle never_prompted inferred 77");
    }

    #[test]
    fn the_name_that_a_live_session_was_given_is_its_title() {
        let title = |name_source: Value, kind: &str| {
            let entry = json!({"sessionId": SCREEN, "name": "Anew", "nameSource": name_source,
                "kind": kind});
            let store = registered(&entry);
            let whole = String::from_utf8(transcript(SCREEN)).unwrap();
            store.put(&Store::session_path(SCREEN), whole.replace("customTitle", "aiTitle"));
            let row = store.row(SCREEN);
            assert_eq!(
                (&row["branch"], &row["kind"] == "main"),
                (&json!("feature/x"), kind != "bg")
            );
            row["title"].clone()
        };
        assert_eq!(title(Value::Null, "interactive"), "Anew");
        assert_eq!(title(json!("derived"), "interactive"), "Renamed by user");
        assert_eq!(title(Value::Null, "bg"), "Renamed by user");
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
    fn no_member_of_another_type_costs_another_member() {
        use crate::adapters::evidence::{Failure, TurnState};
        use crate::adapters::jsonl;
        let failed = json!({"type": "assistant", "subtype": "x", "uuid": "1", "parentUuid": "0",
            "timestamp": "2026-11-27T21:39:33.785Z", "cwd": "/x", "gitBranch": "main", "entrypoint": "cli",
            "sessionKind": "bg", "operation": "x", "content": "x", "worktreeSession": null,
            "customTitle": "Mine", "aiTitle": "By itself", "promptSource": "typed",
            "interruptedMessageId": "", "error": "authentication_failed", "apiErrorStatus": 401,
            "isApiErrorMessage": true, "isMeta": false, "isSidechain": false, "isCompactSummary": false,
            "message": {"model": "m", "stop_reason": "x", "content": []}});
        let others = ["null", "\"401\"", "-1.5", "7", "true", "[{}]", "{\"a\":[]}"];
        for member in failed.as_object().unwrap().keys() {
            for other in others.map(|it| serde_json::from_str::<Value>(it).unwrap()) {
                let mut line = failed.clone();
                line[member] = other;
                let line = line.to_string();
                let read = jsonl::record::<line::Line<'_>>(line.as_bytes());
                assert!(read.is_some(), "{line}");
                // What these say themselves is lost with them.
                if matches!(member.as_str(), "type" | "isApiErrorMessage" | "message") {
                    continue;
                }
                let record = parsed(&format!("{HELLO}.jsonl"), format!("{line}\n").as_bytes());
                assert_eq!(record.turn, TurnState::Failed(Failure::Auth), "{line}");
            }
        }
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

    /// A line of 1 KB that names nothing.
    fn line(kind: &str) -> String {
        json!({"type": "system", "entrypoint": "cli", "cwd": "/x", "pad": "x".repeat(900),
            "timestamp": "2026-11-22T20:00:00.000Z", "subtype": kind})
        .to_string()
            + "\n"
    }

    #[test]
    fn a_new_name_is_found_near_either_end() {
        let store = Store::of("home");
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

    /// The lines of a session with one prompt, by an interface.
    fn conversation(prompt: &str) -> String {
        let envelope = |kind: &str, message: Value| {
            json!({"type": kind, "uuid": "1", "timestamp": "2026-11-27T21:39:33.785Z", "entrypoint": "cli",
                "cwd": "/work/wt/feat-b", "gitBranch": "main", "message": message})
            .to_string()
                + "\n"
        };
        let asked = json!({"role": "user", "content": prompt});
        let answer =
            json!({"role": "assistant", "model": "m", "stop_reason": "end_turn", "content": []});
        envelope("user", asked) + &envelope("assistant", answer)
    }

    #[test]
    fn a_prompt_written_after_its_answer_was_answered_before_the_end() {
        use crate::adapters::evidence::TurnState;
        let conversation = conversation("Hi");
        let (asked, answer) = conversation.split_once('\n').unwrap();
        let left = json!({"type": "last-prompt", "lastPrompt": "Hi"});
        let turn = |asked_at: &str| {
            let asked = asked.replace("33.785Z", asked_at);
            parsed(&format!("{HELLO}.jsonl"), format!("{answer}{asked}\n{left}\n").as_bytes()).turn
        };
        assert_eq!(turn("33.784Z"), TurnState::Completed);
        assert_eq!(turn("33.786Z"), TurnState::Interrupted);
    }

    #[test]
    fn how_a_turn_ended_is_told_by_the_record_before_its_end() {
        use crate::adapters::evidence::{Failure, TurnState};
        let conversation = conversation("Hi");
        let (asked, answer) = conversation.split_once('\n').unwrap();
        let failed = answer
            .replace(r#""type":"assistant""#, r#""type":"assistant","isApiErrorMessage":true"#);
        assert_ne!(failed, answer);
        let end = json!({"type": "system", "subtype": "turn_duration", "timestamp": "2026-11-27T21:39:33.789Z"});
        let left = json!({"type": "last-prompt", "lastPrompt": "Hi"});
        let turn = |lines: &str| {
            let text = format!("{lines}{end}\n{left}\n");
            parsed(&format!("{HELLO}.jsonl"), text.as_bytes()).turn
        };
        let with_error = format!("{asked}\n{failed}");
        assert_eq!(turn(&conversation), TurnState::Completed);
        assert_eq!(turn(&with_error), TurnState::Failed(Failure::Model));
        // What was called and has not answered had been taken back.
        let calls = answer.replace("end_turn", "tool_use");
        assert_eq!(turn(&format!("{asked}\n{calls}")), TurnState::Completed);
        assert_eq!(turn(""), TurnState::Completed);
        // The first prompt may be written after its answer, and after the account of that.
        let late = format!("{failed}{end}\n{asked}\n{left}\n");
        let record = parsed(&format!("{HELLO}.jsonl"), late.as_bytes());
        assert_eq!(record.turn, TurnState::Failed(Failure::Model));
    }

    #[test]
    fn a_command_that_asks_the_model_is_a_prompt() {
        let check = |said: &str, prompt: Option<&str>| {
            let lines = conversation(said);
            let asked = lines.lines().next().unwrap();
            let record = parsed(&format!("{HELLO}.jsonl"), format!("{asked}\n").as_bytes());
            assert_eq!(record.prompt.as_deref(), prompt, "{said}");
            let is_asked = record.turn == crate::adapters::evidence::TurnState::InProgress;
            assert_eq!(is_asked, prompt.is_some(), "{said}");
            let told: Vec<_> =
                turns::turns(asked.as_bytes()).into_iter().map(|it| it.text).collect();
            assert_eq!(told, Vec::from_iter(prompt), "{said}");
        };
        let message = "<command-message>deploy</command-message>\n";
        let name = "<command-name>/deploy</command-name>";
        let given = "<command-args>prod <now></command-args>";
        check(&format!("{message}{name}\n{given}"), Some("/deploy prod <now>"));
        check(&format!("{message}{name}\n<command-args></command-args>"), Some("/deploy"));
        check(&format!("{message}{name}"), Some("/deploy"));
        // The interface's own, which asks nobody.
        check(&format!("{name}\n{message}{given}"), None);
        check(message, None);
    }

    #[test]
    fn a_prompt_that_a_hook_has_kept_back_is_told_by_the_queue() {
        let queued = json!({"type": "queue-operation", "operation": "enqueue", "content": "Blocked",
            "timestamp": "2026-11-27T21:30:46.620Z"});
        let note =
            json!({"type": "system", "subtype": "informational", "content": "blocked by hook"});
        let name = format!("{HELLO}.jsonl");
        let record = parsed(&name, format!("{queued}\n{note}\n").as_bytes());
        assert_eq!(record.prompt.as_deref(), Some("Blocked"));
        let record = parsed(&name, format!("{queued}\n{}", conversation("Asked")).as_bytes());
        assert_eq!(record.prompt.as_deref(), Some("Asked"));
    }

    #[test]
    fn a_session_in_a_worktree_is_on_its_branch() {
        let branch = |path: &str, original: &str| {
            let worktree = json!({"type": "worktree-state", "worktreeSession": {"worktreePath": path,
                "worktreeBranch": "worktree-feat-b", "originalBranch": original}});
            let left = json!({"type": "worktree-state", "worktreeSession": null});
            let lines = format!("{worktree}\n{}{left}\n", conversation("Hi"));
            parsed(&format!("{HELLO}.jsonl"), lines.as_bytes()).branch
        };
        assert_eq!(branch("/work/wt/feat-b", "main").as_deref(), Some("worktree-feat-b"));
        assert_eq!(
            branch("/work/wt/feat-b", "other").as_deref(),
            Some("main"),
            "it says so itself"
        );
        assert_eq!(branch("/work/wt", "main").as_deref(), Some("main"), "it is elsewhere");
    }

    #[test]
    fn an_interface_that_was_left_at_once_is_no_session() {
        let store = Store::empty();
        let opened = json!({"type": "mode", "mode": "normal", "sessionId": HELLO});
        let path = Store::session_path(HELLO);
        store.put(&path, format!("{opened}\n"));
        assert_eq!(store.survey()["report"]["sessions"], 0);
        assert_eq!(store.problems(), [Value::Null; 0]);
        store.put(
            &path,
            format!("{opened}\n{}\n", json!({"type": "custom-title", "customTitle": "Mine"})),
        );
        assert_eq!(store.survey()["report"]["sessions"], 1);
    }

    #[test]
    fn the_agents_own_title_is_found_just_before_the_tail() {
        let store = Store::of("home");
        let title = |kind: &str, name: &str| json!({"type": "x", kind: name}).to_string() + "\n";
        let end = String::from_utf8(transcript(HELLO)).unwrap().replace("sdk-cli", "cli");
        let check = |parts: &[String], expect: Value| {
            let whole = [end.clone(), line("x").repeat(150), parts.concat(), line("y").repeat(30)];
            store.put(&Store::session_path(HELLO), whole.concat() + &end);
            assert_eq!(store.row(HELLO)["title"], expect);
        };
        check(&[title("aiTitle", "By itself")], json!("By itself"));
        check(&[title("customTitle", "Mine"), title("aiTitle", "By itself")], json!("Mine"));
        check(&[], Value::Null);
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

#[test]
fn what_was_rewound_is_no_part_of_the_conversation() {
    let store = Store::of("rewound");
    let project = store.path("projects/-home-dev-work-rewound");
    let path = fs::read_dir(project).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&path).unwrap();
    let shown = |until: &str, turns| {
        // The interface is told to rewind in the moment before this prompt.
        let end = text.find(until).map_or(text.len(), |it| text[..it].rfind('\n').unwrap() + 1);
        fs::write(&path, &text[..end]).unwrap();
        let record = parse::parse(&Excerpt::whole(&path, &text.as_bytes()[..end])).unwrap().value;
        peeked(&ADAPTER, testing::scope(), Record { path: Some(path.clone()), ..record }, turns)
    };
    let said = |prompts: &[&str]| -> Vec<String> {
        prompts.iter().flat_map(|it| [(*it).to_owned(), format!("reply to: {it}")]).collect()
    };
    let [first, second, third, fourth] =
        ["First question", "Second question", "Third question", "Fourth question"];
    assert_eq!(shown(third, 9), (said(&[first, second]), false));
    assert_eq!(shown(fourth, 9), (said(&[first, third]), false));
    assert_eq!(shown("not there", 9), (said(&[fourth]), false));
    assert_eq!(shown(fourth, 2), (said(&[third]), true));
}

#[test]
fn what_a_subagent_is_asked_in_its_starters_transcript_goes_back_nowhere() {
    let ask = |id: &str, parent: Option<&str>, is_sidechain: bool| {
        let message = json!({ "role": "user", "content": id });
        json!({ "type": "user", "uuid": id, "parentUuid": parent, "isSidechain": is_sidechain,
                "promptSource": "sdk", "message": message })
    };
    let [main, sub] = [ask("a", None, false), ask("b", None, true)]
        .map(|it| turns::link(it.to_string().as_bytes()).unwrap());
    assert!(main.may_go_back && main.parent.is_none());
    assert!(!sub.may_go_back);
    let next = turns::link(ask("c", Some("a"), false).to_string().as_bytes()).unwrap();
    assert_eq!(next.parent.as_deref(), Some("a"));
    let mut loose = ask("d", None, false);
    loose.as_object_mut().unwrap().remove("parentUuid");
    assert_eq!(turns::link(loose.to_string().as_bytes()), None, "it names nothing before it");
}
