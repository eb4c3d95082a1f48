//! The real program on real pipes: framing, silence, exit codes.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Home, project};

/// How long any one thing may take before a test is called broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts the server in a home of its own, with nothing else in its environment.
#[allow(clippy::disallowed_methods, reason = "the program under test")]
pub(crate) fn server(home: &Home, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_headcount"))
        .arg("serve")
        .args(arguments)
        .env_clear()
        .env("HOME", home.path())
        .env("HEADCOUNT_STATE_DIR", home.path().join("state"))
        .env("HEADCOUNT_LOG", "trace")
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// The same, and what it reads from.
fn conversation(home: &Home, arguments: &[&str]) -> (Child, ChildStdin) {
    let mut server = server(home, arguments);
    let stdin = server.stdin.take().expect("stdin is piped");
    (server, stdin)
}

/// Gives the server this input, ends it, and returns all that came of it.
fn run(arguments: &[&str], input: &str) -> Output {
    let home = Home::empty();
    let (server, mut stdin) = conversation(&home, arguments);
    stdin.write_all(input.as_bytes()).expect("the server reads");
    drop(stdin);
    server.wait_with_output().expect("the server ends")
}

fn request(id: u32, method: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method}).to_string()
}

fn notification(method: &str) -> String {
    json!({"jsonrpc": "2.0", "method": method}).to_string()
}

fn framed(text: &str) -> String {
    format!("Content-Length: {}\r\n\r\n{text}", text.len())
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn a_method_without_an_id_is_not_done_and_the_log_says_so() {
    let home = Home::empty();
    let (server, mut stdin) = conversation(&home, &[]);
    let acquire = json!({
        "jsonrpc": "2.0", "method": "lock.acquire",
        "params": { "directory": home.path(), "by": "me" },
    });
    writeln!(stdin, "{acquire}").expect("the server reads");
    drop(stdin);
    assert_eq!(text(&server.wait_with_output().unwrap().stdout), "");
    let log = home.log();
    let line = log.lines().find(|it| it.contains("without an id")).unwrap_or_default();
    assert!(line.contains("WARN") && line.contains("lock.acquire"), "{log}");
    assert_eq!(home.call("lock.list", &json!({}))["result"]["locks"], json!([]));
}

#[test]
fn both_framings_carry_the_same_reply() {
    let initialize = request(1, "initialize");
    let lines = run(&[], &format!("{initialize}\n"));
    let headers = run(&[], &framed(&initialize));

    let line = text(&lines.stdout).strip_suffix('\n').expect("one line");
    assert_eq!(text(&headers.stdout), framed(line));
    let reply: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(reply["result"]["serverInfo"]["name"], "headcount");
    for output in [lines, headers] {
        assert_eq!(
            (output.status.code(), text(&output.stderr)),
            (Some(0), ""),
            "silent at every log level"
        );
    }
}

#[test]
fn the_exit_code_tells_how_it_ended() {
    for (input, code) in [
        (String::new(), 0),
        (request(1, "session.list") + "\n", 0),
        (notification("exit") + "\n", 1),
        (format!("{}\n{}\n", request(1, "shutdown"), notification("exit")), 0),
        (framed(&request(1, "shutdown")) + &framed(&notification("exit")), 0),
    ] {
        let output = run(&[], &input);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(code), ""), "{input}");
    }
}

#[test]
fn exit_needs_no_end_of_input() {
    let home = Home::empty();
    let (mut server, mut stdin) = conversation(&home, &[]);
    writeln!(stdin, "{}\n{}", request(1, "shutdown"), notification("exit"))
        .expect("the server reads");

    assert_eq!(server.wait().expect("the server ends").code(), Some(0));

    let mut said = String::new();
    server.stdout.take().expect("stdout is piped").read_to_string(&mut said).expect("UTF-8");
    assert_eq!(said, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}\n");
}

#[test]
fn lost_framing_is_told_on_both_sides() {
    let output = run(&["--framing", "content-length"], &(request(1, "session.list") + "\n"));
    assert!(text(&output.stdout).contains(r#""id":null,"error":{"code":-32700"#), "{output:?}");
    assert!(text(&output.stderr).contains("framing lost"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_reader_that_left_ends_the_server() {
    let home = Home::empty();
    let (mut server, mut stdin) = conversation(&home, &[]);
    drop(server.stdout.take());
    writeln!(stdin, "{}", request(1, "initialize")).expect("the server reads");
    // The input stays open: only the missing reader can end it.
    assert_eq!(server.wait().expect("the server ends").code(), Some(1));
}

#[test]
fn a_reader_that_left_ends_a_server_that_has_nothing_to_say() {
    let home = Home::empty();
    let (mut server, mut stdin) = conversation(&home, &[]);
    let wait = json!({
        "jsonrpc": "2.0", "id": 1, "method": "session.wait",
        "params": { "filter": {}, "until": ["waiting"], "timeoutMs": 3_600_000 },
    });
    writeln!(stdin, "{wait}").expect("the server reads");
    drop(stdin);
    drop(server.stdout.take());
    assert_eq!(server.wait().expect("the server ends").code(), Some(1));
}

#[test]
fn discover_answers_with_the_bytes_that_are_published() {
    let output = run(&[], &framed(&request(1, "rpc.discover")));
    let published = std::fs::read_to_string(project().join("schema/openrpc.json")).unwrap();
    let reply = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, published.trim_end());
    assert!(
        text(&output.stdout) == framed(&reply),
        "it is not, byte for byte, what schema/openrpc.json holds"
    );
}

#[test]
fn a_server_that_leaves_at_once_fires_a_fuse_or_leaves_it() {
    for _ in 0..8 {
        let home = Home::empty();
        let told = home.path().join("told");
        nix::unistd::mkfifo(&told, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let command = json!(["/bin/sh", "-c", format!("echo fired > '{}'", told.display())]);
        let on_expire = json!({ "command": command });
        let fuse = json!({ "directory": home.path(), "ttlMs": 1, "onExpire": on_expire });
        assert!(home.call("fuse.set", &fuse)["result"].is_object());

        let (server, mut stdin) = conversation(&home, &[]);
        writeln!(stdin, "{}", request(1, "session.list")).expect("the server reads");
        drop(stdin);
        assert!(server.wait_with_output().expect("the server ends").status.success());

        if home.call("fuse.list", &json!({}))["result"]["fuses"] == json!([]) {
            let (tell, heard) = std::sync::mpsc::channel();
            std::thread::spawn(move || tell.send(std::fs::read_to_string(told).unwrap()));
            assert_eq!(heard.recv_timeout(PATIENCE).as_deref(), Ok("fired\n"));
        }
    }
}
