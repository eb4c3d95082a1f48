//! Records that are longer than what is read at first: pictures that were pasted, or that a tool has answered with.

use super::*;

fn record(kind: &str, minute: u8, message: &Value) -> String {
    let said = json!({"type": kind, "uuid": minute.to_string(), "entrypoint": "cli", "cwd": "/work/a",
        "timestamp": format!("2026-11-27T21:{minute}:00.000Z"), "gitBranch": "main", "message": message});
    format!("{said}\n")
}

fn asked(minute: u8, content: &Value) -> String {
    record("user", minute, &json!({"role": "user", "content": content}))
}

fn answered(minute: u8) -> String {
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let message = json!({"role": "assistant", "id": minute.to_string(), "model": "m",
        "stop_reason": "end_turn", "content": [], "usage": usage});
    record("assistant", minute, &message)
}

fn picture(bytes: usize) -> Value {
    json!({"type": "image", "source": {"type": "base64", "data": "x".repeat(bytes)}})
}

fn shown(lines: &[String]) -> Value {
    let store = Store::empty();
    let path = store.put(&Store::session_path(HELLO), lines.concat());
    let written = "2026-11-28T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
    fs::File::options().append(true).open(path).unwrap().set_modified(written.into()).unwrap();
    store.row(HELLO)
}

#[test]
fn a_long_answer_of_a_tool_hides_nothing_of_its_session() {
    let answer =
        json!([{"type": "tool_result", "content": [picture(1_400_000), picture(1_400_000)]}]);
    let row = shown(&[asked(10, &json!("Look")), answered(11).repeat(2000), asked(12, &answer)]);
    assert_eq!(
        [&row["cwd"], &row["branch"], &row["model"], &row["updatedAt"], &row["status"]],
        ["/work/a", "main", "m", "2026-11-27T21:12:00.000Z", "stopped"]
    );
    assert_eq!(row["reason"], "killed", "the turn was not at its end");
}

#[test]
fn of_an_end_that_is_longer_than_all_that_is_read_the_beginning_and_the_file_tell() {
    let answer = json!([{"type": "tool_result", "content": [picture(9 << 20)]}]);
    let row = shown(&[asked(10, &json!("Look")), answered(11), asked(12, &answer)]);
    assert_eq!(
        [&row["cwd"], &row["branch"], &row["prompt"], &row["updatedAt"]],
        ["/work/a", "main", "Look", "2026-11-28T00:00:00.000Z"]
    );
    assert_eq!([&row["status"], &row["model"]], [&json!("stopped"), &Value::Null]);
}

#[test]
fn a_prompt_with_a_picture_is_the_first_prompt() {
    let prompt = json!([{"type": "text", "text": "What is this?"}, picture(3_000_000)]);
    let row = shown(&[asked(10, &prompt), answered(11).repeat(6000)]);
    assert_eq!([&row["prompt"], &row["createdAt"]], ["What is this?", "2026-11-27T21:10:00.000Z"]);
}
