"""OpenCode 1.18.33: `opencode run`, the terminal interface, child sessions, and its server."""

from __future__ import annotations

import base64
import json
import os
import signal
import sqlite3
import sys
import urllib.parse
import urllib.request
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import bystanders
import launching
from install import command
from launching import Launcher
from model import Model
from observe import ABSENT, NOTICE_S, row
from scenario import scenario
from worlds import Child, World, wait_for

# OpenCode counts neither cached tokens within the input nor reasoning within the output.
ONE_CALL = {"inputTokens": 1000, "outputTokens": 30, "cacheReadTokens": 200, "reasoningTokens": 4}
TWO_CALLS = {field: 2 * count for field, count in ONE_CALL.items()}
MODEL = ("mock-1", "mock/mock-1")

ANSWERED_S = NOTICE_S + 10
"""How long a watch may take to tell that a permission was given: Linux notes what is drawn on a terminal once in 8 seconds,
and what is drawn within 2 seconds of the question may be the question."""


class OpencodeWorld(World):
    """A home with an OpenCode that talks to our model."""

    agent = "opencode"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.env.update(OPENCODE_DISABLE_AUTOUPDATE="1", OPENCODE_DISABLE_MODELS_FETCH="1", OPENCODE_DISABLE_LSP_DOWNLOAD="1")
        mock = {"npm": "@ai-sdk/openai-compatible", "name": "Mock", "options": {"baseURL": model.url + "/v1", "apiKey": "dummy"},
                "models": {"mock-1": {"name": "Mock 1", "limit": {"context": 128000, "output": 4096}}}}
        config = self.home / ".config/opencode/opencode.json"
        config.parent.mkdir(parents=True)
        config.write_text(json.dumps({"provider": {"mock": mock}, "model": "mock/mock-1", "small_model": "mock/mock-1",
                                      "autoupdate": False, "share": "disabled"}))

    def run(self, folder: Path, prompt: str, *args: str) -> Child:
        """Starts `opencode run` with every permission."""
        return self.start(command("opencode") + ["run", "--auto", "-m", "mock/mock-1", *args, "--", prompt], folder)

    def sessions(self, folder: Path) -> list[dict[str, Any]]:
        """Returns the rows OpenCode keeps for a folder, oldest first."""
        path = self.home / ".local/share/opencode/opencode.db"
        try:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5) as database:
                database.row_factory = sqlite3.Row
                query = "select id, parent_id, title from session where directory = ? order by time_created"
                return [dict(one) for one in database.execute(query, (str(folder),))]
        except sqlite3.OperationalError:
            return []  # it makes its database on the first start

    def session(self, folder: Path, title: str | None = None, besides: Sequence[str] = (), parent: str | None = None) -> str:
        """Returns the id of the one main session of a folder, of the one with that title, or of the one that is new."""

        def find() -> str | None:
            ids = [one["id"] for one in self.sessions(folder)
                   if one["parent_id"] == parent and title in (None, one["title"]) and one["id"] not in besides]
            assert len(ids) < 2, f"sessions of {folder}: {ids}"
            return ids[0] if ids else None

        return wait_for(f"opencode to record a session for {folder}", find)


OPTIONS = [{"label": label, "description": "a colour"} for label in ("red", "blue")]
QUESTIONS = json.dumps({"questions": [{"question": "Which one?", "header": "Pick", "options": OPTIONS}]})
WHICH_ONE = f"Ask [[tool:question {QUESTIONS.replace(']', ' ]')}]]"
"""Has the model ask the person."""


def make_world(model: Model) -> OpencodeWorld:
    """Returns the world the scenarios below run in."""
    return OpencodeWorld(model)


def stored(prompt: str) -> tuple[str, str]:
    """Returns how a prompt may read: `opencode run` stores an argument with a space in quotes."""
    return prompt, f'"{prompt}"'


@scenario("streaming, then finished")
def streaming(world: OpencodeWorld) -> None:
    folder = world.project("streams, then.ends", branch="feature/x")
    prompt = "Tell me more [[hold:oc-stream]]"
    child = world.run(folder, prompt, "--title", "A named session")
    world.model.wait_streaming("oc-stream")
    session = world.session(folder)
    told = dict(title="A named session", branch=("feature/x", ABSENT), model=MODEL, prompt=stored(prompt))
    running = row(session, "running", "turn_in_progress", child.ref(), **told)
    world.headcount.shows(folder, [running])
    world.headcount.status(running)
    world.model.release("oc-stream")
    child.ended(0)
    ended = row(session, "stopped", "completed", usage=ONE_CALL, **told)
    world.headcount.shows(folder, [ended], within_s=0)
    world.headcount.status(ended)


@scenario("in a tool, started from another directory, then finished")
def in_a_tool(world: OpencodeWorld) -> None:
    folder, elsewhere, tool = world.project("tool"), world.project("elsewhere"), world.tool("oc-tool")
    prompt = f"Run it [[bash:{tool.command}]]"
    child = world.start(command("opencode") + ["run", "--auto", "-m", "mock/mock-1", "--dir", str(folder), "--", prompt], elsewhere)
    tool.wait_running()
    session = world.session(folder)
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", child.ref(), model=MODEL)])
    world.headcount.shows(elsewhere, [])
    tool.release()
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", usage=TWO_CALLS)], within_s=0)
    world.headcount.peeks(session, prompt)


@scenario("killed with SIGKILL in a tool: its database says running for ever")
def killed(world: OpencodeWorld) -> None:
    folder, tool = world.project("killed"), world.tool("oc-killed")
    child = world.run(folder, f"Run it [[bash:{tool.command}]]")
    tool.wait_running()
    os.kill(child.pid, signal.SIGKILL)
    child.ended()
    world.headcount.shows(folder, [row(world.session(folder), "stopped", "killed")], within_s=0)
    tool.release()


@scenario("two in one directory: each its own process, one ends alone")
def two_in_one_directory(world: OpencodeWorld) -> None:
    folder = world.project("shared")
    one = world.run(folder, "First [[hold:oc-one]]", "--title", "first")
    world.model.wait_streaming("oc-one")
    two = world.run(folder, "Second [[hold:oc-two]]", "--title", "second")
    world.model.wait_streaming("oc-two")
    first, second = world.session(folder, "first"), world.session(folder, "second")
    # Nothing ties a session to one of two processes but when it began.
    world.headcount.shows(folder, [row(first, "running", "turn_in_progress", one.ref()),
                                   row(second, "running", "turn_in_progress", two.ref())])
    world.model.release("oc-one")
    one.ended(0)
    world.headcount.shows(folder, [row(first, "stopped", "completed"),
                                   row(second, "running", "turn_in_progress", two.ref())], within_s=0)
    world.model.release("oc-two")
    two.ended(0)


@scenario("two name one session: the one at work is shown")
def two_name_one_session(world: OpencodeWorld) -> None:
    folder = world.project("named")
    world.run(folder, "Hello there").ended(0)
    session = world.session(folder)
    child = world.run(folder, "Go on [[hold:oc-named]]", "-s", session)
    world.model.wait_streaming("oc-named")
    screen = world.terminal(command("opencode") + ["--session", session], folder, "opencode-named")
    screen.shows("Go on")
    onlooker = screen.process().ref()
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", child.ref(), conflict="two_owners")])
    world.model.release("oc-named")
    child.ended(0)
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", onlooker)])
    screen.key("C-c")
    screen.ended()
    world.headcount.shows(folder, [row(session, "stopped", "completed")])


@scenario("the model refuses")
def model_error(world: OpencodeWorld) -> None:
    folder = world.project("refused")
    world.run(folder, "Fail [[error:400]]").ended(1)
    world.headcount.shows(folder, [row(world.session(folder), "failed", "model_error")], within_s=0)


@scenario("a child session belongs to its parent, in the same process")
def child_session(world: OpencodeWorld) -> None:
    folder = world.project("delegates")
    child = world.run(folder, "Delegate [[task:Look around {{hold:oc-child}}]]")
    world.model.wait_streaming("oc-child")
    session = world.session(folder)
    below = world.session(folder, parent=session)
    parent = row(session, "running", "turn_in_progress", child.ref())
    world.headcount.shows(folder, [parent], subagents=False)
    world.headcount.shows(folder, [parent, row(below, "running", "turn_in_progress", child.ref(), kind="subagent",
                                               parentSessionId=session)])
    world.model.release("oc-child")
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", usage=TWO_CALLS),
                                   row(below, "stopped", "completed", kind="subagent", parentSessionId=session,
                                       usage=ONE_CALL)], within_s=0)


@scenario("the interface: beside old sessions, busy, idle, left")
def interface(world: OpencodeWorld) -> None:
    folder = world.project("screen")
    world.run(folder, "Before", "--title", "old").ended(0)
    killed_run = world.run(folder, "Before that [[hold:oc-old]]", "--title", "old and killed")
    world.model.wait_streaming("oc-old")
    os.kill(killed_run.pid, signal.SIGKILL)
    killed_run.ended()
    old = [row(world.session(folder, "old"), "stopped", "completed"), row(world.session(folder, "old and killed"), "stopped", "killed")]
    world.headcount.shows(folder, old)

    screen = world.terminal(command("opencode"), folder, "opencode")
    screen.shows("Ask anything|ctrl\\+p")
    ref = screen.process().ref()
    alone = row(None, "idle", "never_prompted", ref)
    world.headcount.shows(folder, old + [alone])

    prompt = "Think [[hold:oc-screen]]"
    screen.say(prompt)
    world.model.wait_streaming("oc-screen")
    session = world.session(folder, besides=[one["sessionId"] for one in old])
    world.headcount.shows(folder, old + [row(session, "running", "turn_in_progress", ref, prompt=prompt)])
    world.model.release("oc-screen")
    world.headcount.shows(folder, old + [row(session, "idle", "turn_ended", ref, prompt=prompt)])
    screen.key("C-c")
    screen.ended()
    world.headcount.shows(folder, old + [row(session, "stopped", "completed", prompt=prompt)])


@scenario("the interface: at work in the session that it left for another, until that ends too")
def two_at_once(world: OpencodeWorld) -> None:
    folder = world.project("two at once")
    screen = world.terminal(command("opencode"), folder, "opencode-two")
    screen.shows("Ask anything|ctrl\\+p")
    ref = screen.process().ref()
    screen.say("First [[hold:oc-left]]")
    world.model.wait_streaming("oc-left")
    first = world.session(folder)
    screen.key("C-x")
    screen.press("n", "Ask anything")
    screen.say("Second [[hold:oc-shown]]")
    world.model.wait_streaming("oc-shown")
    second = world.session(folder, besides=[first])
    world.headcount.shows(folder, [row(one, "running", "turn_in_progress", ref) for one in (first, second)])
    launching.refused(world.headcount, "session.stop", {"sessionId": second}, launching.UNSUPPORTED)
    launching.refused(world.headcount, "session.resume", {"sessionId": first, "prompt": "Me too"}, launching.SESSION_ALIVE)
    world.model.release("oc-shown")
    world.headcount.shows(folder, [row(first, "running", "turn_in_progress", ref), row(second, "idle", "turn_ended", ref)])
    world.model.release("oc-left")
    # Which of the two is shown is not known: it worked in the first last.
    world.headcount.shows(folder, [row(first, "idle", "turn_ended", ref), row(second, "stopped", "completed")])
    screen.key("C-c")
    screen.ended()
    world.headcount.shows(folder, [row(one, "stopped", "completed") for one in (first, second)])


@scenario("the interface asks for permission: approved, then refused")
def asks_for_permission(world: OpencodeWorld) -> None:
    folder = world.project("asks")
    (folder / "opencode.json").write_text(json.dumps({"permission": {"bash": "ask"}}))
    screen = world.terminal(command("opencode"), folder, "opencode-asks")
    screen.shows("Ask anything|ctrl\\+p")
    ref = screen.process().ref()
    screen.say("Run it [[bash:echo asked]]")
    screen.shows("Permission required")
    session = world.session(folder)
    world.headcount.shows(folder, [row(session, "waiting", "permission", ref)])
    screen.key("Enter")
    screen.shows("all done")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.say("Again [[bash:echo refused]]")
    screen.shows("Permission required")
    world.headcount.shows(folder, [row(session, "waiting", "permission", ref)])
    screen.key("Escape")
    screen.lacks("Permission required")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.key("C-c")
    screen.ended()
    world.headcount.shows(folder, [row(session, "stopped", "interrupted")])


@scenario("two interfaces in one directory: each its own session, asking a question or for a permission, one killed and gone on with")
def two_interfaces(world: OpencodeWorld) -> None:
    folder = world.project("two screens")
    (folder / "opencode.json").write_text(json.dumps({"permission": {"webfetch": "ask"}}))
    outside = world.root / "outside"
    outside.mkdir()
    (outside / "note").write_text("a note\n")
    screens, refs, sessions = [], [], []
    for name in ("first", "second"):
        screens.append(world.terminal(command("opencode"), folder, f"opencode-{name}"))
        screens[-1].shows("Ask anything|ctrl\\+p")
        refs.append(screens[-1].process().ref())
    world.headcount.shows(folder, [row(None, "idle", "never_prompted", ref) for ref in refs])
    for screen in screens:
        screen.say("Hello there")
        screen.shows("reply to: Hello there")
        sessions.append(world.session(folder, besides=sessions))
    (one, two), (first, second) = screens, (partial(row, *pair) for pair in (sessions[0:1], sessions[1:2]))
    world.headcount.shows(folder, [first("idle", "turn_ended", refs[0]), second("idle", "turn_ended", refs[1])])

    one.say(WHICH_ONE)
    one.shows("Which one\\?")
    two.say(f"Fetch it [[tool:webfetch {json.dumps({'url': world.model.url + '/models', 'format': 'text'})}]]")
    two.shows("Permission required")
    world.headcount.shows(folder, [first("waiting", "question", refs[0]), second("waiting", "permission", refs[1])])
    one.key("Enter")
    one.shows("all done")
    two.key("Enter")
    two.shows("all done")
    world.headcount.shows(folder, [first("idle", "turn_ended", refs[0]), second("idle", "turn_ended", refs[1])])
    one.say(f"Read it [[tool:read {json.dumps({'filePath': str(outside / 'note')})}]]")
    one.shows("Permission required")
    world.headcount.shows(folder, [first("waiting", "permission", refs[0]), second("idle", "turn_ended", refs[1])])

    os.kill(one.pid, signal.SIGKILL)
    one.ended()
    world.headcount.shows(folder, [first("stopped", "killed"), second("idle", "turn_ended", refs[1])])
    again = world.terminal(command("opencode") + ["--session", sessions[0]], folder, "opencode-again")
    again.shows("Read it")
    ref = again.process().ref()
    world.headcount.shows(folder, [first("idle", "turn_ended", ref), second("idle", "turn_ended", refs[1])])
    for screen in (again, two):
        screen.key("C-c")
        screen.ended()
    world.headcount.shows(folder, [first("stopped"), second("stopped", "completed")])


@scenario("two interfaces opened at once in one directory: each its own session")
def two_at_the_same_time(world: OpencodeWorld) -> None:
    folder = world.project("twins")
    screens = [world.terminal(command("opencode"), folder, f"opencode-twin-{name}") for name in ("one", "two")]
    for screen in screens:
        screen.shows("Ask anything|ctrl\\+p")
    for number, screen in enumerate(screens):
        screen.say(f"Twin {number} [[hold:oc-twin-{number}]]")
    for number in range(2):
        world.model.wait_streaming(f"oc-twin-{number}")
    sessions: list[str] = []
    for number in range(2):
        sessions.append(next(one["sessionId"] for one in world.headcount.rows(folder)
                             if one["prompt"] == f"Twin {number} [[hold:oc-twin-{number}]]"))
    refs = [screen.process().ref() for screen in screens]
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", ref) for session, ref in zip(sessions, refs)])
    for number in range(2):
        world.model.release(f"oc-twin-{number}")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref) for session, ref in zip(sessions, refs)])
    for screen in screens:
        screen.key("C-c")
        screen.ended()
    world.headcount.shows(folder, [row(session, "stopped", "completed") for session in sessions])


@scenario("the interface asks for what may take long, of its own or of a subagent's: waits, and works once it is allowed")
def asks_for_what_takes_long(world: OpencodeWorld) -> None:
    folder, tools = world.project("slow"), [world.tool(f"oc-slow-{name}") for name in ("own", "below")]
    server = {"type": "local", "command": [sys.executable, str(Path(__file__).with_name("mcp.py"))], "enabled": True}
    (folder / "opencode.json").write_text(json.dumps({"permission": {"slow_wait": "ask"}, "mcp": {"slow": server}}))
    screen = world.terminal(command("opencode"), folder, "opencode-slow")
    screen.shows("Ask anything|ctrl\\+p")
    ref = screen.process().ref()
    own, below = (f"tool:slow_wait {json.dumps({'flag': tool.mark})}" for tool in tools)
    watch = world.headcount.watches(folder)
    screen.say(f"Wait [[{own}]]")
    screen.shows("Permission required")
    session = world.session(folder)
    world.headcount.shows(folder, [row(session, "waiting", "permission", ref)])
    watch.tells(session, "waiting", "permission")
    screen.key("Enter")
    tools[0].wait_running()
    watch.tells(session, "running", "turn_in_progress", ANSWERED_S)
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", ref)])
    tools[0].release()
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.say("Delegate [[task:Wait {{" + below + " }}]]")
    screen.shows("Permission required")
    child = partial(row, world.session(folder, parent=session), kind="subagent", parentSessionId=session)
    watch.tells(session, "waiting", "permission")
    world.headcount.shows(folder, [row(session, "waiting", "permission", ref), child("waiting", "permission", ref)])
    screen.rests()
    screen.key("Enter")
    tools[1].wait_running()
    watch.tells(session, "running", "turn_in_progress", ANSWERED_S)
    watch.close()
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", ref), child("running", "turn_in_progress", ref)])
    tools[1].release()
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref), child("idle", "turn_ended", ref)])
    screen.key("C-c")
    screen.ended()


@scenario("one that keeps its sessions in another store is told as a process alone")
def elsewhere(world: OpencodeWorld) -> None:
    folder = world.project("another store")
    child = world.start(command("opencode") + ["run", "--auto", "-m", "mock/mock-1", "--", "Work [[hold:oc-elsewhere]]"], folder,
                        env={"OPENCODE_DB": str(world.home / "second.db")})
    world.model.wait_streaming("oc-elsewhere")
    world.headcount.shows(folder, [row(None, "running", "process_alive", child.ref())])
    world.model.release("oc-elsewhere")
    child.ended(0)
    world.headcount.shows(folder, [])


@scenario("forked: a session of its own, whose source is not counted twice")
def forked(world: OpencodeWorld) -> None:
    folder = world.project("forks")
    world.run(folder, "Begin").ended(0)
    source = world.session(folder)
    child = world.run(folder, "Go on [[hold:oc-fork]]", "--session", source, "--fork")
    world.model.wait_streaming("oc-fork")
    fork = world.session(folder, besides=[source])
    beside = row(source, "stopped", "completed", usage=ONE_CALL)
    world.headcount.shows(folder, [beside, row(fork, "running", "turn_in_progress", child.ref())])
    world.model.release("oc-fork")
    child.ended(0)
    world.headcount.shows(folder, [beside, row(fork, "stopped", "completed", usage=ONE_CALL)], within_s=0)


@scenario("what is no agent at work: questions to the program, servers that serve nothing")
def no_agents(world: OpencodeWorld) -> None:
    folder = world.project("bystanders")
    serve = world.start(command("opencode") + ["serve", "--port", "0"], folder)
    wait_for("opencode serve to tell its address", lambda: "http://" in serve.output(), hint=serve.output)
    bystanders.questions_are_no_rows(world, folder, [["--version"], ["--help"], ["session", "list"]])
    bystanders.server_is_no_row(world, folder, ["acp"])
    os.kill(serve.pid, signal.SIGTERM)
    serve.ended()


class Served:
    """A running `opencode serve`, and what can be asked of it."""

    def __init__(self, world: OpencodeWorld, folder: Path, password: str = "") -> None:
        locked = {"OPENCODE_SERVER_PASSWORD": password} if password else {}
        self.child = world.start(command("opencode") + ["serve", "--port", "0"], folder, env=locked)
        login = base64.b64encode(f"opencode:{password}".encode()).decode()
        self.headers = {"content-type": "application/json", "authorization": f"Basic {login}"}
        self.url = wait_for("opencode serve to tell its address", lambda: next(
            (word for word in self.child.output().split() if word.startswith("http://")), None), hint=self.child.output)

    def post(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), self.headers)
        with urllib.request.urlopen(request, timeout=30) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    def get(self, path: str) -> Any:
        request = urllib.request.Request(self.url + path, headers=self.headers)
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)

    def begin(self, title: str) -> str:
        """Returns the id of a new session."""
        return str(self.post("/session", {"title": title})["id"])

    def ask(self, session: str, text: str) -> None:
        """Begins a turn."""
        self.post(f"/session/{session}/prompt_async", {"parts": [{"type": "text", "text": text}]})

    def pending(self, kind: str, session: str) -> str | None:
        """Returns the permission or the question that a session waits for."""
        return next((one["id"] for one in self.get(f"/{kind}") if one["sessionID"] == session), None)


@scenario("its server: busy, asking for permission, asking a question, idle")
def server(world: OpencodeWorld) -> None:
    folder = world.project("served")
    (folder / "opencode.json").write_text(json.dumps({"permission": {"bash": "ask"}}))
    server = Served(world, folder)
    child = server.child
    busy, asking, wondering, quiet = (server.begin(title) for title in ("busy", "asking", "wondering", "quiet"))
    server.ask(quiet, "Hello there")
    wait_for("the quiet session to end its turn", lambda: any(entry.prompt == "Hello there" for entry in world.model.journal))
    server.ask(busy, "Think [[hold:oc-served]]")
    world.model.wait_streaming("oc-served")
    server.ask(asking, "Run it [[bash:echo asked]]")
    permission = wait_for("opencode to ask for permission", lambda: server.pending("permission", asking))
    server.ask(wondering, WHICH_ONE)
    question = wait_for("opencode to ask a question", lambda: server.pending("question", wondering))
    ref = child.ref()
    world.headcount.shows(folder, [row(busy, "running", "turn_in_progress", ref, prompt="Think [[hold:oc-served]]"),
                                   row(asking, "waiting", "permission", ref), row(wondering, "waiting", "question", ref),
                                   row(quiet, "idle", "turn_ended", ref, prompt="Hello there")])
    server.post(f"/permission/{permission}/reply", {"reply": "once"})
    server.post(f"/question/{question}/reply", {"answers": [["red"]]})
    world.model.release("oc-served")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref) for session in (busy, asking, wondering, quiet)])
    os.kill(child.pid, signal.SIGKILL)
    child.ended()
    world.headcount.shows(folder, [row(session, "stopped", "completed") for session in (busy, asking, wondering, quiet)], within_s=0)


@scenario("its server behind a password: what stands in line does not hide that it asks for permission")
def asks_before_what_stands_in_line(world: OpencodeWorld) -> None:
    folder = world.project("locked")
    (folder / "opencode.json").write_text(json.dumps({"permission": {"bash": "ask"}}))
    server = Served(world, folder, password="secret")
    session, ref = server.begin("asking"), server.child.ref()
    server.ask(session, "Run it [[bash:echo asked]]")
    permission = wait_for("opencode to ask for permission", lambda: server.pending("permission", session))
    asking = row(session, "waiting", "permission", ref, prompt="Run it [[bash:echo asked]]")
    world.headcount.shows(folder, [asking])
    server.ask(session, "And then")
    wait_for("the second prompt to stand in line", lambda: len(server.get(f"/session/{session}/message")) > 2)
    world.headcount.shows(folder, [asking])
    server.post(f"/permission/{permission}/reply", {"reply": "once"})
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    os.kill(server.child.pid, signal.SIGKILL)
    server.child.ended()
    world.headcount.shows(folder, [row(session, "stopped", "completed")], within_s=0)


@scenario("two servers in one directory, one behind a password: each with all that it serves")
def two_servers(world: OpencodeWorld) -> None:
    folder, elsewhere = world.project("served twice"), world.project("served from afar")
    expected = {}
    for server in (Served(world, folder), Served(world, folder, password="secret")):
        name = f"oc-twice-{server.child.pid}"
        sessions = [server.begin(f"{title} {name}") for title in ("one", "two", "three")]
        far = str(server.post(f"/session?directory={urllib.parse.quote(str(elsewhere))}", {"title": name})["id"])
        server.ask(sessions[0], "Hello there")
        for number, session in enumerate((*sessions[1:], far)):
            server.ask(session, f"Think [[hold:{name}-{number}]]")
            world.model.wait_streaming(f"{name}-{number}")
        expected[server] = sessions, far
    refs = {server: server.child.ref() for server in expected}

    def shows(status: str, reason: str) -> None:
        world.headcount.shows(folder, [told for server, (sessions, _) in expected.items() for told in (
            row(sessions[0], "idle", "turn_ended", refs[server]), *(row(one, status, reason, refs[server]) for one in sessions[1:]))])
        world.headcount.shows(elsewhere, [row(far, status, reason, refs[server]) for server, (_, far) in expected.items()])

    shows("running", "turn_in_progress")
    for server in expected:
        for number in range(3):
            world.model.release(f"oc-twice-{server.child.pid}-{number}")
    shows("idle", "turn_ended")
    for server in expected:
        os.kill(server.child.pid, signal.SIGKILL)
        server.child.ended()


@scenario("its server: a stop ends the turn of one session, a child's too, and the server lives on")
def stopped_in_a_server(world: OpencodeWorld) -> None:
    folder = world.project("served and stopped")
    (folder / "opencode.json").write_text(json.dumps({"permission": {"bash": "ask"}}))
    server = Served(world, folder)
    ref, (one, asking, other) = server.child.ref(), (server.begin(title) for title in ("one", "asking", "other"))
    server.ask(one, "Think [[hold:oc-stop-one]]")
    server.ask(asking, "Run it [[bash:echo asked]]")
    server.ask(other, "Delegate [[task:Look around {{hold:oc-stop-child}}]]")
    world.model.wait_streaming("oc-stop-one")
    world.model.wait_streaming("oc-stop-child")
    below = next(session["id"] for session in world.sessions(folder) if session["parent_id"] == other)
    child = dict(kind="subagent", parentSessionId=other)
    world.headcount.shows(folder, [row(one, "running", "turn_in_progress", ref), row(asking, "waiting", "permission", ref),
                                   row(other, "running", "turn_in_progress", ref),
                                   row(below, "running", "turn_in_progress", ref, **child)])
    launching.refused(world.headcount, "session.resume", {"sessionId": one, "prompt": "Me too"}, launching.SESSION_ALIVE)

    def stop(session: str, outcome: str) -> None:
        told = world.headcount.call("session.stop", {"sessionId": session})
        assert (told["outcome"], told["signals"], told["survivors"]) == (outcome, [], []), told

    for session in (one, asking):
        stop(session, "stopped")
        stop(session, "already_stopped")
    stop(below, "stopped")
    stop(other, "stopped")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref) for session in (one, asking, other)], subagents=False)
    assert server.child.popen.poll() is None, "the server is gone"
    launching.refused(world.headcount, "session.resume", {"sessionId": one, "prompt": "Me too"}, launching.SESSION_ALIVE)
    world.model.release("oc-stop-one")
    world.model.release("oc-stop-child")
    os.kill(server.child.pid, signal.SIGKILL)
    server.child.ended()


LAUNCHER = Launcher(
    program="opencode", params={"model": "mock/mock-1", "permissions": "full"},
    by_hand=lambda world, folder, session, prompt: world.run(folder, prompt, "--session", session),
    refusal={"model": "mock/none"}, refusal_words="UnknownError")


@scenario("launched: runs on without its server, is resumed as the same session, by one at a time")
def launched(world: OpencodeWorld) -> None:
    launching.outlives_its_server(world, LAUNCHER)


@scenario("launched, and stopped in a tool: nothing of it is left")
def launched_and_stopped(world: OpencodeWorld) -> None:
    launching.is_stopped_in_a_tool(world, LAUNCHER)


@scenario("launched in vain: its own words")
def launched_in_vain(world: OpencodeWorld) -> None:
    launching.is_refused(world, LAUNCHER)


@scenario("launched with prompts that are awkward or long")
def launched_with_prompts(world: OpencodeWorld) -> None:
    launching.takes_any_prompt(world, LAUNCHER)


@scenario("launched while the model is silent: its store tells the session")
def launched_in_silence(world: OpencodeWorld) -> None:
    launching.is_told_by_its_store(world, LAUNCHER)
