"""GitHub Copilot CLI 1.0.102: headless runs, and the interface."""

from __future__ import annotations

import json
import os
import signal
import uuid
from pathlib import Path

import bystanders
import launching
from install import command
from launching import Launcher
from model import Model
from observe import row
from scenario import scenario
from worlds import Child, ProcessRef, Terminal, World, read_process, wait_for


# Copilot counts cached tokens within the input: shown are 1200 less 200.
ONE_CALL = {"inputTokens": 1000, "outputTokens": 34, "cacheReadTokens": 200}
TWO_CALLS = {field: 2 * count for field, count in ONE_CALL.items()}


class CopilotWorld(World):
    """A home with a Copilot CLI that talks to our model."""

    agent = "copilot"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.env.update(COPILOT_OFFLINE="true", COPILOT_PROVIDER_BASE_URL=model.url + "/v1", COPILOT_PROVIDER_API_KEY="dummy",
                        COPILOT_MODEL="mock-1", COPILOT_AUTO_UPDATE="false")

    def run(self, folder: Path, prompt: str, session: str, *args: str) -> Child:
        """Starts `copilot -p` with a session id of our choice."""
        return self.start(command("copilot") + ["--allow-all-tools", "--session-id", session, *args, "-p", prompt], folder)

    def session(self, folder: Path, besides: str) -> str:
        """Returns the other session of a folder."""
        workspaces = self.home / ".copilot/session-state"

        def find() -> str | None:
            return next((path.parent.name for path in workspaces.glob("*/workspace.yaml")
                         if path.parent.name != besides and f"cwd: {folder}\n" in path.read_text()), None)

        return wait_for("copilot to begin a session", find)

    def owner(self, session: str) -> ProcessRef:
        """Returns the process that says it uses a session."""

        def find() -> int:
            locks = (self.home / ".copilot/session-state" / session).glob("inuse.*.lock")
            return next((int(path.name.split(".")[1]) for path in locks), 0)

        process = read_process(wait_for(f"copilot to mark session {session} as in use", find))
        assert process, f"the owner of {session} is gone"
        return process.ref()


    def below(self, loader: Terminal | Child) -> ProcessRef:
        """Returns the process that works: npm puts a loader in front of it."""
        process = wait_for("copilot's loader to start it", lambda: next(
            (one for one in self.processes() if one.parent == loader.pid and one.comm == "MainThread"), None))
        return process.ref()


def trust(screen: Terminal) -> None:
    """Answers the first question of an interface."""
    screen.shows("Do you trust the files in this folder")
    screen.key("Enter")
    screen.lacks("Do you trust")


def make_world(model: Model) -> CopilotWorld:
    """Returns the world the scenarios below run in."""
    return CopilotWorld(model)


@scenario("streaming, then finished")
def streaming(world: CopilotWorld) -> None:
    folder, session = world.project("streams, then.ends", branch="feature/x"), str(uuid.uuid4())
    prompt = "Tell me more [[hold:cp-stream]]"
    child = world.run(folder, prompt, session, "--name", "A named session")
    world.model.wait_streaming("cp-stream")
    told = dict(prompt=prompt, branch="feature/x", title="A named session")
    running = row(session, "running", "turn_in_progress", world.owner(session), **told)
    world.headcount.shows(folder, [running])
    world.headcount.status(running)
    world.model.release("cp-stream")
    child.ended(0)
    ended = row(session, "stopped", "completed", model="mock-1", usage=ONE_CALL, **told)
    world.headcount.shows(folder, [ended], within_s=0)
    world.headcount.status(ended)


@scenario("one that keeps its sessions in another store is told as a process alone")
def elsewhere(world: CopilotWorld) -> None:
    folder, prompt, session = world.project("elsewhere"), "Work [[hold:cp-elsewhere]]", str(uuid.uuid4())
    world.run(folder, "Before", session).ended(0)
    here = row(session, "stopped", "completed")
    child = world.start(command("copilot") + ["--allow-all-tools", "-p", prompt], folder, env={"COPILOT_HOME": str(world.home / "second")})
    world.model.wait_streaming("cp-elsewhere")
    world.headcount.shows(folder, [here, row(None, "running", "process_alive", world.below(child))])
    world.model.release("cp-elsewhere")
    child.ended(0)
    world.headcount.shows(folder, [here])


@scenario("killed with SIGKILL while streaming, beside a finished one: stale lock files")
def killed(world: CopilotWorld) -> None:
    folder, first, second = world.project("killed"), str(uuid.uuid4()), str(uuid.uuid4())
    world.run(folder, "Hello there", first).ended(0)
    child = world.run(folder, "Tell me more [[hold:cp-killed]]", second)
    world.model.wait_streaming("cp-killed")
    events = world.home / ".copilot/session-state" / second / "events.jsonl"  # written a moment after the fact
    wait_for("copilot to record the turn", lambda: events.exists() and "assistant.turn_start" in events.read_text())
    os.kill(world.owner(second).pid, signal.SIGKILL)
    child.ended()
    world.headcount.shows(folder, [row(first, "stopped", "completed", prompt="Hello there"), row(second, "stopped", "killed")], within_s=0)


@scenario("in a tool, then finished")
def in_a_tool(world: CopilotWorld) -> None:
    folder, tool, session = world.project("tool"), world.tool("cp-tool"), str(uuid.uuid4())
    prompt = f"Run it [[bash:{tool.script()}]]"
    child = world.run(folder, prompt, session, "--allow-all-paths")  # the tool is outside of the project
    tool.wait_running()
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", world.owner(session), prompt=prompt)])
    tool.release()
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", prompt=prompt, usage=TWO_CALLS)], within_s=0)
    world.headcount.peeks(session, prompt)


@scenario("two in one directory: each its own process, one ends alone")
def two_in_one_directory(world: CopilotWorld) -> None:
    folder, names, sessions = world.project("shared"), ("cp-one", "cp-two"), (str(uuid.uuid4()), str(uuid.uuid4()))
    children = [world.run(folder, f"Tell me more [[hold:{name}]]", session) for name, session in zip(names, sessions)]
    for name in names:
        world.model.wait_streaming(name)
    running = [row(session, "running", "turn_in_progress", world.owner(session)) for session in sessions]
    world.headcount.shows(folder, running)
    world.model.release(names[0])
    children[0].ended(0)
    world.headcount.shows(folder, [row(sessions[0], "stopped", "completed"), running[1]], within_s=0)
    world.model.release(names[1])
    children[1].ended(0)


@scenario("resumed: the same session in a newer process")
def resumed(world: CopilotWorld) -> None:
    folder, session = world.project("resumed"), str(uuid.uuid4())
    world.run(folder, "Begin", session).ended(0)
    child = world.start(command("copilot") + ["--allow-all-tools", f"--resume={session}", "-p", "Go on [[hold:cp-resumed]]"], folder)
    world.model.wait_streaming("cp-resumed")
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", world.owner(session), prompt="Begin")])
    world.model.release("cp-resumed")
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", prompt="Begin", usage=TWO_CALLS)], within_s=0)


@scenario("the model refuses")
def model_error(world: CopilotWorld) -> None:
    folder, session = world.project("refused"), str(uuid.uuid4())
    world.run(folder, "Fail [[error:400]]", session).ended()
    world.headcount.shows(folder, [row(session, "failed", "model_error")], within_s=0)


@scenario("the interface: its trust prompt beside old sessions, busy, asking for permission, idle, left")
def interface(world: CopilotWorld) -> None:
    folder, before = world.project("screen"), str(uuid.uuid4())
    world.run(folder, "Before", before).ended(0)
    old = row(before, "stopped", "completed", prompt="Before")
    screen = world.terminal(command("copilot"), folder, "copilot")
    ref = world.below(screen)
    seen = next(one for one in world.headcount.rows(folder) if one.get("sessionId") != before)
    assert (seen["status"], seen["reason"]) == ("idle", "never_prompted"), seen
    screen.shows("Do you trust the files in this folder")
    session = world.session(folder, before)
    world.headcount.shows(folder, [old, row(session, "idle", "never_prompted", ref)])
    trust(screen)
    prompt = "Think [[hold:cp-screen]]"
    screen.say(prompt)
    world.model.wait_streaming("cp-screen")
    world.headcount.shows(folder, [old, row(session, "running", "turn_in_progress", ref, prompt=prompt)])
    world.model.release("cp-screen")
    world.headcount.shows(folder, [old, row(session, "idle", "turn_ended", ref, prompt=prompt)])
    screen.say("Run it [[bash:touch asked]]")
    screen.shows("Do you want to")
    world.headcount.shows(folder, [old, row(session, "waiting", "permission", ref, prompt=prompt)])
    screen.key("Enter")
    screen.shows("all done")
    world.headcount.shows(folder, [old, row(session, "idle", "turn_ended", ref, prompt=prompt)])
    screen.say("/exit")
    screen.ended()
    world.headcount.shows(folder, [old, row(session, "stopped", "completed", prompt=prompt)])


@scenario("the interface: asking a question, a plan to be approved, refused a permission, killed while it asks, resumed, two at one session")
def asks_and_is_resumed(world: CopilotWorld) -> None:
    folder = world.project("asks")
    screen = world.terminal(command("copilot"), folder, "copilot-asks")
    trust(screen)
    session = world.session(folder, "")
    ref = world.owner(session)
    schema = {"type": "object", "properties": {"colour": {"type": "string", "enum": ["red", "blue"]}}}
    question = json.dumps({"message": "Which one?", "requestedSchema": schema})
    screen.say("Ask [[tool:ask_user %s]]" % question.replace("}", " }"))  # two in a row would be a directive's
    screen.shows("enter accept")
    world.headcount.shows(folder, [row(session, "waiting", "question", ref)])
    screen.key("Enter")
    screen.shows("all done")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.key("BTab")
    screen.shows("· Plan ·")
    plan = {"summary": "do it", "actions": ["interactive"], "recommendedAction": "interactive"}
    screen.say(f"Plan [[tool:exit_plan_mode {json.dumps(plan)}]]")
    screen.shows("Plan Ready for Review")
    world.headcount.shows(folder, [row(session, "waiting", "plan", ref)])
    screen.key("Escape")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.press("BTab", "· Interactive ·")
    screen.say("Run it [[bash:touch refused]]")
    screen.shows("Do you want to")
    world.headcount.shows(folder, [row(session, "waiting", "permission", ref)])
    screen.key("Escape")
    screen.shows("Operation cancelled")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.say("Again [[bash:touch killed]]")
    screen.shows("Do you want to")
    world.headcount.shows(folder, [row(session, "waiting", "permission", ref)])
    os.kill(ref.pid, signal.SIGKILL)
    screen.ended()
    world.headcount.shows(folder, [row(session, "stopped", "killed")])

    again = world.terminal(command("copilot") + [f"--resume={session}"], folder, "copilot-resumed")
    trust(again)
    # It has not taken hold of the session yet, nor is the turn that was cut off its own.
    process = world.below(again)
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", process)])
    beside = world.terminal(command("copilot"), folder, "copilot-beside")
    trust(beside)
    other = world.session(folder, session)
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", process), row(other, "idle", "never_prompted", world.below(beside))])
    again.say("Think [[hold:cp-resumed-screen]]")
    world.model.wait_streaming("cp-resumed-screen")
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", process),
                                   row(other, "idle", "never_prompted", world.below(beside))])
    world.model.release("cp-resumed-screen")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", process),
                                   row(other, "idle", "never_prompted", world.below(beside))])
    for left in (again, beside):
        left.say("/exit")
        left.ended()
    world.headcount.shows(folder, [row(session, "stopped", "completed")])
    del world.known_sessions[other]  # nothing was asked there: it is gone with its process


@scenario("what is no agent at work: questions to the program, a server for editors")
def no_agents(world: CopilotWorld) -> None:
    folder = world.project("bystanders")
    bystanders.questions_are_no_rows(world, folder, [["--version"], ["--help"]])
    bystanders.server_is_no_row(world, folder, ["--acp"])


LAUNCHER = Launcher(
    program="copilot", params={"permissions": "full"},
    by_hand=lambda world, folder, session, prompt: world.start(
        command("copilot") + ["--allow-all-tools", f"--resume={session}", "-p", prompt], folder),
    refusal={"args": ["--no-such-flag"]}, refusal_words="Invalid command format")


@scenario("launched: runs on without its server, is resumed as the same session, by one at a time")
def launched(world: CopilotWorld) -> None:
    launching.outlives_its_server(world, LAUNCHER)


@scenario("launched, and stopped in a tool: nothing of it is left")
def launched_and_stopped(world: CopilotWorld) -> None:
    launching.is_stopped_in_a_tool(world, LAUNCHER)


@scenario("launched in vain: its own words")
def launched_in_vain(world: CopilotWorld) -> None:
    launching.is_refused(world, LAUNCHER)
