"""pi_agent_rust 0.8.0: JSON mode, RPC mode and the terminal interface. It shares Pi's folder; its processes keep their arguments."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import launching
import pi
from install import command
from launching import Launcher
from model import Model
from observe import row
from pi import BRANCH, MODEL, ONE_CALL, TWO_CALLS, PiWorld
from scenario import scenario
from worlds import Child, wait_for

READY = "Type a message"
"""What its interface shows where it takes a prompt."""


class PiRustWorld(PiWorld):
    """A home with a pi_agent_rust that talks to our model, as Pi does."""

    agent = "pi-rust"

    @property
    def sessions(self) -> Path:
        """Returns where it keeps its sessions, which `-p` must be told."""
        return self.store / "sessions"

    def run(self, folder: Path, prompt: str, *args: str) -> Child:
        """Starts `pi -p` with tools allowed and a session kept."""
        where = [] if "--session" in args else ["--session-dir", str(self.sessions)]
        return self.start(self.argv("--mode", "json", *where, *args, "-p", prompt), folder)

    def argv(self, *args: str) -> list[str]:
        """Returns how it is started with our model."""
        return command("pi-rust") + ["--provider", "mock", "--model", "mock-1", "--approval-mode", "yolo", *args]


def make_world(model: Model) -> PiRustWorld:
    """Returns the world the scenarios below run in."""
    return PiRustWorld(model)


@scenario("the first answer streams, then finished")
def first_turn(world: PiRustWorld) -> None:
    folder = world.project("streams, then.ends", branch="feature/x")
    prompt = "Tell me more [[hold:pirs-stream]]"
    child = world.run(folder, prompt)
    world.model.wait_streaming("pirs-stream")
    session = world.session(folder)
    running = row(session, "running", "turn_in_progress", child.ref(), prompt=prompt, branch=BRANCH, model=MODEL)
    world.headcount.shows(folder, [running])
    world.model.release("pirs-stream")
    child.ended(0)
    ended = row(session, "stopped", "completed", prompt=prompt, model=MODEL, usage=ONE_CALL)
    world.headcount.shows(folder, [ended], within_s=0)
    world.headcount.status(ended)


@scenario("in a tool, then finished")
def in_a_tool(world: PiRustWorld) -> None:
    folder, tool = world.project("tool", branch="feature/x"), world.tool("pirs-tool")
    prompt = f"Run it [[bash:{tool.command}]]"
    child = world.run(folder, prompt)
    tool.wait_running()
    session = world.session(folder)
    running = row(session, "running", "turn_in_progress", child.ref(), prompt=prompt, branch=BRANCH, model=MODEL)
    world.headcount.shows(folder, [running])
    world.headcount.status(running)
    tool.release()
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", usage=TWO_CALLS)], within_s=0)
    world.headcount.peeks(session, prompt)


@scenario("killed with SIGKILL in a tool")
def killed(world: PiRustWorld) -> None:
    folder, tool = world.project("killed"), world.tool("pirs-killed")
    child = world.run(folder, f"Run it [[bash:{tool.command}]]")
    tool.wait_running()
    os.kill(child.pid, signal.SIGKILL)
    child.ended()
    world.headcount.shows(folder, [row(world.session(folder), "stopped", "killed")], within_s=0)
    tool.release()


@scenario("two in one directory: each its own process, one ends alone")
def two_in_one_directory(world: PiRustWorld) -> None:
    pi.two_in_one_directory(world)


@scenario("keeps no session with `-p` alone: a process without one")
def ephemeral(world: PiRustWorld) -> None:
    folder = world.project("ephemeral")
    child = world.start(world.argv("-p", "Never stored [[hold:pirs-ephemeral]]"), folder)
    world.model.wait_streaming("pirs-ephemeral")
    world.headcount.shows(folder, [row(None, ("running", "unknown"), "process_alive", child.ref(), certainty="inferred")])
    world.model.release("pirs-ephemeral")
    child.ended(0)
    world.headcount.shows(folder, [], within_s=0)


@scenario("driven by a program: idle between turns, and named")
def driven(world: PiRustWorld) -> None:
    folder = world.project("rpc")
    child = world.start(world.argv("--mode", "rpc"), folder, stdin=subprocess.PIPE)

    def ask(**order: object) -> None:
        child.write(json.dumps(order) + "\n")

    ask(id="1", type="prompt", message="Begin")
    session = world.session(folder)
    idle = row(session, "idle", "turn_ended", child.ref(), prompt="Begin")
    world.headcount.shows(folder, [idle])
    wait_for("the first turn to be over for the program too", lambda: "agent_end" in child.output() or None)
    ask(id="2", type="set_session_name", name="First name")
    ask(id="3", type="prompt", message="Go on [[hold:pirs-rpc]]")
    world.model.wait_streaming("pirs-rpc")
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", child.ref(), prompt="Begin", title="First name")])
    world.model.release("pirs-rpc")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", child.ref(), prompt="Begin", title="First name")])
    child.close_input()
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", prompt="Begin", title="First name")])


@scenario("resumed: an older session in a newer process")
def resumed(world: PiRustWorld) -> None:
    folder = world.project("resumed")
    world.run(folder, "Begin").ended(0)
    session = world.session(folder)
    child = world.run(folder, "Go on [[hold:pirs-resumed]]", "--session", str(world.headers(folder)[session]))
    world.model.wait_streaming("pirs-resumed")
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", child.ref(), prompt="Begin")])
    world.model.release("pirs-resumed")
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", prompt="Begin", usage=TWO_CALLS)], within_s=0)


@scenario("the model refuses: a turn without an end")
def model_error(world: PiRustWorld) -> None:
    folder = world.project("refused")
    world.run(folder, "Fail [[error:400]]").ended(1)
    world.headcount.shows(folder, [row(world.session(folder), "stopped", "killed", certainty="inferred")], within_s=0)


@scenario("the interface: answering, in a tool, idle, left")
def interface(world: PiRustWorld) -> None:
    folder, tool = world.project("screen"), world.tool("pirs-screen")
    screen = world.terminal(world.argv(), folder, "pi-rust")
    screen.shows(READY)
    ref = screen.process().ref()
    world.headcount.shows(folder, [row(None, "idle", "never_prompted", ref)])
    screen.say("Hello there")
    screen.shows("reply to: Hello there")
    session = world.session(folder)
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref, prompt="Hello there")])
    screen.shows(READY)  # what is typed before is lost
    screen.say(f"Run it [[bash:{tool.command}]]")
    tool.wait_running()
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", ref, prompt="Hello there")])
    tool.release()
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref, prompt="Hello there")])
    screen.shows(READY)
    screen.say("/exit")
    screen.ended()
    world.headcount.shows(folder, [row(session, "stopped", "completed", prompt="Hello there")])


@scenario("forked in the interface: it names its source, whose calls are not counted twice")
def forked(world: PiRustWorld) -> None:
    folder = world.project("forked")
    screen = world.terminal(world.argv(), folder, "pi-rust-fork")
    for prompt in ("First one", "Second one"):
        screen.shows(READY)  # what is typed before is lost
        screen.say(prompt)
        screen.shows(f"reply to: {prompt}")
    source = world.session(folder)
    screen.shows(READY)
    screen.say("/fork")
    screen.shows("Forked new session from Second one")
    screen.press("C-u", READY)
    screen.say("Another one")
    screen.shows("reply to: Another one")
    fork, ref = world.session(folder, [source]), screen.process().ref()
    world.headcount.shows(folder, [row(source, "stopped", "completed", usage=TWO_CALLS),
                                   row(fork, "idle", "turn_ended", ref, forkedFrom=source, usage=ONE_CALL)])
    screen.shows(READY)
    screen.say("/exit")
    screen.ended()
    world.headcount.shows(folder, [row(source, "stopped", "completed"), row(fork, "stopped", "completed", forkedFrom=source)])


LAUNCHER = Launcher(
    program="pi-rust", params={"model": "mock/mock-1", "permissions": "full"},
    by_hand=lambda world, folder, session, prompt: world.run(folder, prompt, "--session", str(world.headers(folder)[session])),
    refusal={"model": "nowhere/none"}, refusal_words="none")


@scenario("launched: runs on without its server, is resumed as the same session, by one at a time")
def launched(world: PiRustWorld) -> None:
    launching.outlives_its_server(world, LAUNCHER)


@scenario("launched, and stopped in a tool: nothing of it is left")
def launched_and_stopped(world: PiRustWorld) -> None:
    launching.is_stopped_in_a_tool(world, LAUNCHER)


@scenario("launched in vain: its own words")
def launched_in_vain(world: PiRustWorld) -> None:
    launching.is_refused(world, LAUNCHER)


@scenario("launched with prompts that are awkward or long")
def launched_with_prompts(world: PiRustWorld) -> None:
    launching.takes_any_prompt(world, LAUNCHER)
