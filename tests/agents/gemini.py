"""Gemini CLI 0.61.0: headless runs, resumed sessions, and the interface."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import uuid
from pathlib import Path

import bystanders
import launching
from install import command
from launching import Launcher
from model import Model
from observe import row
from scenario import scenario
from worlds import Child, ProcessRef, World, read_process, wait_for

MODEL = "gemini-2.5-flash"
ONE_CALL = {"inputTokens": 100, "outputTokens": 7}
TWO_CALLS = {field: 2 * count for field, count in ONE_CALL.items()}
NOTED_S = 20
"""Linux notes that a terminal is drawn on once in 8 seconds: by then it is known that one is not, also on a busy machine."""


class GeminiWorld(World):
    """A home with a Gemini CLI that talks to our model."""

    agent = "gemini"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.env.update(GEMINI_API_KEY="dummy", GOOGLE_GEMINI_BASE_URL=model.url)
        settings = self.home / ".gemini/settings.json"
        settings.parent.mkdir()
        settings.write_text(json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}},
                                        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
                                        "privacy": {"usageStatisticsEnabled": False}}))

    def run(self, folder: Path, prompt: str, *args: str, env: dict[str, str] | None = None) -> Child:
        """Starts `gemini -p`, with every permission."""
        return self.start(command("gemini") + ["--skip-trust", "--yolo", "-m", MODEL, *args, "-p", prompt], folder, env=env)

    def begin(self, folder: Path, prompt: str, session: str) -> Child:
        """Starts it with a session id of our choice."""
        return self.run(folder, prompt, "--session-id", session)

    def worker(self, outer: int) -> ProcessRef:
        """Returns the process that works: Gemini starts itself again as a child with the same arguments."""

        def find() -> ProcessRef | None:
            return next((one.ref() for one in self.processes() if one.parent == outer and "--max-old-space-size" in " ".join(one.argv)), None)

        return wait_for(f"gemini {outer} to start itself again", find)

    def asked(self, folder: Path, prompt: str) -> str:
        """Returns the session that was asked this: Gemini chooses the id, and records it in no place but its own."""
        return str(wait_for(f"gemini to record {prompt!r}", lambda: next(
            (one["sessionId"] for one in self.headcount.rows(folder) if one.get("prompt") == prompt), None)))


def make_world(model: Model) -> GeminiWorld:
    """Returns the world the scenarios below run in."""
    return GeminiWorld(model)


@scenario("streaming, then finished")
def streaming(world: GeminiWorld) -> None:
    folder, session = world.project("streams, then.ends", branch="feature/x"), str(uuid.uuid4())
    prompt = "Tell me more [[hold:gm-stream]]"
    child = world.begin(folder, prompt, session)
    world.model.wait_streaming("gm-stream")
    running = row(session, "running", "turn_in_progress", world.worker(child.pid), prompt=prompt)
    world.headcount.shows(folder, [running])
    world.headcount.status(running)
    world.model.release("gm-stream")
    child.ended(0)
    ended = row(session, "stopped", "completed", prompt=prompt, model=MODEL, usage=ONE_CALL)
    world.headcount.shows(folder, [ended], within_s=0)
    world.headcount.status(ended)


@scenario("killed with SIGKILL while streaming, beside a finished one")
def killed(world: GeminiWorld) -> None:
    folder, first, second = world.project("killed"), str(uuid.uuid4()), str(uuid.uuid4())
    world.begin(folder, "Hello there", first).ended(0)
    child = world.begin(folder, "Tell me more [[hold:gm-killed]]", second)
    world.model.wait_streaming("gm-killed")
    for process in world.processes():
        if second in process.argv:
            os.kill(process.pid, signal.SIGKILL)
    child.ended()
    world.headcount.shows(folder, [row(first, "stopped", "completed", prompt="Hello there"), row(second, "stopped", "killed")], within_s=0)


@scenario("in a tool, then finished")
def in_a_tool(world: GeminiWorld) -> None:
    folder, tool, session = world.project("tool"), world.tool("gm-tool"), str(uuid.uuid4())
    prompt = f"Run it [[bash:{tool.script()}]]"
    child = world.begin(folder, prompt, session)
    tool.wait_running()
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", world.worker(child.pid), prompt=prompt, model=MODEL)])
    tool.release()
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", prompt=prompt, usage=TWO_CALLS)], within_s=0)
    world.headcount.peeks(session, prompt)


@scenario("two in one directory, of which neither names its session: each its own process, one ends alone")
def two_in_one_directory(world: GeminiWorld) -> None:
    folder, names = world.project("shared"), ("gm-one", "gm-two")
    children, owners, sessions = [], [], []
    for name in names:
        children.append(world.run(folder, f"Tell me more [[hold:{name}]]"))
        world.model.wait_streaming(name)
        owners.append(world.worker(children[-1].pid))
        sessions.append(world.asked(folder, f"Tell me more [[hold:{name}]]"))
    first, second = sessions
    world.headcount.shows(folder, [row(first, "running", "turn_in_progress", owners[0]), row(second, "running", "turn_in_progress", owners[1])])
    world.model.release(names[0])
    children[0].ended(0)
    world.headcount.shows(folder, [row(first, "stopped", "completed"), row(second, "running", "turn_in_progress", owners[1])], within_s=0)
    world.model.release(names[1])
    children[1].ended(0)


@scenario("resumed: one session, though a later minute gives it a second file")
def resumed(world: GeminiWorld) -> None:
    folder, session = world.project("resumed"), str(uuid.uuid4())
    world.begin(folder, "Begin", session).ended(0)
    child = world.run(folder, "Go on [[hold:gm-resumed]]", "--resume", session)
    world.model.wait_streaming("gm-resumed")
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", world.worker(child.pid), prompt="Begin")])
    world.model.release("gm-resumed")
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", prompt="Begin", model=MODEL, usage=TWO_CALLS)], within_s=0)


@scenario("its trust prompt, and the process that goes on once it is answered")
def trust(world: GeminiWorld) -> None:
    folder = world.project("trust")

    def unasked() -> int:
        # It may have begun a session by now, to which nobody has said anything.
        [seen] = world.headcount.rows(folder)
        assert (seen["status"], seen["reason"]) == ("idle", "never_prompted"), seen
        return int(seen["process"]["pid"])

    screen = world.terminal(command("gemini") + ["-m", MODEL], folder, "gemini-trust")
    screen.shows("Do you trust the files in this folder")
    asking = world.worker(screen.pid)
    seen = unasked()
    assert seen == asking.pid, f"{read_process(seen)} in place of {asking}"

    # Once, when it is sure to be taken: a second one takes the first one's effect back.
    screen.press("Down", "● 2")
    screen.press("Up", "● 1")
    screen.key("Enter")

    def started_again() -> ProcessRef | None:
        process = world.worker(screen.pid)
        return process if process != asking else None

    trusted = wait_for("gemini to start itself again", started_again, hint=lambda: screen.screen().strip()[-1500:])
    assert unasked() == trusted.pid
    os.kill(screen.pid, signal.SIGKILL)
    os.kill(trusted.pid, signal.SIGKILL)


@scenario("the interface: beside old sessions, busy, idle, left")
def interface(world: GeminiWorld) -> None:
    folder, before = world.project("screen"), str(uuid.uuid4())
    world.begin(folder, "Before", before).ended(0)
    old = row(before, "stopped", "completed", prompt="Before")
    screen = world.terminal(command("gemini") + ["--skip-trust", "-m", MODEL], folder, "gemini")
    screen.shows("Type your message")
    prompt = "Think [[hold:gm-screen]]"
    screen.say(prompt)
    world.model.wait_streaming("gm-screen")
    ref, session = world.worker(screen.pid), world.asked(folder, prompt)
    world.headcount.shows(folder, [old, row(session, "running", "turn_in_progress", ref, prompt=prompt)])
    world.model.release("gm-screen")
    world.headcount.shows(folder, [old, row(session, "idle", "turn_ended", ref, prompt=prompt)])
    screen.say("/quit")
    screen.ended()
    world.headcount.shows(folder, [old, row(session, "stopped", "completed", prompt=prompt)])


@scenario("resumed in a terminal after a kill: idle until it is asked something")
def resumed_after_a_kill(world: GeminiWorld) -> None:
    folder, session = world.project("cut off"), str(uuid.uuid4())
    child = world.begin(folder, "Begin [[hold:gm-cut]]", session)
    world.model.wait_streaming("gm-cut")
    os.kill(world.worker(child.pid).pid, signal.SIGKILL)
    os.kill(child.pid, signal.SIGKILL)
    child.ended()
    world.headcount.shows(folder, [row(session, "stopped", "killed")])

    screen = world.terminal(command("gemini") + ["--skip-trust", "-m", MODEL, "--resume", session], folder, "gemini-cut")
    screen.shows("Begin.*(?s:.)*Type your message")  # before it shows what it goes on with, an Enter is lost
    ref = world.worker(screen.pid)
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.say("Go on [[hold:gm-cut-again]]")
    world.model.wait_streaming("gm-cut-again")
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", ref)])
    world.model.release("gm-cut-again")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.say("/quit")
    screen.ended()
    world.headcount.shows(folder, [row(session, "stopped", "completed")])


@scenario("the interface asks for an approval: it waits while nothing is drawn, and works once it is given")
def asks(world: GeminiWorld) -> None:
    folder, tool = world.project("asks"), world.tool("gm-asked")
    screen = world.terminal(command("gemini") + ["--skip-trust", "-m", MODEL], folder, "gemini-asks")
    screen.shows("Type your message")
    prompt = f"Run it [[bash:{tool.script()}]]"
    screen.say(prompt)
    screen.shows("Allow once")
    ref, session = world.worker(screen.pid), world.asked(folder, prompt)
    world.headcount.shows(folder, [row(session, "waiting", "input", ref, certainty="inferred")], within_s=NOTED_S)
    screen.key("Enter")
    tool.wait_running()
    at_work = row(session, "running", "turn_in_progress", ref)
    world.headcount.shows(folder, [at_work])
    # For as long as the tool says nothing, its mark turns on the screen.
    until = time.monotonic() + NOTED_S
    while time.monotonic() < until:
        world.headcount.shows(folder, [at_work], within_s=0)
        time.sleep(1)
    tool.release()
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.say("/quit")
    screen.ended()
    world.headcount.shows(folder, [row(session, "stopped", "completed")])


@scenario("the interface: a turn that a person ends has ended")
def ended_by_hand(world: GeminiWorld) -> None:
    folder, prompt = world.project("by hand"), "Think [[hold:gm-esc]]"
    screen = world.terminal(command("gemini") + ["--skip-trust", "-m", MODEL], folder, "gemini-esc")
    screen.shows("Type your message")
    screen.say(prompt)
    world.model.wait_streaming("gm-esc")
    ref, session = world.worker(screen.pid), world.asked(folder, prompt)
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", ref)])
    screen.key("Escape")
    screen.shows("Request cancelled")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    # Left by itself, it would remove a session of which nothing is left.
    os.kill(screen.pid, signal.SIGKILL)
    os.kill(ref.pid, signal.SIGKILL)
    world.headcount.shows(folder, [row(session, "stopped", "interrupted")])


@scenario("the interface goes back to before a prompt: it is idle, and what was abandoned is no part of the conversation")
def rewound(world: GeminiWorld) -> None:
    folder = world.project("rewound")
    first = ["-i", "First question"]  # the first key of a person's may be lost while it starts
    screen = world.terminal(command("gemini") + ["--skip-trust", "-m", MODEL, *first], folder, "gemini-rewound")

    def go_back(ups: int, abandoned: str) -> None:
        """Goes back to before a prompt, which the interface then offers again."""
        screen.say("/rewind")
        screen.shows("Stay at current position")
        screen.key(*["Up"] * ups)
        screen.press("Enter", "Select an action")
        screen.key("Enter")
        screen.lacks(f"Select an action|reply to: {abandoned}")

    screen.shows("reply to: First question")
    screen.say("Second question")
    screen.shows("reply to: Second question")
    session = world.asked(folder, "First question")
    idle = row(session, "idle", "turn_ended", world.worker(screen.pid))
    go_back(1, "Second")
    world.headcount.shows(folder, [idle])
    screen.press("Enter", "reply to: Second question")
    world.headcount.shows(folder, [idle])
    world.headcount.tells(session, ["First question", "reply to: First question.", "Second question", "reply to: Second question."])
    go_back(2, "First")
    world.headcount.shows(folder, [idle])
    world.headcount.tells(session, [])
    screen.key("C-u")
    screen.shows("Type your message")
    screen.say("/quit")
    screen.ended()
    world.headcount.shows(folder, [])  # nothing is left of what was said, and Gemini removes it
    del world.known_sessions[session]


@scenario("one that keeps its sessions in another store is told as a process alone")
def elsewhere(world: GeminiWorld) -> None:
    folder, store = world.project("elsewhere"), world.home / "second"
    store.mkdir()
    shutil.copytree(world.home / ".gemini", store / ".gemini", ignore=shutil.ignore_patterns("tmp"))
    child = world.run(folder, "Work [[hold:gm-elsewhere]]", env={"GEMINI_CLI_HOME": str(store)})
    world.model.wait_streaming("gm-elsewhere")
    world.headcount.shows(folder, [row(None, "running", "process_alive", world.worker(child.pid))])
    world.model.release("gm-elsewhere")
    child.ended(0)
    world.headcount.shows(folder, [])


@scenario("the model refuses: the prompt is taken back")
def model_error(world: GeminiWorld) -> None:
    folder, session = world.project("refused"), str(uuid.uuid4())
    world.begin(folder, "Fail [[error:400]]", session).ended()
    world.headcount.shows(folder, [row(session, "stopped", "unknown_end")], within_s=0)


@scenario("what is no agent at work: questions to the program, a server for editors until it begins a session")
def no_agents(world: GeminiWorld) -> None:
    folder = world.project("bystanders")
    bystanders.questions_are_no_rows(world, folder, [["--version"], ["--help"], ["mcp", "list"]])
    server = bystanders.greeted(world, folder, ["--acp"])

    def is_ready() -> bool:
        rows = world.headcount.rows(folder)
        assert all("sessionId" in one and one["reason"] == "never_prompted" for one in rows), rows
        return bystanders.has_answered(server)

    wait_for("gemini to serve an editor", is_ready, hint=server.output)
    server.close_input()
    server.ended()
    begun = [one["sessionId"] for one in world.headcount.rows(folder)]
    world.headcount.shows(folder, [row(one, "stopped", "unknown_end") for one in begun], within_s=0)


LAUNCHER = Launcher(
    program="gemini", params={"permissions": "full", "model": MODEL, "args": ["--skip-trust"]},
    by_hand=lambda world, folder, session, prompt: world.run(folder, prompt, "--resume", session),
    refusal={"env": {"GEMINI_API_KEY": ""}}, refusal_words="GEMINI_API_KEY")


@scenario("launched: runs on without its server, is resumed as the same session, by one at a time")
def launched(world: GeminiWorld) -> None:
    launching.outlives_its_server(world, LAUNCHER)


@scenario("launched, and stopped in a tool: nothing of it is left")
def launched_and_stopped(world: GeminiWorld) -> None:
    launching.is_stopped_in_a_tool(world, LAUNCHER)


@scenario("launched in vain: its own words")
def launched_in_vain(world: GeminiWorld) -> None:
    launching.is_refused(world, LAUNCHER)


@scenario("launched with prompts that are awkward or long")
def launched_with_prompts(world: GeminiWorld) -> None:
    launching.takes_any_prompt(world, LAUNCHER)
