use super::*;
use crate::adapters::REGISTRY;

const ID: &str = "11111111-1111-4111-8111-111111111111";

fn order(task: Task) -> Order {
    Order {
        task,
        prompt: "-do it".into(),
        model: Some("m1".into()),
        permissions: Permissions::Agent,
        args: vec!["--extra".into()],
        label: Some("a label".into()),
        store: Some("/store".into()),
    }
}

fn launch() -> Order {
    order(Task::Launch { id: SessionId::parse(ID).unwrap() })
}

fn resume() -> Order {
    order(Task::Resume {
        id: SessionId::parse(ID).unwrap(),
        transcript: Some("/store/transcript.jsonl".into()),
    })
}

/// The agents that are started by a command, by id.
fn drivers() -> impl Iterator<Item = (&'static str, &'static Driver)> {
    let drivers = REGISTRY.iter().map(|it| (it.card().id.as_str(), it.driver()));
    drivers.filter(|(_, it)| (it.command)(&launch()).is_ok())
}

/// The arguments, in one line.
fn line(agent: &'static str, order: &Order) -> String {
    let driver = of(&AgentId::of(agent));
    match (driver.command)(order) {
        Ok(line) => line.args.join(" "),
        Err(unsupported) => format!("cannot {}", unsupported.what),
    }
}

#[test]
fn every_agent_is_launched_in_its_own_way() {
    let lines: Vec<String> =
        drivers().map(|(agent, _)| format!("{agent}: {}", line(agent, &launch()))).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    claude-code: -p --output-format stream-json --verbose --session-id 11111111-1111-4111-8111-111111111111 --name=a label --model m1 --extra -- -do it
    codex: exec --json -m m1 --extra -- -do it
    copilot: --output-format json --session-id 11111111-1111-4111-8111-111111111111 --name=a label --model m1 --extra --prompt=-do it
    gemini: --output-format stream-json --session-id 11111111-1111-4111-8111-111111111111 --model m1 --extra --prompt=-do it
    opencode: run --format json --title=a label --model m1 --extra
    pi: --mode json --model m1 --extra -p  -do it
    pi-rust: --mode json --session-dir /store --model m1 --extra -p  -do it
    "#);
}

#[test]
fn every_agent_is_resumed_in_its_own_way() {
    let lines: Vec<String> =
        drivers().map(|(agent, _)| format!("{agent}: {}", line(agent, &resume()))).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    claude-code: -p --output-format stream-json --verbose --resume 11111111-1111-4111-8111-111111111111 --model m1 --extra -- -do it
    codex: exec resume --json -m m1 --extra -- 11111111-1111-4111-8111-111111111111 -do it
    copilot: --output-format json --resume=11111111-1111-4111-8111-111111111111 --model m1 --extra --prompt=-do it
    gemini: --output-format stream-json --resume 11111111-1111-4111-8111-111111111111 --model m1 --extra --prompt=-do it
    opencode: run --format json --session 11111111-1111-4111-8111-111111111111 --model m1 --extra
    pi: --mode json --model m1 --session /store/transcript.jsonl --extra -p  -do it
    pi-rust: --mode json --model m1 --session /store/transcript.jsonl --extra -p  -do it
    "#);
}

#[test]
fn permissions_are_the_agents_own_flags_or_refused() {
    let mut lines = Vec::new();
    for (agent, _) in drivers() {
        for permissions in [Permissions::Edit, Permissions::Full] {
            let plain = Order { args: Vec::new(), model: None, label: None, ..launch() };
            let without = line(agent, &plain);
            let with = line(agent, &Order { permissions, ..plain });
            let added: Vec<&str> = with.split(' ').filter(|it| !without.contains(it)).collect();
            lines.push(format!("{agent}: {}", added.join(" ")));
        }
    }
    insta::assert_snapshot!(lines.join("\n"), @r#"
    claude-code: --permission-mode acceptEdits
    claude-code: --permission-mode bypassPermissions
    codex: -c sandbox_mode="workspace-write"
    codex: --dangerously-bypass-approvals-and-sandbox
    copilot: --allow-tool=write
    copilot: --allow-all
    gemini: --approval-mode auto_edit
    gemini: --yolo
    opencode: cannot be given the permissions `edit`
    opencode: --auto
    pi: cannot be given the permissions `edit`
    pi: cannot be given the permissions `full`
    pi-rust: cannot be given the permissions `edit`
    pi-rust: --approval-mode yolo
    "#);
}

#[test]
fn a_long_prompt_travels_by_stdin_where_the_agent_reads_it() {
    let long = Order { prompt: "x".repeat(PROMPT_ARGUMENT_MAX + 1), ..launch() };
    let fits = Order { prompt: "x".repeat(PROMPT_ARGUMENT_MAX), ..launch() };
    for (agent, driver) in drivers() {
        let short = if agent == "opencode" { PromptBy::Stdin } else { PromptBy::Argument };
        assert_eq!((driver.command)(&fits).unwrap().prompt, short, "{agent}");
        match (driver.command)(&long) {
            Ok(line) => {
                assert_eq!(line.prompt, PromptBy::Stdin, "{agent}");
                assert!(line.args.iter().all(|it| it.len() < 100), "{agent}");
            }
            Err(_) => assert_eq!(agent, "copilot"),
        }
    }
}

#[test]
fn an_agent_without_a_driver_says_what_can_be_done_instead() {
    let unsupported = (of(&AgentId::of("openclaw")).command)(&launch()).unwrap_err();
    assert!(!unsupported.hint.is_empty());
}

/// First lines as the agents print them.
#[test]
fn the_session_is_read_off_the_line_that_tells_it() {
    let check = |agent: &'static str, line: &str, expect: Option<&str>| {
        let command = (of(&AgentId::of(agent)).command)(&launch()).unwrap();
        let session = command.learn.unwrap().session_in(line.as_bytes(), command.session.as_ref());
        assert_eq!(session.as_ref().map(SessionId::as_str), expect, "{agent}: {line}");
    };
    check("claude-code", r#"{"type":"system","subtype":"init","session_id":"s1"}"#, Some("s1"));
    check("claude-code", r#"{"type":"result","session_id":"s1"}"#, None);
    check("codex", r#"{"type":"thread.started","thread_id":"t1"}"#, Some("t1"));
    check("codex", r#"{"type":"error","message":"Reconnecting"}"#, None);
    check("opencode", r#"{"type":"step_start","sessionID":"ses_1","part":{}}"#, Some("ses_1"));
    check("pi", r#"{"type":"session","version":3,"id":"p1","cwd":"/x"}"#, Some("p1"));
    check("pi", r#"{"type":"message_start","id":"p1"}"#, None);
    check("copilot", r#"{"type":"user.message","data":{"content":"do it"}}"#, Some(ID));
    check("copilot", r#"{"type":"session.skills_loaded","data":{}}"#, None);
    check("gemini", r#"{"type":"init","session_id":"g1","model":"m"}"#, Some("g1"));
    for broken in ["", "{", "null", "[1]", r#"{"type":"session"}"#, r#"{"type":"session","id":7}"#]
    {
        check("pi", broken, None);
    }
}

#[test]
fn a_person_goes_on_with_a_session_by_its_id_or_its_transcript() {
    let id = SessionId::parse("s1").unwrap();
    let transcript = std::path::Path::new("/store/s1.jsonl");
    let lines = drivers().map(|(agent, driver)| {
        let [known, unknown] =
            [Some(transcript), None].map(|it| (driver.by_hand)(&id, it).map(|it| it.join(" ")));
        assert!(known == unknown || unknown.is_none(), "{agent}");
        format!("{agent}: {}", known.unwrap_or_default())
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @"
    claude-code: --resume s1
    codex: resume s1
    copilot: --resume=s1
    gemini: --resume s1
    opencode: --session s1
    pi: --session /store/s1.jsonl
    pi-rust: --session /store/s1.jsonl
    ");
    assert_eq!((of(&AgentId::of("openclaw")).by_hand)(&id, None), None);
}

#[test]
fn who_serves_many_is_known_by_its_arguments() {
    let is_shared = |line: &str| {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let name = ["opencode", "codex", "claude"].into_iter().find(|it| line.contains(it));
        let agent = name.map_or("gemini", |it| if it == "claude" { "claude-code" } else { it });
        (of(&AgentId::of(agent)).is_shared)(&arguments)
    };
    for shared in [
        "node /usr/bin/gemini --acp",
        "node /usr/bin/gemini --experimental-acp --model m",
        "opencode serve",
        "opencode --print-logs serve",
        "opencode --log-level DEBUG web --port 0",
        "opencode acp",
        "/opt/bin/codex app-server --listen unix:// --managed-daemon",
        "codex -c model=m mcp-server",
        "claude daemon run --origin transient",
        "claude.exe --bg-pty-host /tmp/x",
    ] {
        assert!(is_shared(shared), "{shared}");
    }
    for alone in [
        "node /usr/bin/gemini --resume latest",
        "node /usr/bin/gemini -p -- --acp",
        "opencode",
        "opencode run -- serve",
        "opencode --model serve",
        "codex exec -C mcp-server -- app-server",
        "codex exec app-server",
        "codex --profile app-server exec",
        "codex",
        "claude -p run the daemon",
        "claude -p --model daemon -- --bg-pty-host",
        "claude",
    ] {
        assert!(!is_shared(alone), "{alone}");
    }
}
