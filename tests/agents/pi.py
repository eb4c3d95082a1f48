"""Pi 0.73.1: print mode and the terminal interface. Its processes name no session, and its first answer leaves no file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import launching
from install import command
from launching import Launcher
from model import Model
from observe import ABSENT, Headcount, row
from scenario import scenario
from worlds import Child, World, wait_for

ONE_CALL = {"inputTokens": 1000, "outputTokens": 34, "cacheReadTokens": 200, "costUsd": 0.00357}
TWO_CALLS = {field: 2 * count for field, count in ONE_CALL.items()}
BRANCH = ("feature/x", ABSENT)  # Pi records none; what is told must still be true
MODEL = ("mock-1", "mock/mock-1")


class PiWorld(World):
    """A home with a Pi that talks to our model."""

    agent = "pi"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.env.update(PI_OFFLINE="1", PI_SKIP_VERSION_CHECK="1")
        self.store = self.home / ".pi/agent"
        self.store.mkdir(parents=True)
        price = {"input": 3, "output": 15, "cacheRead": 0.3, "cacheWrite": 3.75}
        mock = {"id": "mock-1", "name": "Mock 1", "reasoning": False, "input": ["text"], "cost": price, "contextWindow": 128000,
                "maxTokens": 4096}
        (self.store / "models.json").write_text(json.dumps({"providers": {"mock": {
            "baseUrl": model.url + "/v1", "api": "openai-completions", "apiKey": "dummy", "models": [mock]}}}))
        (self.store / "settings.json").write_text(json.dumps({"defaultProvider": "mock", "defaultModel": "mock-1"}))

    def run(self, folder: Path, prompt: str, *args: str, env: dict[str, str] | None = None) -> Child:
        """Starts `pi -p`."""
        return self.start(command("pi") + ["--model", "mock/mock-1", *args, "-p", prompt], folder, env=env)

    def headers(self, folder: Path) -> dict[str, Path]:
        """Returns the sessions stored for a folder, with their files."""
        found = {}
        for path in (self.store / "sessions").glob("*/*.jsonl"):
            header: dict[str, Any] = json.loads(path.read_text().partition("\n")[0])
            if header["cwd"] == str(folder):
                found[header["id"]] = path
        return found

    def session(self, folder: Path, besides: list[str] | None = None) -> str:
        """Returns the id of the one session of a folder, or of the one that is new."""
        return wait_for(f"pi to store a session for {folder}",
                        lambda: next((one for one in self.headers(folder) if one not in (besides or [])), None))

    @contextmanager
    def seen_with(self, variables: dict[str, str]) -> Iterator[Headcount]:
        """Yields a headcount with these variables in its environment."""
        plain = self.env
        self.env = dict(plain, **variables)
        headcount = Headcount(self.headcount.binary, self)
        self.env = plain
        try:
            yield headcount
        finally:
            headcount.close()


def make_world(model: Model) -> PiWorld:
    """Returns the world the scenarios below run in."""
    return PiWorld(model)


@scenario("the first answer streams and no file exists, then finished")
def first_turn(world: PiWorld) -> None:
    folder = world.project("streams, then.ends", branch="feature/x")
    prompt = "Tell me more [[hold:pi-stream]]"
    child = world.run(folder, prompt)
    world.model.wait_streaming("pi-stream")
    assert not world.headers(folder), "pi now stores a session before its first answer is complete"
    world.headcount.shows(folder, [row(None, ("running", "unknown"), "process_alive", child.ref(), certainty="inferred")])
    world.model.release("pi-stream")
    child.ended(0)
    ended = row(world.session(folder), "stopped", "completed", prompt=prompt, model=MODEL, usage=ONE_CALL)
    world.headcount.shows(folder, [ended], within_s=0)
    world.headcount.status(ended)


@scenario("one that keeps its sessions in another store is told as a process alone")
def elsewhere(world: PiWorld) -> None:
    folder, store = world.project("elsewhere"), world.home / "second"
    shutil.copytree(world.store, store, ignore=shutil.ignore_patterns("sessions"))
    world.run(folder, "Before").ended(0)
    here = row(world.session(folder), "stopped", "completed")
    child = world.run(folder, "Work [[hold:pi-elsewhere]]", env={"PI_CODING_AGENT_DIR": str(store)})
    world.model.wait_streaming("pi-elsewhere")
    world.headcount.shows(folder, [here, row(None, "running", "process_alive", child.ref())])
    world.model.release("pi-elsewhere")
    child.ended(0)
    world.headcount.shows(folder, [here])


@scenario("in a tool, then finished")
def in_a_tool(world: PiWorld) -> None:
    folder, tool = world.project("tool", branch="feature/x"), world.tool("pi-tool")
    prompt = f"Run it [[bash:{tool.command}]]"
    child = world.run(folder, prompt)
    tool.wait_running()
    session = world.session(folder)
    running = row(session, "running", "turn_in_progress", child.ref(), prompt=prompt, branch=BRANCH, model=MODEL, usage=ONE_CALL)
    world.headcount.shows(folder, [running])
    world.headcount.status(running)
    tool.release()
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", usage=TWO_CALLS)], within_s=0)
    world.headcount.peeks(session, prompt)


@scenario("killed with SIGKILL in a tool, and in its first answer")
def killed(world: PiWorld) -> None:
    folder, tool = world.project("killed"), world.tool("pi-killed")
    child = world.run(folder, f"Run it [[bash:{tool.command}]]")
    tool.wait_running()
    unseen = world.run(folder, "Never stored [[hold:pi-killed]]")
    world.model.wait_streaming("pi-killed")
    for process in (child, unseen):
        os.kill(process.pid, signal.SIGKILL)
        process.ended()
    world.headcount.shows(folder, [row(world.session(folder), "stopped", "killed")], within_s=0)
    tool.release()


@scenario("two in one directory: each its own process, one ends alone")
def two_in_one_directory(world: PiWorld) -> None:
    folder, tools = world.project("shared"), [world.tool("pi-one"), world.tool("pi-two")]
    children: list[Child] = []
    sessions: list[str] = []
    for tool in tools:
        children.append(world.run(folder, f"Run it [[bash:{tool.command}]]"))
        tool.wait_running()
        sessions.append(world.session(folder, sessions))
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", child.ref()) for session, child in zip(sessions, children)])
    tools[0].release()
    children[0].ended(0)
    world.headcount.shows(folder, [row(sessions[0], "stopped", "completed"),
                                   row(sessions[1], "running", "turn_in_progress", children[1].ref())], within_s=0)
    tools[1].release()
    children[1].ended(0)


@scenario("two in one directory, started at once")
def two_at_once(world: PiWorld) -> None:
    folder, tools = world.project("at once"), [world.tool("pi-at-once-1"), world.tool("pi-at-once-2")]
    children = [world.run(folder, f"Run it [[bash:{tool.command}]]") for tool in tools]
    for tool in tools:
        tool.wait_running()
    # That both are at work is known; which is whose is not, and so neither process is shown.
    sessions = list(world.headers(folder))
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", certainty="inferred") for session in sessions])
    for tool, child in zip(tools, children):
        tool.release()
        child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed") for session in sessions], within_s=0)


@scenario("resumed: an older session in a newer process")
def resumed(world: PiWorld) -> None:
    folder = world.project("resumed")
    world.run(folder, "Begin").ended(0)
    session = world.session(folder)
    other = world.run(folder, "Another")
    other.ended(0)
    beside = row(world.session(folder, [session]), "stopped", "completed", prompt="Another")
    child = world.run(folder, "Go on [[hold:pi-resumed]]", "--session", str(world.headers(folder)[session]))
    world.model.wait_streaming("pi-resumed")
    world.headcount.shows(folder, [beside, row(session, "running", "turn_in_progress", child.ref(), prompt="Begin")])
    world.model.release("pi-resumed")
    child.ended(0)
    world.headcount.shows(folder, [beside, row(session, "stopped", "completed", prompt="Begin", usage=TWO_CALLS)], within_s=0)


@scenario("forked: a session of its own, whose source is not counted twice")
def forked(world: PiWorld) -> None:
    folder = world.project("forks")
    world.run(folder, "Begin").ended(0)
    source = world.session(folder)
    world.run(folder, "Go on", "--fork", str(world.headers(folder)[source])).ended(0)
    fork = world.session(folder, [source])
    world.headcount.shows(folder, [row(source, "stopped", "completed", usage=ONE_CALL),
                                   row(fork, "stopped", "completed", forkedFrom=source, usage=ONE_CALL)], within_s=0)
    path = world.headers(folder)[source]
    mine = path.rename(path.with_name("mine.jsonl"))
    world.run(folder, "Go on", "--fork", str(mine)).ended(0)
    another = world.session(folder, [source, fork])
    world.headcount.shows(folder, [row(source, "stopped", "completed", usage=ONE_CALL),
                                   row(fork, "stopped", "completed", forkedFrom=source, usage=ONE_CALL),
                                   row(another, "stopped", "completed", forkedFrom=source, usage=ONE_CALL)], within_s=0)


@scenario("its sessions kept elsewhere, by variables and by settings")
def kept_elsewhere(world: PiWorld) -> None:
    flat, agent_dir, named = (world.root / "stores" / name for name in ("flat", "agent", "named"))
    shutil.copytree(world.store, agent_dir, ignore=shutil.ignore_patterns("sessions"))
    settings = json.loads((world.store / "settings.json").read_text())
    usual = world.project("kept as usual")
    world.run(usual, "Before").ended(0)
    world.headcount.shows(usual, [row(world.session(usual), "stopped", "completed")])
    for name, variables, store in (("flat", {"PI_CODING_AGENT_SESSION_DIR": str(flat)}, flat),
                                   ("moved", {"PI_CODING_AGENT_DIR": str(agent_dir)}, agent_dir),
                                   ("settings", {"PI_CODING_AGENT_DIR": str(agent_dir)}, named)):
        folder, tool = world.project(f"kept {name}"), world.tool(f"pi-kept-{name}")
        if store == named:
            (agent_dir / "settings.json").write_text(json.dumps(dict(settings, sessionDir=str(named))))
        child = world.start(command("pi") + ["--model", "mock/mock-1", "-p", f"Run it [[bash:{tool.command}]]"], folder, env=variables)
        tool.wait_running()
        assert list(store.rglob("*.jsonl")), f"pi keeps nothing in {store}"
        with world.seen_with(variables) as headcount:
            [seen] = headcount.rows(folder)
            told = (seen["status"], seen["reason"], seen["process"]["pid"], seen["cwd"], seen["prompt"])
            assert told == ("running", "turn_in_progress", child.pid, str(folder), f"Run it [[bash:{tool.command}]]"), seen
            # Without the variables its session is not found, and it is a process alone.
            world.headcount.shows(folder, [row(None, "running", "process_alive", child.ref())])
            tool.release()
            child.ended(0)
            [seen] = headcount.rows(folder)
            assert (seen["status"], seen["reason"]) == ("stopped", "completed"), seen


@scenario("the model refuses")
def model_error(world: PiWorld) -> None:
    folder = world.project("refused")
    world.run(folder, "Fail [[error:400]]").ended(1)
    world.headcount.shows(folder, [row(world.session(folder), "failed", "model_error")], within_s=0)


@scenario("the interface: beside old sessions, answering, in a tool, idle, left")
def interface(world: PiWorld) -> None:
    folder, tool = world.project("screen"), world.tool("pi-screen")
    world.run(folder, "Before").ended(0)
    before = world.session(folder)
    old = row(before, "stopped", "completed", prompt="Before")

    screen = world.terminal(command("pi") + ["--model", "mock/mock-1"], folder, "pi")
    screen.shows("mock-1")
    ref = screen.process().ref()
    # Nothing is stored before the first answer ends: that nothing was asked yet cannot be told.
    world.headcount.shows(folder, [old, row(None, "unknown", "process_alive", ref)])
    screen.say("Hello there")
    screen.shows("reply to: Hello there")
    session = world.session(folder, [before])
    world.headcount.shows(folder, [old, row(session, "idle", "turn_ended", ref, prompt="Hello there")])
    screen.say(f"Run it [[bash:{tool.command}]]")
    tool.wait_running()
    world.headcount.shows(folder, [old, row(session, "running", "turn_in_progress", ref, prompt="Hello there")])
    tool.release()
    world.headcount.shows(folder, [old, row(session, "idle", "turn_ended", ref, prompt="Hello there")])
    screen.say("/quit")
    screen.ended()
    world.headcount.shows(folder, [old, row(session, "stopped", "completed", prompt="Hello there")])


@scenario("driven by a program: it may be asked nothing yet, answers, and is idle between its prompts")
def driven(world: PiWorld) -> None:
    folder = world.project("driven")
    child = world.start(command("pi") + ["--model", "mock/mock-1", "--mode", "rpc"], folder, stdin=subprocess.PIPE)

    def ask(prompt: str) -> None:
        child.write(json.dumps({"type": "prompt", "message": prompt}) + "\n")

    world.headcount.shows(folder, [row(None, "unknown", "process_alive", child.ref())])
    ask("Hello there")
    session = world.session(folder)
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", child.ref(), prompt="Hello there")])
    ask("Think [[hold:pi-driven]]")
    world.model.wait_streaming("pi-driven")
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", child.ref())])
    world.model.release("pi-driven")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", child.ref())])
    child.close_input()
    child.ended()
    world.headcount.shows(folder, [row(session, "stopped", "completed")], within_s=0)


@scenario("without a session of its own: at work while its tool runs")
def keeps_nothing(world: PiWorld) -> None:
    folder, tool = world.project("unkept"), world.tool("pi-unkept")
    screen = world.terminal(command("pi") + ["--model", "mock/mock-1", "--no-session"], folder, "pi-unkept")
    screen.shows("mock-1")
    ref = screen.process().ref()
    screen.say(f"Run it [[bash:{tool.command}]]")
    tool.wait_running()
    world.headcount.shows(folder, [row(None, "running", "process_alive", ref)])
    tool.release()
    screen.shows("all done")
    world.headcount.shows(folder, [row(None, "unknown", "process_alive", ref)])
    screen.say("/quit")
    screen.ended()
    world.headcount.shows(folder, [])


@scenario("a session that a second terminal went on with: its tool is not said to be the first one's")
def opened_twice(world: PiWorld) -> None:
    folder, tool = world.project("twice"), world.tool("pi-twice")
    first = world.terminal(command("pi") + ["--model", "mock/mock-1"], folder, "pi-first")
    first.shows("mock-1")
    first.say("Hello there")
    first.shows("reply to: Hello there")
    session = world.session(folder)
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", first.process().ref())])
    second = world.terminal(command("pi") + ["--model", "mock/mock-1", "-c"], folder, "pi-second")
    second.shows("reply to: Hello there")
    second.say(f"Run it [[bash:{tool.command}]]")
    tool.wait_running()
    refused = world.headcount.request("session.stop", {"sessionId": session, "agent": "pi"})
    assert "error" in refused, refused
    assert first.process().ref() and second.process().ref(), "one of them was ended"
    tool.release()
    second.shows("all done")
    for screen in (first, second):
        screen.say("/quit")
        screen.ended()
    world.headcount.shows(folder, [row(session, "stopped", "completed")])


LAUNCHER = Launcher(
    program="pi", params={"model": "mock/mock-1"},
    by_hand=lambda world, folder, session, prompt: world.run(folder, prompt, "--session", str(world.headers(folder)[session])),
    refusal={"model": "nowhere/none"}, refusal_words="none")


@scenario("launched: runs on without its server, is resumed as the same session, by one at a time")
def launched(world: PiWorld) -> None:
    launching.outlives_its_server(world, LAUNCHER)


@scenario("launched, and stopped in a tool: nothing of it is left")
def launched_and_stopped(world: PiWorld) -> None:
    launching.is_stopped_in_a_tool(world, LAUNCHER)


@scenario("launched in vain: its own words")
def launched_in_vain(world: PiWorld) -> None:
    launching.is_refused(world, LAUNCHER)


@scenario("launched with prompts that are awkward or long")
def launched_with_prompts(world: PiWorld) -> None:
    launching.takes_any_prompt(world, LAUNCHER)
