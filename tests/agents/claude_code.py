"""Claude Code 2.1.197: headless runs, the terminal interface, subagents, two owners of one session."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import bystanders
import launching
from install import command
from launching import Launcher
from model import Model
from observe import ABSENT, MAYBE, row
from scenario import scenario
from worlds import Child, ProcessRef, Terminal, World, read_process, wait_for

MODEL = "claude-sonnet-4-5"
ONE_CALL = {"inputTokens": 1200, "outputTokens": 50, "cacheReadTokens": 400, "cacheWriteTokens": 300}
TWO_CALLS = {field: 2 * count for field, count in ONE_CALL.items()}
STATUS_LINE = r"for shortcuts|\? for|shift\+tab"
"""What the bottom of the screen shows when the interface has started."""
LIVE = ".claude/sessions"
"""Where Claude keeps its records of live processes."""


class ClaudeWorld(World):
    """A home with a Claude Code that trusts every project and talks to our model."""

    agent = "claude-code"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.env.update(ANTHROPIC_BASE_URL=model.url, ANTHROPIC_API_KEY="dummy", DISABLE_AUTOUPDATER="1", DISABLE_TELEMETRY="1",
                        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1")
        if os.geteuid() == 0:
            self.env["IS_SANDBOX"] = "1"  # else root may not use bypassPermissions

        # A daemon that starts background sessions passes no environment on; the settings reach those too.
        passed = ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC")
        (self.home / ".claude").mkdir()
        (self.home / ".claude/settings.json").write_text(json.dumps({"env": {name: self.env[name] for name in passed}}))

    def headless(self, folder: Path, prompt: str, session: str, *args: str, env: dict[str, str] | None = None) -> Child:
        """Starts `claude -p` with a session id of our choice."""
        return self.start(command("claude-code") + ["-p", "--session-id", session, "--model", MODEL, "--permission-mode",
                                                    "bypassPermissions", *args, "--", prompt], folder, env=env)

    def resume(self, folder: Path, prompt: str, session: str) -> Child:
        """Starts `claude -p` on a session there is."""
        return self.start(command("claude-code") + ["-p", "--resume", session, "--model", MODEL, "--", prompt], folder)

    def interface(self, folder: Path, name: str) -> Terminal:
        """Starts the terminal interface, past its first-run questions."""
        self.trust(folder)
        return self.terminal(command("claude-code") + ["--model", MODEL], folder, name)

    def trust(self, folder: Path) -> None:
        """Answers the questions that a first start would ask."""
        path = self.home / ".claude.json"
        settings: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        settings.update(hasCompletedOnboarding=True, lastOnboardingVersion="2.1.197", theme="dark",
                        customApiKeyResponses={"approved": ["dummy"], "rejected": []})
        settings.setdefault("projects", {}).setdefault(str(folder), {})["hasTrustDialogAccepted"] = True
        path.write_text(json.dumps(settings))

    def hooks(self, folder: Path, event: str, command: str) -> None:
        """Has the sessions of a folder run a command at an event."""
        (folder / ".claude").mkdir(exist_ok=True)
        hooks = {event: [{"hooks": [{"type": "command", "command": command}]}]}
        (folder / ".claude/settings.json").write_text(json.dumps({"hooks": hooks}))

    def opened(self, folder: Path, name: str) -> tuple[Terminal, ProcessRef, str]:
        """Starts the interface and returns it when it is ready, with its process and its session."""
        screen = self.interface(folder, name)
        screen.shows(STATUS_LINE)
        return screen, screen.process().ref(), self.registered(screen.pid)["sessionId"]

    def registered(self, pid: int) -> dict[str, Any]:
        """Returns Claude's own record of a live process."""
        return wait_for(f"claude to register process {pid}", lambda: record_in(self.home / f"{LIVE}/{pid}.json"))

    def in_background(self, folder: Path) -> dict[str, Any]:
        """Returns Claude's own record of the background session of a folder: its daemon starts a process for a job, or gives
        it to one that it has held ready."""

        def read() -> dict[str, Any] | None:
            records = filter(None, map(record_in, (self.home / LIVE).glob("*.json")))
            return next((one for one in records if one.get("kind") == "bg" and one.get("cwd") == str(folder)), None)

        return wait_for(f"claude to register a background session in {folder}", read)


def record_in(path: Path) -> dict[str, Any] | None:
    """Returns a live record; nothing where it is not there, or caught half written: it is rewritten in place."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def make_world(model: Model) -> ClaudeWorld:
    """Returns the world the scenarios below run in."""
    return ClaudeWorld(model)


def fresh() -> str:
    """Returns a session id."""
    return str(uuid.uuid4())


@scenario("streaming, then finished")
def streaming(world: ClaudeWorld) -> None:
    folder = world.project("streams, then.ends", branch="feature/x")
    session, prompt = fresh(), "Tell me more [[hold:cc-stream]]"
    child = world.headless(folder, prompt, session, "--name", "A named session")
    world.model.wait_streaming("cc-stream")
    told = dict(prompt=prompt, branch="feature/x", title="A named session")
    running = row(session, "running", "turn_in_progress", child.descendant("claude").ref(), **told)
    world.headcount.shows(folder, [running])
    world.headcount.status(running)
    world.headcount.agrees_with_command(folder)
    world.model.release("cc-stream")
    child.ended(0)
    ended = row(session, "stopped", "completed", model=MODEL, usage=ONE_CALL, **told)
    world.headcount.shows(folder, [ended], within_s=0)
    world.headcount.status(ended)


@scenario("in a tool, then finished")
def in_a_tool(world: ClaudeWorld) -> None:
    folder, tool, session = world.project("tool"), world.tool("cc-tool"), fresh()
    prompt = f"Run it [[bash:{tool.command}]]"
    child = world.headless(folder, prompt, session)
    tool.wait_running()
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", child.descendant("claude").ref(),
                                       prompt=prompt, model=MODEL, usage=ONE_CALL)])
    tool.release()
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", prompt=prompt, usage=TWO_CALLS)], within_s=0)
    world.headcount.peeks(session, prompt)


@scenario("killed with SIGKILL in a tool: stale pid file and orphaned tool")
def killed(world: ClaudeWorld) -> None:
    folder, tool, session = world.project("killed"), world.tool("cc-killed"), fresh()
    child = world.headless(folder, f"Run it [[bash:{tool.command}]]", session)
    tool.wait_running()
    pid = child.descendant("claude").pid
    os.kill(pid, signal.SIGKILL)
    child.ended()
    left = world.home / ".claude/sessions" / f"{pid}.json"
    assert left.exists(), "claude no longer leaves its pid file behind"
    assert any(tool.command in argument for one in world.processes() for argument in one.argv), "the tool has ended, too"
    ended = row(session, "stopped", "killed", usage=ONE_CALL)
    world.headcount.shows(folder, [ended], within_s=0)
    # The next process to get that id is none of Claude's.
    other = world.start(["sleep", "60"], folder)
    recycled = left.rename(left.with_name(f"{other.pid}.json"))
    world.headcount.shows(folder, [ended], within_s=0)
    recycled.unlink()
    tool.release()


@scenario("ended with SIGTERM in a tool")
def terminated(world: ClaudeWorld) -> None:
    folder, tool, session = world.project("terminated"), world.tool("cc-terminated"), fresh()
    child = world.headless(folder, f"Run it [[bash:{tool.command}]]", session)
    tool.wait_running()
    child.popen.send_signal(signal.SIGTERM)
    child.ended()
    world.headcount.shows(folder, [row(session, "stopped", "interrupted", usage=ONE_CALL)], within_s=0)
    tool.release()


@scenario("two in one directory: each its own process, one ends alone")
def two_in_one_directory(world: ClaudeWorld) -> None:
    folder, first, second = world.project("shared"), fresh(), fresh()
    one = world.headless(folder, "First [[hold:cc-one]]", first)
    two = world.headless(folder, "Second [[hold:cc-two]]", second)
    world.model.wait_streaming("cc-one")
    world.model.wait_streaming("cc-two")
    first_ref, second_ref = one.descendant("claude").ref(), two.descendant("claude").ref()
    world.headcount.shows(folder, [row(first, "running", "turn_in_progress", first_ref),
                                   row(second, "running", "turn_in_progress", second_ref)])
    world.model.release("cc-one")
    one.ended(0)
    world.headcount.shows(folder, [row(first, "stopped", "completed"),
                                   row(second, "running", "turn_in_progress", second_ref)], within_s=0)
    world.model.release("cc-two")
    two.ended(0)


@scenario("the model refuses")
def model_error(world: ClaudeWorld) -> None:
    folder, session = world.project("refused"), fresh()
    world.headless(folder, "Fail [[error:400]]", session).ended(1)
    world.headcount.shows(folder, [row(session, "failed", "model_error")], within_s=0)


@scenario("the model refuses the interface: idle, and failed when it is left")
def model_error_on_screen(world: ClaudeWorld) -> None:
    folder = world.project("refused-screen")
    screen, ref, session = world.opened(folder, "claude-refused")
    screen.say("Fail [[error:400]]")
    screen.shows("API Error")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.say("/exit")
    screen.ended()
    world.headcount.shows(folder, [row(session, "failed", "model_error")])


@scenario("a subagent is a child, and its calls are counted once")
def subagent(world: ClaudeWorld) -> None:
    folder, session = world.project("delegates"), fresh()
    child = world.headless(folder, "Delegate [[task:Look around {{hold:cc-child}}]]", session)
    world.model.wait_streaming("cc-child")
    ref = child.descendant("claude").ref()
    parent = row(session, "running", "turn_in_progress", ref)
    world.headcount.shows(folder, [parent], subagents=False)
    child_id = world.headcount.child_of(folder, session)
    below = row(child_id, "running", "turn_in_progress", ref, kind="subagent", parentSessionId=session)
    world.headcount.shows(folder, [parent, below])
    world.model.release("cc-child")
    child.ended(0)
    world.headcount.shows(folder, [
        row(session, "stopped", "completed", usage=dict(TWO_CALLS)),
        row(child_id, "stopped", "completed", kind="subagent", parentSessionId=session, usage=ONE_CALL)], within_s=0)


@scenario("one session resumed by two processes at once")
def two_owners(world: ClaudeWorld) -> None:
    folder, session = world.project("contested"), fresh()
    world.headless(folder, "Begin", session).ended(0)
    owners = [world.resume(folder, f"Go on [[hold:cc-owner-{number}]]", session) for number in (1, 2)]
    refs = []
    for number, owner in enumerate(owners, 1):
        world.model.wait_streaming(f"cc-owner-{number}")
        refs.append(owner.descendant("claude").ref())

    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", tuple(refs), conflict="two_owners", prompt="Begin")])
    world.model.release("cc-owner-1")
    owners[0].ended(0)
    # Both wrote one transcript: the end of the first one's turn hides that the other's goes on.
    world.headcount.shows(folder, [row(session, ("running", "idle"), None, refs[1])], within_s=0)
    world.model.release("cc-owner-2")
    owners[1].ended(0)
    world.headcount.shows(folder, [row(session, "stopped", prompt="Begin")], within_s=0)


@scenario("resumed: at work before its turn is written down, and for as long as a hook runs after it")
def resumed(world: ClaudeWorld) -> None:
    folder, hook, session = world.project("resumed"), world.tool("cc-stop-hook"), fresh()
    world.headless(folder, "Begin", session).ended(0)
    world.hooks(folder, "Stop", hook.command)
    child = world.resume(folder, "Go on [[hold:cc-resumed]]", session)
    at_work = row(session, "running", ("process_alive", "turn_in_progress"), child.descendant("claude").ref())
    world.headcount.shows(folder, [at_work], within_s=0)
    world.model.wait_streaming("cc-resumed")
    world.model.release("cc-resumed")
    hook.wait_running()
    world.headcount.shows(folder, [at_work], within_s=0)
    hook.release()
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", usage=TWO_CALLS)], within_s=0)


@scenario("a command of one's own is a prompt, and one may be killed in it")
def commands(world: ClaudeWorld) -> None:
    folder, done, killed = world.project("commands"), fresh(), fresh()
    (folder / ".claude/commands").mkdir(parents=True)
    (folder / ".claude/commands/deploy.md").write_text("Deploy to $ARGUMENTS")
    world.headless(folder, "/deploy staging", done).ended(0)
    first = row(done, "stopped", "completed", prompt="/deploy staging")
    world.headcount.shows(folder, [first], within_s=0)
    prompt = "/deploy prod [[hold:cc-deploy]]"
    child = world.headless(folder, prompt, killed)
    world.model.wait_streaming("cc-deploy")
    process = child.descendant("claude")
    world.headcount.shows(folder, [first, row(killed, "running", "turn_in_progress", process.ref(), prompt=prompt)])
    os.kill(process.pid, signal.SIGKILL)
    child.ended()
    world.headcount.shows(folder, [first, row(killed, "stopped", "killed", prompt=prompt)], within_s=0)
    world.model.release("cc-deploy")


@scenario("a long-lived programmatic process between two inputs")
def between_inputs(world: ClaudeWorld) -> None:
    folder, session = world.project("piped"), fresh()
    child = world.start(command("claude-code") + [
        "-p", "--session-id", session, "--model", MODEL, "--input-format", "stream-json", "--output-format", "stream-json",
        "--verbose"], folder, stdin=subprocess.PIPE)
    world.headcount.shows(folder, [row(session, "idle", "never_prompted", child.descendant("claude").ref())])
    child.write(json.dumps({"type": "user", "message": {"role": "user", "content": "Wait for more"}}) + "\n")
    wait_for("the first turn to end", lambda: '"type":"result"' in child.output(), hint=child.output)
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", child.descendant("claude").ref(), prompt="Wait for more")])
    child.write(json.dumps({"type": "user", "message": {"role": "user", "content": "Go on [[hold:cc-piped]]"}}) + "\n")
    world.model.wait_streaming("cc-piped")
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", child.descendant("claude").ref())])
    world.model.release("cc-piped")
    child.close_input()
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", usage=TWO_CALLS)], within_s=0)


@scenario("without records: seen while it lives, and gone with its process")
def without_records(world: ClaudeWorld) -> None:
    folder, session = world.project("unrecorded"), fresh()
    child = world.headless(folder, "Leave no trace [[hold:cc-unrecorded]]", session, "--no-session-persistence")
    world.model.wait_streaming("cc-unrecorded")
    world.headcount.shows(folder, [row(session, "running", "process_alive", child.descendant("claude").ref())])
    world.model.release("cc-unrecorded")
    child.ended(0)
    world.headcount.shows(folder, [], within_s=0)
    del world.known_sessions[session]  # it may vanish


@scenario("in a store of its own: seen while it lives, and gone with its process")
def elsewhere(world: ClaudeWorld) -> None:
    folder = world.project("elsewhere")
    child = world.headless(folder, "Work [[hold:cc-elsewhere]]", fresh(), env={"CLAUDE_CONFIG_DIR": str(world.home / "second")})
    world.model.wait_streaming("cc-elsewhere")
    world.headcount.shows(folder, [row(None, "running", "process_alive", child.descendant("claude").ref(), certainty="inferred")],
                          within_s=0)
    world.model.release("cc-elsewhere")
    child.ended(0)
    world.headcount.shows(folder, [], within_s=0)


@scenario("what is no agent at work: questions to the program, and what a browser starts of it")
def no_agents(world: ClaudeWorld) -> None:
    folder = world.project("bystanders")
    bystanders.questions_are_no_rows(world, folder, [["--version"], ["rm", "abcd1234"]])
    host = world.start(command("claude-code") + ["--chrome-native-host"], folder, stdin=subprocess.PIPE)
    wait_for("what a browser starts to listen", lambda: "listening" in host.output(), hint=host.output)
    world.headcount.shows(folder, [], within_s=0)
    host.close_input()


@scenario("forked: the copied history is not counted again")
def forked(world: ClaudeWorld) -> None:
    folder, session, fork = world.project("forked"), fresh(), fresh()
    world.headless(folder, "Begin", session).ended(0)
    argv = ["-p", "--resume", session, "--fork-session", "--session-id", fork, "--model", MODEL, "--", "Another way"]
    world.start(command("claude-code") + argv, folder).ended(0)
    # Which of the two the shared call is counted for is nobody's promise; that it is counted once is.
    world.headcount.shows(folder, [row(session, "stopped", "completed", prompt="Begin"),
                                   row(fork, "stopped", "completed", forkedFrom=MAYBE)], within_s=0)
    world.headcount.spends(folder, TWO_CALLS)


@scenario("the interface branches: the branch names its origin, which is left")
def branched(world: ClaudeWorld) -> None:
    folder = world.project("branched")
    screen, ref, origin = world.opened(folder, "claude-branched")
    screen.say("Begin")
    world.headcount.shows(folder, [row(origin, "idle", "turn_ended", ref, usage=ONE_CALL)])
    screen.say("/branch")
    screen.shows("Branched conversation")
    branch = world.registered(screen.pid)["sessionId"]
    screen.say("Another way")
    screen.shows("reply to: Another way")
    world.headcount.shows(folder, [row(origin, "stopped", "completed", prompt="Begin", usage=ONE_CALL),
                                   row(branch, "idle", "turn_ended", ref, prompt="Begin", forkedFrom=origin, usage=ONE_CALL)])
    screen.say("/exit")
    screen.ended()


@scenario("in the background: its own kind, and none of its daemon's other processes")
def background(world: ClaudeWorld) -> None:
    folder = world.project("background")
    world.trust(folder)
    prompt = "Later [[hold:cc-background]]"
    world.start(command("claude-code") + ["--bg", "--model", MODEL, prompt], folder).ended(0)
    ended = [one for one in world.headcount.rows(folder) if one["status"] == "stopped"]
    assert not ended, f"ended before it has begun: {ended}"
    world.model.wait_streaming("cc-background")
    record = world.in_background(folder)
    session, process = record["sessionId"], read_process(record["pid"])
    assert process, f"its process has ended: {record}"
    ref = process.ref()
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", ref, kind="background", prompt=prompt)])
    world.model.release("cc-background")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref, kind="background", prompt=prompt)])
    world.start(command("claude-code") + ["stop", session[:8]], folder).ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", kind="background", prompt=prompt)])


@scenario("the interface asks: a question and a plan are not permissions")
def questions(world: ClaudeWorld) -> None:
    folder = world.project("questions")
    screen, ref, session = world.opened(folder, "claude-asks")
    choice = {"question": "Which one?", "header": "Pick", "multiSelect": False,
              "options": [{"label": name, "description": name} for name in ("First", "Second")]}
    screen.say(f"Ask [[tool:AskUserQuestion {json.dumps({'questions': [choice]})}]]")
    screen.shows("Enter to select")
    world.headcount.shows(folder, [row(session, "waiting", "question", ref)])
    screen.key("Escape")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.say("/plan")
    screen.shows("plan mode on")
    screen.say('Plan [[tool:ExitPlanMode {"plan": "do it"}]]')
    screen.shows("Exit plan mode")
    world.headcount.shows(folder, [row(session, "waiting", "plan", ref)])
    screen.key("Escape")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.say("/exit")
    screen.ended()
    world.headcount.shows(folder, [row(session, "stopped")])


@scenario("a server of tools asks a person: it waits, and works once that is answered")
def elicits(world: ClaudeWorld) -> None:
    folder = world.project("elicits")
    server = {"command": sys.executable, "args": [str(Path(__file__).with_name("mcp.py"))]}
    (folder / ".mcp.json").write_text(json.dumps({"mcpServers": {"slow": server}}))
    (folder / ".claude").mkdir()
    (folder / ".claude/settings.json").write_text(json.dumps({
        "enableAllProjectMcpServers": True, "permissions": {"allow": ["mcp__slow__ask"]}}))
    screen, ref, session = world.opened(folder, "claude-elicits")
    screen.say("Ask [[tool:mcp__slow__ask {}]][[hold:cc-elicited]]")
    screen.shows("requests your input")
    world.headcount.shows(folder, [row(session, "waiting", "question", ref)])
    screen.key("Escape")
    world.model.wait_streaming("cc-elicited")
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", ref)])
    world.model.release("cc-elicited")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.say("/exit")
    screen.ended()
    world.headcount.shows(folder, [row(session, "stopped")])


@scenario("the interface in a menu that a person has opened: nobody is waited for, and a turn goes on behind it")
def in_a_menu(world: ClaudeWorld) -> None:
    folder = world.project("menu")
    screen, ref, session = world.opened(folder, "claude-menu")

    def open_menu() -> None:
        screen.say("/status")
        screen.shows("Session ID")
        wait_for("claude to register its menu", lambda: world.registered(screen.pid).get("waitingFor") == "dialog open")

    screen.say("Think [[hold:cc-menu]]")
    world.model.wait_streaming("cc-menu")
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", ref)])
    open_menu()
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", ref, certainty="inferred")], within_s=0)
    world.model.release("cc-menu")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref, certainty="inferred")])
    screen.key("Escape")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref, certainty="asserted")])
    screen.say("/exit")
    screen.ended()
    world.headcount.shows(folder, [row(session, "stopped")])


@scenario("the interface goes back to before a prompt: what was abandoned is no part of the conversation")
def rewound(world: ClaudeWorld) -> None:
    folder = world.project("rewound")
    screen, ref, session = world.opened(folder, "claude-rewound")

    def ask(text: str) -> None:
        screen.say(text)
        screen.shows(f"reply to: {text}")
        world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])

    def go_back(to: str) -> None:
        """Goes back to before a prompt, which the interface then offers again."""
        screen.say("/rewind")
        screen.shows("Restore the code")
        screen.press("Up", rf"(?m)^ +❯ {to}")
        screen.key("Enter")
        screen.shows("Confirm you want")
        screen.key("Enter")
        screen.lacks("Confirm you want")
        screen.key("C-u")
        screen.lacks(rf"❯ {to}")

    ask("First question")
    ask("Second question")
    go_back("Second question")
    ask("Third question")
    world.headcount.tells(session, ["First question", "reply to: First question", "Third question", "reply to: Third question"])
    go_back("First question")
    ask("Fourth question")
    world.headcount.tells(session, ["Fourth question", "reply to: Fourth question"])
    screen.say("/exit")
    screen.ended()


@scenario("the interface at its first question: a process without a session")
def first_question(world: ClaudeWorld) -> None:
    folder = world.project("untrusted")
    world.trust(world.home)  # so that this folder is all there is to ask about
    screen = world.terminal(command("claude-code") + ["--model", MODEL], folder, "claude-untrusted")
    screen.shows("trust this folder")
    ref = screen.process().ref()
    world.headcount.shows(folder, [row(None, "idle", "never_prompted", ref, certainty="inferred")])
    screen.key("Enter")
    screen.shows(STATUS_LINE)
    session = world.registered(screen.pid)["sessionId"]
    world.headcount.shows(folder, [row(session, "idle", "never_prompted", ref, certainty="asserted")])
    screen.say("/exit")
    screen.ended()
    world.headcount.shows(folder, [])
    del world.known_sessions[session]  # it may vanish


@scenario("the interface: never prompted, busy, idle, asking, cleared, left")
def interface(world: ClaudeWorld) -> None:
    folder, tool = world.project("screen"), world.tool("cc-asked")
    screen, ref, session = world.opened(folder, "claude")
    world.headcount.shows(folder, [row(session, "idle", "never_prompted", ref, prompt=ABSENT)])

    prompt = "Think [[hold:cc-screen]]"
    screen.say(prompt)
    world.model.wait_streaming("cc-screen")
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", ref, prompt=prompt)])
    world.model.release("cc-screen")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref, prompt=prompt, model=MODEL)])

    screen.say(f"Run it [[bash:{tool.command}]]")
    screen.shows("Do you want to proceed")
    asking = row(session, "waiting", "permission", ref, prompt=prompt)
    world.headcount.shows(folder, [asking])
    world.headcount.status(asking)
    screen.key("Enter")
    tool.wait_running()
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", ref)])
    tool.release()
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])

    later = world.tool("cc-later")
    wanted = {"command": later.command, "description": "later", "run_in_background": True}
    screen.say(f"Leave it running [[tool:Bash {json.dumps(wanted)}]]")
    screen.shows("Do you want to proceed")
    screen.key("Enter")
    later.wait_running()
    world.headcount.shows(folder, [row(session, "running", "active_run", ref)])
    later.release()
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])

    screen.say("/clear")
    cleared = wait_for("the session id to change in place",
                       lambda: next((found for found in [world.registered(screen.pid)["sessionId"]] if found != session), None))
    old = row(session, "stopped", prompt=prompt)
    world.headcount.shows(folder, [old, row(cleared, "idle", ("never_prompted", "turn_ended"), ref, prompt=ABSENT)])
    screen.say("After the clearing")
    world.headcount.shows(folder, [old, row(cleared, "idle", "turn_ended", ref, prompt="After the clearing")])
    screen.say("/exit")
    screen.ended()
    world.headcount.shows(folder, [old, row(cleared, "stopped", "completed", prompt="After the clearing")])


@scenario("the interface suspended with Ctrl-Z: at work it waits for somebody, at the end of its turn it is idle")
def suspended(world: ClaudeWorld) -> None:
    folder = world.project("suspended")
    world.trust(folder)
    screen = world.shell(folder, "claude-suspended")
    screen.say(shlex.join(command("claude-code") + ["--model", MODEL]))
    screen.shows(STATUS_LINE)
    process = next(one for one in world.processes() if one.parent == screen.pid)
    ref, session, prompt = process.ref(), world.registered(process.pid)["sessionId"], "Think [[hold:cc-suspended]]"
    screen.say(prompt)
    world.model.wait_streaming("cc-suspended")
    world.headcount.shows(folder, [row(session, "running", "turn_in_progress", ref, prompt=prompt)])
    watch = world.headcount.watches(folder)
    screen.key("C-z")
    screen.shows("Stopped")
    world.headcount.shows(folder, [row(session, "waiting", "suspended", ref, prompt=prompt, certainty="asserted")], within_s=0)
    watch.tells(session, "waiting", "suspended")
    screen.say("fg")
    watch.tells(session, "running", "turn_in_progress")
    watch.close()
    world.model.release("cc-suspended")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref, prompt=prompt)])
    screen.key("C-z")
    screen.shows(r"Stopped[^$]*Stopped")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref, prompt=prompt)], within_s=0)
    stopped = world.headcount.call("session.stop", {"sessionId": session, "agent": "claude-code", "graceMs": 200})
    assert stopped["outcome"] == "stopped" and not stopped["survivors"], stopped
    world.headcount.shows(folder, [row(session, "stopped", prompt=prompt)], within_s=0)


@scenario("the interface is left: while its last hook runs it is no new session")
def leaving(world: ClaudeWorld) -> None:
    folder, hook = world.project("leaving"), world.tool("cc-end-hook")
    world.hooks(folder, "SessionEnd", hook.command)
    screen, ref, session = world.opened(folder, "claude-leaving")
    screen.say("Only this")
    world.headcount.shows(folder, [row(session, "idle", "turn_ended", ref)])
    screen.say("/exit")
    hook.wait_running()
    world.headcount.shows(folder, [row(session, "stopped")], within_s=0)
    hook.release()
    screen.ended()
    world.headcount.shows(folder, [row(session, "stopped")], within_s=0)


LAUNCHER = Launcher(
    program="claude", params={"model": MODEL, "permissions": "full"},
    by_hand=lambda world, folder, session, prompt: world.resume(folder, prompt, session),
    refusal={"env": {"ANTHROPIC_API_KEY": "", "HOME": "/nonexistent"}}, refusal_words="login")


@scenario("launched: runs on without its server, is resumed as the same session, by one at a time")
def launched(world: ClaudeWorld) -> None:
    launching.outlives_its_server(world, LAUNCHER)


@scenario("launched, and stopped in a tool: nothing of it is left")
def launched_and_stopped(world: ClaudeWorld) -> None:
    launching.is_stopped_in_a_tool(world, LAUNCHER)


@scenario("launched in vain: its own words")
def launched_in_vain(world: ClaudeWorld) -> None:
    launching.is_refused(world, LAUNCHER)


@scenario("launched with prompts that are awkward or long")
def launched_with_prompts(world: ClaudeWorld) -> None:
    launching.takes_any_prompt(world, LAUNCHER)
