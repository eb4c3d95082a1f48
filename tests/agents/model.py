"""A model server on the loopback interface, so that real agents run whole sessions without a network.

It speaks Anthropic Messages, OpenAI Responses, OpenAI chat completions and Gemini. The prompt scripts it: the
directives of the newest user message are played one per model call, and when they run out it says so.

    [[say:TEXT]]        answers TEXT
    [[mute:NAME]]       answers nothing at all until `release(NAME)`, then as above
    [[hold:NAME]]       streams words until `release(NAME)` or until the client goes away
    [[bash:COMMAND]]    calls the agent's shell tool
    [[task:PROMPT]]     starts a subagent; inside PROMPT, {{...}} stands for the subagent's own directives
    [[tool:NAME JSON]]  calls any tool
    [[error:STATUS]]    answers that HTTP status

A prompt without directives is answered with `reply to: PROMPT`. Every request is kept in a journal, which is how
a scenario knows what an agent is doing without asking headcount: `wait_streaming(NAME)` returns once the agent has
received the first words of a held answer.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

DIRECTIVE = re.compile(r"\[\[(say|mute|hold|bash|task|tool|error):(.*?)\]\]", re.S)
TICK_S = 0.2
"""Time between two words of a held answer: also how soon a vanished client is noticed."""

# What every answer claims to have cost. The sums the scenarios expect are multiples of these.
ANTHROPIC_USAGE = {"input_tokens": 1200, "cache_creation_input_tokens": 300, "cache_read_input_tokens": 400, "output_tokens": 50}
RESPONSES_USAGE = {"input_tokens": 1500, "input_tokens_details": {"cached_tokens": 400}, "output_tokens": 60,
                   "output_tokens_details": {"reasoning_tokens": 10}, "total_tokens": 1560}
CHAT_USAGE = {"prompt_tokens": 1200, "completion_tokens": 34, "total_tokens": 1234,
              "prompt_tokens_details": {"cached_tokens": 200}, "completion_tokens_details": {"reasoning_tokens": 4}}
GEMINI_USAGE = {"promptTokenCount": 100, "candidatesTokenCount": 7, "totalTokenCount": 107}

TITLE = "Mock title"
"""The answer to requests without tools: those are agents asking for a title."""


class Move(NamedTuple):
    """What the model does in one call."""

    kind: str
    value: str


class Entry(NamedTuple):
    """One model call, as it arrived."""

    dialect: str
    model: str
    prompt: str
    move: Move


Turn = tuple[str, str]
"""("user", text) or ("tool", "")."""


def plan(turns: list[Turn], titled: bool) -> tuple[str, Move]:
    """Returns the prompt in force and the move it asks for at this step."""
    prompt, since = "", 0
    for index, (role, text) in enumerate(turns):
        # Agents inject context as user messages, which start with a tag, a heading or a rule; those do not count.
        if role == "user" and (DIRECTIVE.search(text) or (text.strip() and text.lstrip()[0] not in "<#")):
            prompt, since = text, index + 1
    if titled:
        return prompt, Move("say", TITLE)
    step = sum(1 for role, _ in turns[since:] if role == "tool")
    script = [Move(*found) for found in DIRECTIVE.findall(prompt)]
    if step < len(script):
        move = script[step]
        return prompt, Move(move.kind, move.value.replace("{{", "[[").replace("}}", "]]"))
    return prompt, Move("say", "reply to: " + prompt[:200] if not script else "all done")


class Model:
    """The running server."""

    def __init__(self) -> None:
        self.journal: list[Entry] = []
        self._streaming: set[str] = set()
        self._released: set[str] = set()
        self._change = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.model = self  # type: ignore[attr-defined]
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stops listening and lets every held answer end."""
        with self._change:
            self._released.update(self._streaming)
            self._change.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def release(self, name: str) -> None:
        """Lets the answer held under this name end."""
        with self._change:
            self._released.add(name)
            self._change.notify_all()

    def wait_streaming(self, name: str, timeout_s: float = 120) -> None:
        """Returns once an agent is receiving the answer held under this name."""
        with self._change:
            if not self._change.wait_for(lambda: name in self._streaming, timeout_s):
                heard = [(entry.dialect, entry.prompt[:60], entry.move.kind) for entry in self.journal[-6:]]
                raise AssertionError(f"no agent asked for the answer {name!r} within {timeout_s:g} s; last requests: {heard}")

    def wait_released(self, name: str) -> None:
        """Returns once the answer held under this name is let go."""
        with self._change:
            self._streaming.add(name)
            self._change.notify_all()
            self._change.wait_for(lambda: name in self._released)

    def record(self, entry: Entry) -> None:
        """Keeps one request for the scenarios to look at."""
        with self._change:
            self.journal.append(entry)
            self._change.notify_all()

    def words(self, move: Move) -> Iterator[str]:
        """Yields an answer in pieces; a held one goes on until it is released."""
        if move.kind == "mute":
            yield "done"
            return
        if move.kind != "hold":
            yield from re.findall(r"\S+\s*", move.value) or [""]
            return
        yield "thinking aloud "
        with self._change:
            self._streaming.add(move.value)
            self._change.notify_all()
        for count in itertools.count(1):  # Gemini takes words that repeat themselves for a loop, and breaks them off
            with self._change:
                if self._change.wait_for(lambda: move.value in self._released, TICK_S):
                    break
            yield f"{count} "
        yield "done"


def _texts(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text") or "" for part in content or [] if isinstance(part, dict))


def _id(prefix: str) -> str:
    return prefix + uuid.uuid4().hex[:18]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def model(self) -> Model:
        return self.server.model  # type: ignore[attr-defined]

    def log_message(self, *_args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._json(200, {})

    def do_GET(self) -> None:
        if self.path.split("?")[0].endswith("/models"):
            known = {"id": "mock-1", "object": "model", "type": "model", "display_name": "Mock 1", "owned_by": "mock",
                     "created": 0, "created_at": "2026-01-01T00:00:00Z"}
            return self._json(200, {"object": "list", "has_more": False, "models": [], "data": [known]})
        return self._json(404, {"error": {"type": "not_found_error", "message": "no such path"}})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        body = json.loads(raw or b"{}")
        path = self.path.split("?")[0]
        try:
            if path.endswith("/count_tokens") or path.endswith(":countTokens"):
                self._json(200, {"input_tokens": 1500, "totalTokens": 1500})
            elif path.endswith("/messages"):
                self._anthropic(body)
            elif path.endswith("/responses"):
                self._responses(body)
            elif path.endswith("/chat/completions"):
                self._chat(body)
            elif "enerateContent" in path:
                self._gemini(path, body)
            else:
                self._json(404, {"error": {"type": "not_found_error", "message": "no such path"}})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the agent was killed or gave up: scenarios do that on purpose

    # Replies.

    def _json(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _open_stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("request-id", _id("req_"))
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def _event(self, body: Any, name: str | None = None) -> None:
        data = body if isinstance(body, str) else json.dumps(body)
        self.wfile.write(((f"event: {name}\n" if name else "") + f"data: {data}\n\n").encode())
        self.wfile.flush()

    def _decide(self, dialect: str, model: str, turns: list[Turn], has_tools: bool) -> Move | None:
        """Journals the request and returns the move; None when an error was answered already."""
        prompt, move = plan(turns, titled=not has_tools)
        self.model.record(Entry(dialect, model, prompt, move))
        if move.kind == "mute":
            self.model.wait_released(move.value)
        if move.kind != "error":
            return move
        status = int(move.value)
        self._json(status, {"type": "error", "error": {
            "type": "invalid_request_error", "code": "mock", "message": f"mock error {status}", "status": "INVALID_ARGUMENT"}})
        return None

    # Anthropic Messages.

    def _anthropic(self, body: dict[str, Any]) -> None:
        turns: list[Turn] = []
        for message in body.get("messages") or []:
            if message.get("role") != "user":
                continue
            content = message.get("content")
            for block in [{"type": "text", "text": content}] if isinstance(content, str) else content or []:
                if block.get("type") == "tool_result":
                    turns.append(("tool", ""))
                elif block.get("type") == "text":
                    turns.append(("user", block.get("text") or ""))
        tools = [tool.get("name") for tool in body.get("tools") or []]
        move = self._decide("anthropic", body.get("model") or "", turns, bool(tools))
        if move is None:
            return
        if not tools and (body.get("output_config") or body.get("output_format")):
            move = Move("say", json.dumps({"title": TITLE}))
        call = _anthropic_call(move, tools)
        stop = "tool_use" if call else "end_turn"
        message = {"id": _id("msg_"), "type": "message", "role": "assistant", "model": body.get("model"), "content": [],
                   "stop_reason": None, "stop_sequence": None, "usage": dict(ANTHROPIC_USAGE, output_tokens=1)}
        if not body.get("stream"):
            blocks = [call] if call else [{"type": "text", "text": "".join(self.model.words(move))}]
            return self._json(200, dict(message, content=blocks, stop_reason=stop, usage=ANTHROPIC_USAGE))
        self._open_stream()

        def event(kind: str, **members: Any) -> None:
            self._event(dict(members, type=kind), kind)

        event("message_start", message=message)
        event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        for word in ["Using a tool."] if call else self.model.words(move):
            event("content_block_delta", index=0, delta={"type": "text_delta", "text": word})
        event("content_block_stop", index=0)
        if call:
            event("content_block_start", index=1, content_block=dict(call, input={}))
            event("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": json.dumps(call["input"])})
            event("content_block_stop", index=1)
        event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage=ANTHROPIC_USAGE)
        event("message_stop")

    # OpenAI Responses.

    def _responses(self, body: dict[str, Any]) -> None:
        turns: list[Turn] = []
        items = body.get("input") or []
        for item in [{"role": "user", "content": items}] if isinstance(items, str) else items:
            kind = item.get("type") or "message"
            if kind == "message" and item.get("role") == "user":
                content = item.get("content")
                parts = [{"text": content}] if isinstance(content, str) else content or []
                turns.extend(("user", part.get("text") or "") for part in parts)
            elif kind.endswith("_output"):
                turns.append(("tool", ""))
        tools = _responses_tools(body.get("tools") or [])
        move = self._decide("responses", body.get("model") or "", turns, bool(tools))
        if move is None:
            return
        whole: dict[str, Any] = {"id": _id("resp_"), "object": "response", "created_at": int(time.time()),
                                 "model": body.get("model"), "status": "in_progress", "output": []}
        text = {"type": "message", "id": _id("msg_"), "role": "assistant", "status": "completed", "content": []}
        call = _responses_call(move, tools)

        def spoken(words: str) -> dict[str, Any]:
            return dict(text, content=[{"type": "output_text", "text": words, "annotations": []}])

        if not body.get("stream"):
            output = [call] if call else [spoken("".join(self.model.words(move)))]
            return self._json(200, dict(whole, status="completed", output=output, usage=RESPONSES_USAGE))
        self._open_stream()
        sequence = iter(range(1 << 30))

        def event(kind: str, **members: Any) -> None:
            self._event(dict(members, type=kind, sequence_number=next(sequence)), kind)

        event("response.created", response=whole)
        event("response.output_item.added", output_index=0, item=text)
        event("response.content_part.added", item_id=text["id"], output_index=0, content_index=0,
              part={"type": "output_text", "text": "", "annotations": []})
        said = ""
        for word in ["Using a tool."] if call else self.model.words(move):
            said += word
            event("response.output_text.delta", item_id=text["id"], output_index=0, content_index=0, delta=word)
        event("response.output_item.done", output_index=0, item=spoken(said))
        output = [spoken(said)]
        if call:
            event("response.output_item.added", output_index=1, item=call)
            event("response.output_item.done", output_index=1, item=call)
            output.append(call)
        event("response.completed", response=dict(whole, status="completed", output=output, usage=RESPONSES_USAGE))

    # OpenAI chat completions.

    def _chat(self, body: dict[str, Any]) -> None:
        turns: list[Turn] = []
        for message in body.get("messages") or []:
            if message.get("role") == "user":
                turns.append(("user", _texts(message.get("content"))))
            elif message.get("role") == "tool":
                turns.append(("tool", ""))
        tools = [(tool.get("function") or tool).get("name") for tool in body.get("tools") or []]
        move = self._decide("chat", body.get("model") or "", turns, bool(tools))
        if move is None:
            return
        call = _chat_call(move, tools)
        finish = "tool_calls" if call else "stop"
        base = {"id": _id("chatcmpl-"), "created": int(time.time()), "model": body.get("model")}
        if not body.get("stream"):
            message = {"role": "assistant", "content": None if call else "".join(self.model.words(move))}
            if call:
                message["tool_calls"] = [call]
            choice = {"index": 0, "message": message, "finish_reason": finish}
            return self._json(200, dict(base, object="chat.completion", choices=[choice], usage=CHAT_USAGE))
        self._open_stream()

        def delta(change: dict[str, Any], end: str | None = None) -> None:
            self._event(dict(base, object="chat.completion.chunk", choices=[{"index": 0, "delta": change, "finish_reason": end}]))

        delta({"role": "assistant", "content": ""})
        if call:
            delta({"tool_calls": [dict(call, index=0)]})
        else:
            for word in self.model.words(move):
                delta({"content": word})
        delta({}, finish)
        self._event(dict(base, object="chat.completion.chunk", choices=[], usage=CHAT_USAGE))
        self._event("[DONE]")

    # Gemini.

    def _gemini(self, path: str, body: dict[str, Any]) -> None:
        model = path.split("/models/")[-1].split(":")[0]
        turns: list[Turn] = []
        for content in body.get("contents") or []:
            if content.get("role", "user") != "user":
                continue
            for part in content.get("parts") or []:
                turns.append(("tool", "") if "functionResponse" in part else ("user", part.get("text") or ""))
        move = self._decide("gemini", model, turns, bool(body.get("tools")))
        if move is None:
            return

        def chunk(part: dict[str, Any], last: bool) -> dict[str, Any]:
            candidate: dict[str, Any] = {"content": {"role": "model", "parts": [part]}, "index": 0}
            whole: dict[str, Any] = {"candidates": [candidate], "modelVersion": model, "responseId": _id("mock-")}
            if last:
                candidate["finishReason"] = "STOP"
                whole["usageMetadata"] = GEMINI_USAGE
            return whole

        if ":streamGenerateContent" not in path:
            text = "".join(self.model.words(move))
            if (body.get("generationConfig") or {}).get("responseMimeType") == "application/json":
                text = json.dumps({"reasoning": "mock", "model_choice": "flash", "complexity_reasoning": "mock",
                                   "complexity_score": 1, "next_speaker": "user"})
            return self._json(200, chunk({"text": text}, True))
        self._open_stream()
        if move.kind == "bash":
            call = {"functionCall": {"name": "run_shell_command", "args": {"command": move.value}}}
            return self._event(chunk(call, True))
        for word in self.model.words(move):
            self._event(chunk({"text": word}, False))
        self._event(chunk({"text": "."}, True))


# How each dialect spells a tool call. The tools offered decide the name, as agents rename theirs between versions.


def _named_call(move: Move) -> tuple[str, Any]:
    name, _, arguments = move.value.partition(" ")
    return name, json.loads(arguments or "{}")


def _anthropic_call(move: Move, tools: list[str]) -> dict[str, Any] | None:
    given: Any
    if move.kind == "bash":
        name, given = "Bash", {"command": move.value, "description": "Run a mock command", "timeout": 600000}
    elif move.kind == "task":
        name = "Agent" if "Agent" in tools else "Task"
        given = {"description": "Mock subagent", "prompt": move.value, "subagent_type": "general-purpose"}
    elif move.kind == "tool":
        name, given = _named_call(move)
    else:
        return None
    return {"type": "tool_use", "id": _id("toolu_"), "name": name, "input": given}


def _responses_tools(offered: list[dict[str, Any]], namespace: str | None = None) -> dict[str, tuple[dict[str, Any], str | None]]:
    tools: dict[str, tuple[dict[str, Any], str | None]] = {}
    for tool in offered:
        if tool.get("type") == "namespace":
            tools.update(_responses_tools(tool.get("tools") or [], tool.get("name")))
        else:
            tools[tool.get("name") or tool.get("type") or ""] = (tool, namespace)
    return tools


def _responses_call(move: Move, tools: dict[str, tuple[dict[str, Any], str | None]]) -> dict[str, Any] | None:
    given: Any
    if move.kind == "bash":
        name, given = "exec_command", {"cmd": move.value, "yield_time_ms": 30000}
        if name not in tools and "exec" in tools:  # code mode: the tool takes a JavaScript cell
            name = "exec"
            given = f"text(JSON.stringify(await tools.exec_command({json.dumps(given)})));"
        elif name not in tools and "shell_command" in tools:
            name, given = "shell_command", {"command": move.value, "timeout_ms": 600000}
    elif move.kind == "task":
        name, given = "spawn_agent", {"message": move.value}
        tool = tools.get(name, ({}, None))[0]
        wanted = (tool.get("parameters") or {}).get("properties") or {}
        optional: dict[str, Any] = {"task_name": "mock_task", "fork_context": False, "fork_turns": "none"}
        given = dict(given, **{key: value for key, value in optional.items() if key in wanted})
    elif move.kind == "tool":
        name, given = _named_call(move)
    else:
        return None
    tool, namespace = tools.get(name, ({}, None))
    if tool.get("type") == "custom":
        return {"type": "custom_tool_call", "id": _id("ctc_"), "call_id": _id("call_"), "name": name,
                "input": given if isinstance(given, str) else json.dumps(given), "status": "completed"}
    call = {"type": "function_call", "id": _id("fc_"), "call_id": _id("call_"), "name": name,
            "arguments": json.dumps(given), "status": "completed"}
    return dict(call, namespace=namespace) if namespace else call


def _chat_call(move: Move, tools: list[str]) -> dict[str, Any] | None:
    if move.kind == "bash":
        name = "exec" if "exec" in tools and "bash" not in tools else "bash"
        given: Any = {"command": move.value, "description": "Run a mock command"}
    elif move.kind == "task":
        name, given = "task", {"description": "mock child", "subagent_type": "general", "prompt": move.value}
    elif move.kind == "tool":
        name, given = _named_call(move)
    else:
        return None
    return {"id": _id("call_"), "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
