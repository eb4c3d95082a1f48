"""What headcount promises of the sessions that it launches itself, for every agent alike.

An agent's module says in a `Launcher` how its sessions are begun; the bodies here drive them through servers that
are killed, and look at the processes themselves for what is left.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from install import command
from observe import MAYBE, Headcount, Row, row
from worlds import Child, Tool, all_processes, wait_for

LAUNCH_FAILED, SESSION_ALIVE, DIRECTORY_LOCKED, UNSUPPORTED = 1006, 1005, 1004, 1007
AWKWARD = "- is no flag\nand \"quotes\" are 'kept', as are $(touch expanded) and `ticks` \\ "
"""What a shell, or a parser of options, would make something else of."""


class Launcher(NamedTuple):
    """What differs between agents."""

    program: str
    """The name under which headcount looks for it."""
    params: Row
    """What a launch needs beside agent, prompt and directory."""
    by_hand: Callable[[Any, Path, str, str], Child]
    """Resumes a session as a person would: world, directory, session, prompt."""
    refusal: Row
    """Params with which the agent ends at once."""
    refusal_words: str
    """What it then says."""


class Server:
    """A server of its own, which does not live long."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.headcount = Headcount(world.headcount.binary, world)

    def __enter__(self) -> Headcount:
        return self.headcount

    def __exit__(self, *_: object) -> None:
        self.headcount.kill()


def offer(world: Any, program: str) -> None:
    """Puts the agent where headcount finds programs: on its PATH."""
    link = world.bin / program
    if not link.exists():
        link.symlink_to(command(world.agent)[0])


def params(world: Any, launcher: Launcher, folder: Path, prompt: str, **more: Any) -> Row:
    """Returns what a launch is asked for with."""
    offer(world, launcher.program)
    return {"agent": world.agent, "cwd": str(folder), "prompt": prompt, "env": world.marked, **launcher.params, **more}


def told_session(world: Any, folder: Path, launched: Row) -> str:
    """Returns the session of a launch: a loaded machine may take longer to tell it than a launch waits."""
    identity = launched["launch"]["launchId"]

    def listed() -> str | None:
        rows = world.headcount.rows(folder)
        return next((one.get("sessionId") for one in rows if one.get("launch", {}).get("launchId") == identity), None)

    told = launched["launch"].get("sessionId") or wait_for("the launch to tell its session", listed)
    return str(told)


def outlives_its_server(world: Any, launcher: Launcher) -> None:
    """A launched session runs on without its server, and is resumed as the same one, by one at a time."""
    folder, name = world.project("launched", branch="feature/x"), f"{world.agent}-launched"
    prompt = f"Tell me more [[hold:{name}]]"
    with Server(world) as first:
        launched = first.call("session.launch", params(world, launcher, folder, prompt, group="night", label="teller"))
        world.model.wait_streaming(name)
    session = told_session(world, folder, launched)
    told = row(session, "running", process=MAYBE, prompt=MAYBE, usage=MAYBE, title=MAYBE)
    [seen] = world.headcount.shows(folder, [told])
    assert seen["launch"]["group"] == "night" and seen["launch"]["label"] == "teller", seen["launch"]
    assert seen["launch"]["prompt"] == prompt and "exitCode" not in seen["launch"], seen["launch"]
    assert seen["process"]["pid"] in family(launched["launch"]["pid"]), (seen["process"], launched["launch"])
    world.model.release(name)
    expect_end(world, folder, session, "completed", 0)

    again, hand = f"{name}-again", f"{name}-hand"
    order = {"sessionId": session, "agent": world.agent, "env": world.marked, **launcher.params}
    with Server(world) as second:
        resumed = second.call("session.resume", dict(order, prompt=f"Go on [[hold:{again}]]"))
        [begins] = world.headcount.rows(folder)
        assert begins["status"] == "running", f"its new turn has begun, and it is told as {begins}"
        world.model.wait_streaming(again)
        assert told_session(world, folder, resumed) == session, f"another session went on: {resumed['launch']}"
        refused(world.headcount, "session.resume", dict(order, prompt="Me too"), SESSION_ALIVE)
    world.model.release(again)
    expect_end(world, folder, session, "completed", 0)
    turns = world.headcount.call("session.peek", {"sessionId": session, "agent": world.agent, "turns": 50})["turns"]
    asked = [turn["text"] for turn in turns if turn["role"] == "user"]
    assert len(asked) == 2 and "Tell me more" in asked[0] and "Go on" in asked[1], f"it was asked {asked}"

    child = launcher.by_hand(world, folder, session, f"By hand [[hold:{hand}]]")
    world.model.wait_streaming(hand)
    world.headcount.shows(folder, [row(session, "running", process=MAYBE, prompt=MAYBE, title=MAYBE)])
    refused(world.headcount, "session.resume", dict(order, prompt="Me too"), SESSION_ALIVE)
    world.model.release(hand)
    child.ended(0)
    expect_end(world, folder, session, "completed", None)


def is_stopped_in_a_tool(world: Any, launcher: Launcher) -> None:
    """A stopped session leaves no process, tools included, and its directory is free."""
    folder, tool = world.project("stopped"), world.tool(f"{world.agent}-stopped")
    prompt = f"Run it [[bash:{tool.script()}]]"
    order = params(world, launcher, folder, prompt)
    launched = world.headcount.call("session.launch", order)
    tool.wait_running()
    session = told_session(world, folder, launched)
    refused(world.headcount, "session.launch", dict(order, prompt="Beside it"), DIRECTORY_LOCKED)
    world.headcount.shows(folder, [row(session, "running", process=MAYBE, prompt=MAYBE, title=MAYBE)])
    stopped = world.headcount.call("session.stop", {"sessionId": session, "agent": world.agent})
    assert stopped["outcome"] == "stopped" and not stopped["survivors"] and stopped["signals"], stopped
    left = at_work(world, folder, tool, launched["launch"]["pid"])
    assert not left, f"left alive: {left}"
    world.headcount.shows(folder, [row(session, ("stopped", "failed"), prompt=MAYBE, title=MAYBE)])
    # The transcript may say that it has ended before the supervisor has noted how.
    wait_for("the launch to know its exit code", lambda: "exitCode" in find(world.headcount, folder, session)["launch"])
    assert holders(world, folder) == []
    again = world.headcount.call("session.stop", {"sessionId": session, "agent": world.agent})
    assert again["outcome"] == "already_stopped" and not again["signals"], again


def is_refused(world: Any, launcher: Launcher) -> None:
    """An agent that ends at once is an error with its own words, and its directory is free."""
    folder = world.project("refused at once")
    order = params(world, launcher, folder, "Never asked")
    order.update(launcher.refusal, env={**world.marked, **launcher.refusal.get("env", {})})
    reply = world.headcount.request("session.launch", order)
    if "result" in reply:  # a loaded machine may take longer to end the agent than a launch waits: its log has its words
        wait_for("the agent to end", lambda: holders(world, folder) == [])
        said = Path(reply["result"]["launch"]["logPath"]).read_text()
    else:
        assert reply["error"]["code"] == LAUNCH_FAILED, reply
        said = str(reply["error"])
    assert launcher.refusal_words in said, f"not its own words: {said[:1500]}"
    assert holders(world, folder) == []
    for one in world.headcount.rows(folder):
        assert one["status"] in ("stopped", "failed"), one
        # What only the ledger shows may have no session, and is nobody's but headcount's.
        if "sessionId" in one and is_in_store(world, one["sessionId"]):
            world.known_sessions[one["sessionId"]] = one["status"]


def is_in_store(world: Any, session: str) -> bool:
    """Returns whether the agent itself has recorded a session."""
    seen = world.headcount.call("session.status", {"sessionId": session, "agent": world.agent})["session"]
    return any(line["source"] != "ledger" for line in seen["evidence"])


def takes_any_prompt(world: Any, launcher: Launcher) -> None:
    """A prompt arrives as it is, the awkward and the long."""
    folder = world.project("prompts")
    for prompt in (AWKWARD, "Long " + "word " * 30_000 + "end"):
        launched = world.headcount.call("session.launch", params(world, launcher, folder, prompt))
        session = told_session(world, folder, launched)
        expect_end(world, folder, session, "completed", 0)
        heard = [entry.prompt for entry in world.model.journal if entry.prompt.strip().strip('"').strip() == prompt.strip()]
        asked = [entry.prompt[:80] for entry in world.model.journal[-3:]]
        assert heard, f"the model did not hear the prompt as it is; last it heard {asked}"
    assert not (folder / "expanded").exists(), "a shell has seen the prompt"


def is_told_by_its_store(world: Any, launcher: Launcher) -> None:
    """A launch knows its session before the model has said anything, and so before the agent has."""
    folder, name = world.project("silent"), f"{world.agent}-silent"
    created = world.root / f"{name}.created"
    hook = ["/bin/sh", "-c", f'echo "$HEADCOUNT_SESSION_ID" > {created}.new && mv {created}.new {created}']
    order = params(world, launcher, folder, f"Think first [[mute:{name}]]", onCreate=hook)
    with Server(world) as server:
        launched = server.call("session.launch", order)
    world.model.wait_streaming(name)
    wait_for("the launch to know its session", created.exists)
    session = created.read_text().strip()
    [seen] = world.headcount.shows(folder, [row(session, "running", process=MAYBE, prompt=MAYBE, title=MAYBE)])
    assert seen["launch"]["launchId"] == launched["launch"]["launchId"], seen["launch"]
    world.model.release(name)
    expect_end(world, folder, session, "completed", 0)


def expect_end(world: Any, folder: Path, session: str, reason: str, code: int | None) -> None:
    """Waits until a session's launch has ended, and asks a server that knew nothing of it."""

    def is_over() -> bool:
        one = find(world.headcount, folder, session)
        return one["status"] not in ("running", "idle", "waiting") and (code is None or "exitCode" in one["launch"])

    wait_for(f"session {session} to end", is_over, hint=lambda: str(find(world.headcount, folder, session)))
    with Server(world) as later:
        one = find(later, folder, session)
    assert (one["status"], one["reason"]) == ("stopped", reason), one
    assert code is None or one["launch"]["exitCode"] == code, one["launch"]
    assert holders(world, folder) == []
    world.known_sessions[session] = one["status"]


def find(headcount: Headcount, folder: Path, session: str) -> Row:
    """Returns the row of one session."""
    found = [one for one in headcount.rows(folder) if one.get("sessionId") == session]
    assert len(found) == 1, f"session {session} is listed {len(found)} times under {folder}: {headcount.rows(folder)}"
    return found[0]


def refused(headcount: Headcount, method: str, order: Row, code: int) -> Row:
    """Returns the error that a request must be answered with."""
    reply = headcount.request(method, order)
    assert reply.get("error", {}).get("code") == code, f"{method} was answered with {reply}"
    error: Row = reply["error"]
    return error


def holders(world: Any, folder: Path) -> list[Row]:
    """Returns the claims on a directory."""
    locks = world.headcount.call("lock.list")["locks"]
    return [lock for lock in locks if lock["directory"] == str(folder)]


def family(pid: int) -> set[int]:
    """Returns a process and all below it: npm puts launchers in front of some agents."""
    everything, found = all_processes(), {pid}
    for _ in range(6):
        found |= {process.pid for process in everything if process.parent in found}
    return found


def at_work(world: Any, folder: Path, tool: Tool, pid: int) -> list[str]:
    """Returns what is still alive of a launch: the agent, and whatever works in its directory or runs its tool."""
    left = []
    for process in all_processes():
        try:
            cwd = os.readlink(f"/proc/{process.pid}/cwd")
        except OSError:
            continue
        if process.pid == pid or cwd == str(folder) or any(tool.mark in word for word in process.argv):
            left.append(f"{process.pid} {process.comm} {' '.join(process.argv)[:120]}")
    return left
