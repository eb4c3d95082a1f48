"""Codex 0.169.0: `codex exec`, subagents, forks, the archive, and the terminal interface behind its shared daemon."""

from __future__ import annotations

import json
import os
import shlex
import signal
from pathlib import Path

import launching
from install import command
from launching import Launcher
from model import Model
from observe import MAYBE, row
from scenario import scenario
from worlds import PROMPT, Child, Process, ProcessRef, Terminal, World, wait_for

MODEL = "mock-model"
# Codex counts cached tokens within the input and reasoning within the output; headcount takes the cache out.
ONE_CALL = {"inputTokens": 1100, "cacheReadTokens": 400}
TWO_CALLS = {"inputTokens": 2200, "cacheReadTokens": 800}
READY = MODEL + r" .* /"
"""What the bottom of the screen shows when the interface has a thread."""



class CodexWorld(World):
    """A home with a Codex that talks to our model."""

    agent = "codex"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.env["MOCK_KEY"] = "dummy"
        self.config = self.home / ".codex/config.toml"
        self.config.parent.mkdir()
        self.config.write_text(
            f'model = "{MODEL}"\nmodel_provider = "mock"\ncheck_for_update_on_startup = false\n\n'
            f'[model_providers.mock]\nname = "mock"\nbase_url = "{model.url}/v1"\nwire_api = "responses"\nenv_key = "MOCK_KEY"\n')

    def codex(self, folder: Path, *args: str, env: dict[str, str] | None = None) -> Child:
        """Starts codex with these arguments."""
        return self.start(command("codex") + list(args), folder, env=env)

    def execute(self, folder: Path, prompt: str, *args: str, env: dict[str, str] | None = None) -> Child:
        """Starts `codex exec` with every permission."""
        return self.codex(folder, "exec", "--json", "--dangerously-bypass-approvals-and-sandbox", *args, "--", prompt, env=env)

    def interface(self, folder: Path, name: str, *args: str) -> Terminal:
        """Starts the terminal interface, in a directory it trusts."""
        self.trust(folder)
        return self.terminal(command("codex") + list(args), folder, name)

    def trust(self, folder: Path) -> None:
        """Answers the question that a first start would ask."""
        with open(self.config, "a") as config:
            config.write(f'\n[projects."{folder}"]\ntrust_level = "trusted"\n')

    def daemon(self) -> Process:
        """Returns the process that serves every terminal interface of this home."""
        return wait_for("the shared daemon", lambda: next(
            (process for process in self.processes() if "app-server" in process.argv and "--managed-daemon" in process.argv), None))

    def locks(self) -> list[str]:
        """Returns the threads that have a lock file, held or left behind."""
        return [path.stem for path in (self.home / ".codex/thread-writer-locks").glob("*.lock") if not path.name.startswith(".")]


def thread_of(child: Child) -> str:
    """Returns the thread id from the first line `codex exec --json` prints."""

    def find() -> str | None:
        events = [json.loads(line) for line in child.output().splitlines() if line.startswith("{")]
        return next((event["thread_id"] for event in events if event.get("type") == "thread.started"), None)

    return wait_for("codex to tell its thread", find, hint=child.output)


def make_world(model: Model) -> CodexWorld:
    """Returns the world the scenarios below run in."""
    return CodexWorld(model)


@scenario("streaming, then finished")
def streaming(world: CodexWorld) -> None:
    folder = world.project("streams, then.ends", branch="feature/x")
    prompt = "Tell me more [[hold:cx-stream]]"
    child = world.execute(folder, prompt)
    world.model.wait_streaming("cx-stream")
    thread = thread_of(child)
    told = dict(prompt=prompt, branch="feature/x", model=MODEL)
    running = row(thread, "running", "turn_in_progress", child.descendant("codex").ref(), **told)
    world.headcount.shows(folder, [running])
    world.headcount.status(running)
    world.model.release("cx-stream")
    child.ended(0)
    ended = row(thread, "stopped", "completed", usage=ONE_CALL, **told)
    world.headcount.shows(folder, [ended], within_s=0)
    world.headcount.status(ended)


@scenario("in a tool, started from another directory, then finished")
def in_a_tool(world: CodexWorld) -> None:
    folder, elsewhere, tool = world.project("tool"), world.project("elsewhere"), world.tool("cx-tool")
    prompt = f"Run it [[bash:{tool.command}]]"
    child = world.execute(elsewhere, prompt, "-C", str(folder))
    tool.wait_running()
    thread = thread_of(child)
    world.headcount.shows(folder, [row(thread, "running", "turn_in_progress", child.descendant("codex").ref(), prompt=prompt,
                                       model=MODEL)])
    world.headcount.shows(elsewhere, [])
    tool.release()
    child.ended(0)
    world.headcount.shows(folder, [row(thread, "stopped", "completed", prompt=prompt, usage=TWO_CALLS)], within_s=0)
    world.headcount.peeks(thread, prompt)


def stopped_by(world: CodexWorld, name: str, how: signal.Signals) -> None:
    """Ends a codex in the middle of a tool by a signal it cannot record, which leaves its lock file behind."""
    folder, tool = world.project(name), world.tool("cx-" + name)
    child = world.execute(folder, f"Run it [[bash:{tool.command}]]")
    tool.wait_running()
    thread = thread_of(child)
    os.kill(child.descendant("codex").pid, how)
    child.ended()
    assert thread in world.locks(), "codex no longer leaves its lock behind"
    world.headcount.shows(folder, [row(thread, "stopped", "killed")], within_s=0)


@scenario("killed with SIGKILL in a tool: stale lock")
def killed(world: CodexWorld) -> None:
    stopped_by(world, "killed", signal.SIGKILL)


@scenario("ended with SIGTERM in a tool: stale lock")
def terminated(world: CodexWorld) -> None:
    stopped_by(world, "terminated", signal.SIGTERM)


@scenario("interrupted with SIGINT in a tool")
def interrupted(world: CodexWorld) -> None:
    folder, tool = world.project("interrupted"), world.tool("cx-interrupted")
    child = world.execute(folder, f"Run it [[bash:{tool.command}]]")
    tool.wait_running()
    thread = thread_of(child)
    os.kill(child.descendant("codex").pid, signal.SIGINT)
    child.ended()
    world.headcount.shows(folder, [row(thread, "stopped", "interrupted")], within_s=0)


@scenario("two in one directory: each its own process, one ends alone")
def two_in_one_directory(world: CodexWorld) -> None:
    folder = world.project("shared")
    one = world.execute(folder, "First [[hold:cx-one]]")
    two = world.execute(folder, "Second [[hold:cx-two]]")
    world.model.wait_streaming("cx-one")
    world.model.wait_streaming("cx-two")
    first, second, second_ref = thread_of(one), thread_of(two), two.descendant("codex").ref()
    world.headcount.shows(folder, [row(first, "running", "turn_in_progress", one.descendant("codex").ref(), prompt="First [[hold:cx-one]]"),
                                   row(second, "running", "turn_in_progress", second_ref)])
    world.model.release("cx-one")
    one.ended(0)
    world.headcount.shows(folder, [row(first, "stopped", "completed"),
                                   row(second, "running", "turn_in_progress", second_ref)], within_s=0)
    world.model.release("cx-two")
    two.ended(0)


@scenario("the model refuses")
def model_error(world: CodexWorld) -> None:
    folder = world.project("refused")
    child = world.execute(folder, "Fail [[error:400]]")
    child.ended(1)
    world.headcount.shows(folder, [row(thread_of(child), "failed", "model_error")], within_s=0)


@scenario("a subagent is a child of its parent, in the same process")
def subagent(world: CodexWorld) -> None:
    folder = world.project("delegates")
    child = world.execute(folder, "Delegate [[task:Look around {{hold:cx-child}}]][[hold:cx-parent]]")
    world.model.wait_streaming("cx-child")
    world.model.wait_streaming("cx-parent")
    thread, ref = thread_of(child), child.descendant("codex").ref()
    parent = row(thread, "running", "turn_in_progress", ref)
    world.headcount.shows(folder, [parent], subagents=False)
    below = world.headcount.child_of(folder, thread)
    world.headcount.shows(folder, [parent, row(below, "running", "turn_in_progress", ref, kind="subagent", parentSessionId=thread)])
    world.model.release("cx-child")
    world.model.release("cx-parent")
    child.ended(0)
    world.headcount.shows(folder, [row(thread, "stopped", "completed"), row(below, "stopped", kind="subagent", parentSessionId=thread)],
                          within_s=0)


@scenario("resumed, forked, archived")
def kept(world: CodexWorld) -> None:
    folder = world.project("kept")
    begun = world.execute(folder, "Begin")
    begun.ended(0)
    thread = thread_of(begun)
    world.codex(folder, "exec", "resume", "--json", thread, "Go on").ended(0)
    world.headcount.shows(folder, [row(thread, "stopped", "completed", prompt="Begin", usage=TWO_CALLS)], within_s=0)
    fork = world.codex(folder, "exec", "fork", "--json", thread, "Another way")
    fork.ended(0)
    other = thread_of(fork)
    forked = row(other, "stopped", "completed", forkedFrom=thread, usage=ONE_CALL)
    world.headcount.shows(folder, [row(thread, "stopped", "completed", prompt="Begin", usage=TWO_CALLS), forked], within_s=0)
    world.codex(folder, "archive", thread).ended(0)
    world.headcount.shows(folder, [row(thread, "stopped", "completed", prompt="Begin", usage=TWO_CALLS), forked], within_s=0)


@scenario("the interface without its daemon: its own process owns the thread")
def embedded(world: CodexWorld) -> None:
    folder = world.project("embedded")
    screen = world.interface(folder, "codex-embedded", "--no-daemon")
    screen.shows(READY)
    prompt = "Think [[hold:cx-embedded]]"
    screen.say(prompt)
    world.model.wait_streaming("cx-embedded")
    thread = thread_in(world, folder)
    ref = next(process.ref() for process in world.processes() if process.comm == "codex" and "--no-daemon" in process.argv)
    world.headcount.shows(folder, [row(thread, "running", "turn_in_progress", ref, prompt=prompt)])
    world.model.release("cx-embedded")
    world.headcount.shows(folder, [row(thread, "idle", "turn_ended", ref, prompt=prompt)])
    screen.say("/quit")
    screen.ended()
    world.headcount.shows(folder, [row(thread, "stopped", "completed", prompt=prompt)])


@scenario("the interface suspended with Ctrl-Z: it waits for somebody, and what the daemon runs for it goes on")
def suspended(world: CodexWorld) -> None:
    for name, args, seen in [("suspended", ["--no-daemon"], ("waiting", "suspended")), ("served", [], ("running", "turn_in_progress"))]:
        folder = world.project(name)
        world.trust(folder)
        screen = world.shell(folder, f"codex-{name}")
        screen.say(shlex.join(command("codex") + args))
        screen.shows(READY)
        prompt = f"Think [[hold:cx-{name}]]"
        screen.say(prompt)
        world.model.wait_streaming(f"cx-{name}")
        thread = thread_in(world, folder)
        [at_work] = world.headcount.shows(folder, [row(thread, "running", "turn_in_progress", MAYBE, prompt=prompt)])
        screen.key("C-z")
        screen.shows("Stopped")
        [now] = world.headcount.shows(folder, [row(thread, *seen, MAYBE, prompt=prompt, certainty="asserted")], within_s=0)
        assert now["process"] == at_work["process"], now
        world.model.release(f"cx-{name}")
        screen.say("fg")
        screen.shows("done")
        world.headcount.shows(folder, [row(thread, "idle", "turn_ended", MAYBE, prompt=prompt)])
        screen.say("/quit")
        screen.shows(PROMPT)


@scenario("the interfaces behind one daemon: idle, busy, asking, left")
def interface(world: CodexWorld) -> None:
    folder, other = world.project("screen"), world.project("second-screen")
    locked, alive = world.locks(), live_rows(world)
    screen = world.interface(folder, "codex")
    screen.shows(READY)
    daemon = world.daemon().ref()
    # All there is of one that was asked nothing is the lock that its daemon holds.
    unasked = wait_for("the daemon to lock a thread", lambda: next((one for one in world.locks() if one not in locked), None))
    world.headcount.shows(folder, [row(unasked, "idle", "never_prompted", daemon)])
    # What the daemon goes on owning of interfaces before may be let go meanwhile; nothing else comes.
    new = [one for one in live_rows(world) if one not in alive]
    assert new == [(unasked, daemon.pid)], new
    told = world.headcount.call("session.stop", {"sessionId": unasked, "agent": "codex"})
    assert told["outcome"] == "already_stopped", told

    prompt = "Think [[hold:cx-screen]]"
    screen.say(prompt)
    world.model.wait_streaming("cx-screen")
    thread = thread_in(world, folder)
    world.headcount.shows(folder, [row(thread, "running", "turn_in_progress", daemon, prompt=prompt, branch="main")])

    second = world.interface(other, "codex-2")
    second.shows(READY)
    second.say("Hello there")
    second.shows("reply to: Hello there")
    beside = row(thread_in(world, other), "idle", "turn_ended", daemon, prompt="Hello there")
    world.headcount.shows(other, [beside])
    world.headcount.shows(folder, [row(thread, "running", "turn_in_progress", daemon)])
    world.model.release("cx-screen")
    screen.shows("done")
    idle = row(thread, "idle", "turn_ended", daemon, prompt=prompt)
    world.headcount.shows(folder, [idle])

    # Codex records neither the question nor the answer: the daemon tells.
    tool = world.tool("cx-asked")
    wanted = {"cmd": tool.command, "sandbox_permissions": "require_escalated", "justification": "the test needs it",
              "yield_time_ms": 30000}
    screen.say(f"Escalate [[tool:exec_command {json.dumps(wanted)}]]")
    screen.shows("Yes, proceed")
    world.headcount.shows(folder, [row(thread, "waiting", "permission", daemon, certainty="asserted")])
    screen.key("Enter")
    tool.wait_running()
    world.headcount.shows(folder, [row(thread, "running", "turn_in_progress", daemon)])
    tool.release()
    world.headcount.shows(folder, [idle])

    # The daemon serves both: a stop ends the turn of one thread, and the daemon lives on.
    screen.say("Think again [[hold:cx-stopped]]")
    world.model.wait_streaming("cx-stopped")
    for outcome in ("stopped", "already_stopped"):
        told = world.headcount.call("session.stop", {"sessionId": thread, "agent": "codex"})
        assert (told["outcome"], told["signals"], told["survivors"]) == (outcome, [], []), told
    screen.shows("Conversation interrupted")
    world.headcount.shows(folder, [idle])
    world.headcount.shows(other, [beside], within_s=0)
    world.model.release("cx-stopped")

    screen.say("/quit")
    screen.ended()
    # The daemon goes on owning the thread for about a minute, and the other interface is not touched at all.
    world.headcount.shows(folder, [idle], within_s=0)
    world.headcount.shows(other, [beside], within_s=0)


@scenario("the interface goes back to before a prompt, and is forked: what was abandoned was spent, and is not shown")
def rewound(world: CodexWorld) -> None:
    folder = world.project("rewound")
    screen = world.interface(folder, "codex-rewound")
    screen.shows(READY)

    def ask(text: str) -> None:
        screen.say(text)
        screen.shows(f"reply to: {text}")

    ask("First question")
    ask("Second question")
    thread = thread_in(world, folder)
    screen.key("Escape")
    screen.press("Escape", "Browsing transcript")
    screen.key("Enter")
    screen.shows("reverted to this point")
    screen.key("C-u")
    screen.lacks("› Second question")
    conversation = ["First question", "reply to: First question"]
    world.headcount.shows(folder, [row(thread, "idle", "turn_ended", MAYBE, prompt="First question", usage=TWO_CALLS)])
    world.headcount.tells(thread, conversation)
    ask("Third question")
    conversation += ["Third question", "reply to: Third question"]
    three_calls = {name: 3 * count for name, count in ONE_CALL.items()}
    kept = row(thread, "idle", "turn_ended", MAYBE, prompt="First question", usage=three_calls)
    world.headcount.shows(folder, [kept])
    world.headcount.tells(thread, conversation)

    screen.say("/fork")
    screen.shows("Where should the forked")
    screen.key("Enter")
    screen.shows("Fork created")
    fork = thread_in(world, folder)
    world.headcount.shows(folder, [kept, row(fork, "idle", "turn_ended", MAYBE, forkedFrom=thread)])
    ask("In the fork")
    world.headcount.shows(folder, [kept, row(fork, "idle", "turn_ended", MAYBE, forkedFrom=thread, usage=ONE_CALL)])
    world.headcount.tells(fork, [*conversation, "In the fork", "reply to: In the fork"])
    screen.say("/quit")
    screen.ended()


PATCH = "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: /nowhere/patched.txt\n+hi\n*** End Patch\nEOF"
"""Changes a file outside of the workspace: Codex asks."""


@scenario("the interface asks whether a patch may be applied: without the daemon, and behind it for a subagent")
def asks_for_patches(world: CodexWorld) -> None:
    folder, other = world.project("patched"), world.project("delegates-patch")
    wanted = f"[[tool:exec_command {json.dumps({'cmd': PATCH})} ]]"
    screen = world.interface(folder, "codex-patch", "--no-daemon")
    screen.shows(READY)
    screen.say("Change it " + wanted)
    screen.shows("Yes, proceed")
    thread = thread_in(world, folder)
    ref = next(process.ref() for process in world.processes() if process.comm == "codex" and "--no-daemon" in process.argv)
    world.headcount.shows(folder, [row(thread, "waiting", "permission", ref, certainty="inferred")])
    screen.key("Escape")
    screen.lacks("Yes, proceed")
    world.headcount.shows(folder, [row(thread, "idle", "turn_ended", ref)])
    screen.say("/quit")
    screen.ended()

    screen = world.interface(other, "codex-patch-below")
    screen.shows(READY)
    screen.say(f"Delegate [[task:Change it {wanted.replace('[[', '{{').replace(']]', '}}')}]][[hold:cx-patch]]")
    screen.shows("Yes, proceed")
    thread, daemon = thread_in(world, other), world.daemon().ref()
    # Its screen asks, and it is the row that a person sees.
    asking = row(thread, "waiting", "permission", daemon, certainty="inferred")
    world.headcount.shows(other, [asking], subagents=False)
    below = world.headcount.child_of(other, thread)
    world.headcount.shows(other, [asking, row(below, "waiting", "permission", daemon, certainty="asserted", kind="subagent",
                                              parentSessionId=thread)])
    screen.key("Escape")
    screen.lacks("Yes, proceed")
    world.headcount.shows(other, [row(thread, "running", "turn_in_progress", daemon)], subagents=False)
    world.model.release("cx-patch")
    world.headcount.shows(other, [row(thread, "idle", "turn_ended", daemon)], subagents=False)


@scenario("a subagent asks when its parent's turn has ended; killed at the question, nobody asks any more")
def asks_later(world: CodexWorld) -> None:
    folder, tool = world.project("delegates-on"), world.tool("cx-later")
    wanted = f"[[bash:{tool.script()}]][[tool:exec_command {json.dumps({'cmd': PATCH})} ]]"
    screen = world.interface(folder, "codex-later", "--no-daemon")
    screen.shows(READY)
    screen.say(f"Delegate [[task:Change it {wanted.replace('[[', '{{').replace(']]', '}}')}]]")
    screen.shows("all done")
    tool.wait_running()
    thread = thread_in(world, folder)
    owner = alone(world)
    world.headcount.shows(folder, [row(thread, "idle", "turn_ended", owner)], subagents=False)
    below = world.headcount.child_of(folder, thread)
    tool.release()
    screen.shows("Yes, proceed")
    world.headcount.shows(folder, [row(thread, "waiting", "permission", owner, certainty="inferred")], subagents=False)

    def killed() -> None:
        os.kill(owner.pid, signal.SIGKILL)
        screen.ended()

    def opened(which: str) -> tuple[Terminal, ProcessRef]:
        killed()
        screen = world.terminal(command("codex") + ["resume", which, "--no-daemon"], folder, f"codex-{which[-4:]}")
        screen.shows(READY)
        return screen, alone(world)

    screen, owner = opened(thread)
    cut_off = {"certainty": "inferred", "parentSessionId": thread}
    world.headcount.shows(folder, [row(thread, "idle", "turn_ended", owner), row(below, "idle", "turn_ended", owner, kind="subagent", **cut_off)])
    # A person who opens it is whom it answers to.
    screen, owner = opened(below)
    world.headcount.shows(folder, [row(thread, "stopped", "completed"), row(below, "idle", "turn_ended", owner, **cut_off)], subagents=False)
    killed()


@scenario("the interface asks a question in plan mode: without the daemon, and behind it")
def asks_in_plan_mode(world: CodexWorld) -> None:
    choice = {"id": "one", "header": "Pick", "question": "Which one?",
              "options": [{"label": name, "description": name} for name in ("First", "Second")]}
    asks = f"[[tool:request_user_input {json.dumps({'questions': [choice]})}]]"
    for name, args, certainty in [("asked", ["--no-daemon"], "inferred"), ("asked-served", [], "asserted")]:
        folder = world.project(name)
        screen = world.interface(folder, f"codex-{name}", *args)
        screen.shows(READY)
        screen.say("/plan")
        screen.shows("Plan mode")
        screen.say(f"Plan {asks}")
        screen.shows("unanswered")
        thread = thread_in(world, folder)
        world.headcount.shows(folder, [row(thread, "waiting", "question", MAYBE, certainty=certainty)])
        screen.key("Enter")
        world.headcount.shows(folder, [row(thread, "idle", "turn_ended", MAYBE)])
        screen.say("/quit")
        screen.ended()


@scenario("the interface proposes a plan: without the daemon, and behind it")
def proposes_a_plan(world: CodexWorld) -> None:
    plan = "# Do it\n- one\n- two\n"
    prompt = f"Plan [[say:Here it is.\n<proposed_plan>\n{plan}</proposed_plan>\n]]"
    for name, args in [("planned", ["--no-daemon"]), ("planned-served", [])]:
        folder = world.project(name)
        screen = world.interface(folder, f"codex-{name}", *args)
        screen.shows(READY)
        screen.say("/plan")
        screen.shows("Plan mode")
        screen.paste(prompt)
        screen.shows("Implement this plan")
        thread = thread_in(world, folder)
        [proposed] = world.headcount.shows(folder, [row(thread, "waiting", "plan", MAYBE, certainty="inferred")])
        assert proposed["process"], proposed
        told = world.headcount.call("session.peek", {"sessionId": thread, "agent": "codex"})["turns"]
        assert plan in [turn["text"] for turn in told if turn["role"] == "assistant"], told
        screen.key("Enter")  # it is accepted
        screen.shows("reply to: Implement the plan")
        world.headcount.shows(folder, [row(thread, "idle", "turn_ended", MAYBE)])
        screen.key("BTab")
        screen.shows("Plan mode .shift")
        screen.paste(prompt)
        screen.shows("Implement this plan")
        world.headcount.shows(folder, [row(thread, "waiting", "plan", MAYBE)])
        screen.key("Escape")  # it is declined, which is not recorded; that the mode is left is
        screen.lacks("Implement this plan")
        screen.key("BTab")
        screen.lacks("Plan mode .shift")
        world.headcount.shows(folder, [row(thread, "idle", "turn_ended", MAYBE)])
        screen.say("/quit")
        screen.ended()


@scenario("the interface at its first question: a process without a thread")
def first_question(world: CodexWorld) -> None:
    folder = world.project("untrusted")
    screen = world.terminal(command("codex") + ["--no-daemon"], folder, "codex-untrusted")
    screen.shows("Trust this folder")
    process = next(one for one in world.processes() if one.comm == "codex" and "--no-daemon" in one.argv)
    world.headcount.shows(folder, [row(None, "idle", "never_prompted", process.ref(), certainty="inferred")])
    os.kill(process.pid, signal.SIGKILL)
    screen.ended()
    world.headcount.shows(folder, [], within_s=0)


@scenario("without records: seen while it lives, and gone with its process")
def without_records(world: CodexWorld) -> None:
    folder = world.project("unrecorded")
    child = world.execute(folder, "Leave no trace [[hold:cx-unrecorded]]", "--ephemeral")
    world.model.wait_streaming("cx-unrecorded")
    world.headcount.shows(folder, [row(None, "running", "process_alive", child.descendant("codex").ref())])
    world.model.release("cx-unrecorded")
    child.ended(0)
    world.headcount.shows(folder, [], within_s=0)


@scenario("in a store of its own: seen while it lives, and gone with its process")
def elsewhere(world: CodexWorld) -> None:
    folder, store = world.project("second-store"), world.home / "second"
    store.mkdir()
    (store / "config.toml").write_text(world.config.read_text())
    child = world.execute(folder, "Work [[hold:cx-elsewhere]]", env={"CODEX_HOME": str(store)})
    world.model.wait_streaming("cx-elsewhere")
    world.headcount.shows(folder, [row(None, "running", "process_alive", child.descendant("codex").ref(), certainty="inferred")],
                          within_s=0)
    world.model.release("cx-elsewhere")
    child.ended(0)
    world.headcount.shows(folder, [], within_s=0)


@scenario("the daemon killed with SIGKILL: nobody owns its thread")
def daemon_killed(world: CodexWorld) -> None:
    folder = world.project("daemonless")
    screen = world.interface(folder, "codex-daemonless")
    screen.shows(READY)
    daemon = world.daemon()
    screen.say("Think [[hold:cx-daemonless]]")
    world.model.wait_streaming("cx-daemonless")
    thread = thread_in(world, folder)
    world.headcount.shows(folder, [row(thread, "running", "turn_in_progress", daemon.ref())])
    for pid in (screen.pid, daemon.pid):  # the interface first: it would start another daemon
        os.kill(pid, signal.SIGKILL)
    wait_for("the daemon to end", lambda: daemon.pid not in [one.pid for one in world.processes()])
    # What the interface had around it ends a moment later.
    world.headcount.shows(folder, [row(thread, "stopped", "killed")])


def live_rows(world: CodexWorld) -> list[tuple[str | None, int | None]]:
    """Returns session and process of every row of the home that is told as alive."""
    rows = [one for one in world.headcount.rows(None) if one["status"] not in ("stopped", "failed")]
    return [(one.get("sessionId"), one.get("process", {}).get("pid")) for one in rows]


def alone(world: CodexWorld) -> ProcessRef:
    """Returns the interface that does without the daemon."""
    return next(one.ref() for one in world.processes() if one.comm == "codex" and "--no-daemon" in one.argv)


def thread_in(world: CodexWorld, folder: Path) -> str:
    """Returns the newest thread that codex recorded for a folder, its subagents' aside."""

    def find() -> str | None:
        for path in sorted((world.home / ".codex/sessions").rglob("rollout-*.jsonl"), reverse=True):
            meta = json.loads(path.read_text().partition("\n")[0] or "{}").get("payload") or {}
            if meta.get("cwd") == str(folder) and meta.get("thread_source") != "subagent":
                return meta["id"]
        return None

    return wait_for(f"codex to record a thread for {folder}", find)


LAUNCHER = Launcher(
    program="codex", params={"permissions": "full"},
    by_hand=lambda world, folder, session, prompt: world.codex(folder, "exec", "resume", "--json", session, prompt),
    refusal={"env": {"MOCK_KEY": ""}}, refusal_words="MOCK_KEY")


@scenario("launched: runs on without its server, is resumed as the same session, by one at a time")
def launched(world: CodexWorld) -> None:
    launching.outlives_its_server(world, LAUNCHER)


@scenario("launched, and stopped in a tool: nothing of it is left")
def launched_and_stopped(world: CodexWorld) -> None:
    launching.is_stopped_in_a_tool(world, LAUNCHER)


@scenario("launched in vain: its own words")
def launched_in_vain(world: CodexWorld) -> None:
    launching.is_refused(world, LAUNCHER)


@scenario("launched with prompts that are awkward or long")
def launched_with_prompts(world: CodexWorld) -> None:
    launching.takes_any_prompt(world, LAUNCHER)
