"""Asks a real headcount what it sees and holds the answer against the truth a scenario knows.

This is the suite's only view of headcount. It speaks the published methods over line framing and knows nothing
of adapters, so a scenario states what is the case, not how it might be found out.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from worlds import MARKER, ProcessRef, World, wait_for

REPLY_S = 20
"""Longer than any deadline headcount promises: reaching it means no answer at all."""

SETTLE_S = 12
"""How long headcount may take to agree. It reads the present state, so this covers the agent's own writing, not headcount."""

START_SLACK_S = 1.5
"""The kernel tells start times in ticks since a boot time that itself is only known to the second."""

STORE_FILES = (".jsonl", ".json", ".lock", ".yaml", ".db", ".db-wal", ".sqlite-wal")
"""What a dry run prints of a store."""

NOTICE_S = 6
"""How long headcount may take to tell a watch what no file and no end of a process tells: it glances every two seconds."""

TROUBLE_SHOWN = 16
"""Lines of a failure that are printed; the rest says the same of more sessions."""

ABSENT = object()
"""Expected of a field that must not be there."""

MAYBE = object()
"""Expected of a field that may or may not be there."""

Row = dict[str, Any]


def row(session_id: str | None, status: Any, reason: Any = None, process: Any = None, **fields: Any) -> Row:
    """Returns what one row must say; fields are spelled as on the wire.

    A tuple stands for equally true values.
    What is not named must be as plain as can be: a main session, no parent, no conflict, no owner.
    """
    expected: Row = {"kind": "main", "parentSessionId": ABSENT, "conflict": ABSENT, "forkedFrom": ABSENT}
    expected.update(fields)
    expected.update(sessionId=ABSENT if session_id is None else session_id, status=status, process=process or ABSENT)
    if reason:
        expected["reason"] = reason
    return expected


class Headcount:
    """One long-lived `headcount serve` looking at one world."""

    def __init__(self, binary: str, world: World, home: Path | None = None) -> None:
        self.world, self.binary = world, binary
        self._env = dict(world.env, HEADCOUNT_STATE_DIR=str(world.root / "state"), HOME=str(home or world.home))
        del self._env[MARKER]  # the observer is not part of the observed
        self._errors = open(world.root / "headcount.stderr", "wb")
        self._process = subprocess.Popen([binary, "serve"], env=self._env, cwd="/", stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=self._errors)
        self._replies: queue.Queue[bytes | None] = queue.Queue()
        self._next_id = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._replies.put(line)
        self._replies.put(None)

    def kill(self) -> None:
        """Ends the server the way that leaves it no last word."""
        self._process.kill()
        self._process.wait(10)
        self._errors.close()

    def close(self) -> None:
        """Ends the server the polite way and checks that this is enough."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError("headcount did not end with its input") from None
        finally:
            self._errors.close()
        assert code == 0, f"headcount ended with exit code {code}"

    def request(self, method: str, params: Row | None = None) -> Row:
        """Returns the whole reply, which may be an error."""
        self._next_id += 1
        message = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params or {}}
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()
        while True:
            try:
                line = self._replies.get(timeout=REPLY_S)
            except queue.Empty:
                raise AssertionError(f"headcount did not answer {method} within {REPLY_S} s") from None
            if line is None:
                raise AssertionError("headcount ended: " + (self.world.root / "headcount.stderr").read_text()[-800:])
            reply: Row = json.loads(line)
            if reply.get("id") == self._next_id:
                return reply

    def notification(self, within_s: float) -> Row | None:
        """Returns the next message that answers nothing; None where none comes in time."""
        try:
            line = self._replies.get(timeout=within_s)
        except queue.Empty:
            return None
        assert line is not None, "headcount ended: " + (self.world.root / "headcount.stderr").read_text()[-800:]
        told: Row = json.loads(line)
        return told

    def call(self, method: str, params: Row | None = None) -> Any:
        """Returns the result; an error reply is a failure."""
        reply = self.request(method, params)
        assert "error" not in reply, "{} {}: {}".format(method, params, reply.get("error"))
        return reply["result"]

    def agrees_with_command(self, folder: Path) -> None:
        """Asserts that a script, asking through a process of its own, is told the same."""
        params = {"agents": [self.world.agent], "under": str(folder), "includeSubagents": True, "include": ["usage"]}
        ran = subprocess.run([self.binary, "call", "session.list", json.dumps(params)], env=self._env, stdin=subprocess.DEVNULL,
                             capture_output=True, timeout=REPLY_S, text=True)
        assert ran.returncode == 0, f"headcount call: exit code {ran.returncode}: {ran.stderr[-800:]}"
        told, served = json.loads(ran.stdout)["sessions"], self.roster(folder)["sessions"]
        assert told == served, f"headcount call tells {told}, headcount serve {served}"

    def roster(self, under: Path | None, subagents: bool = True) -> Row:
        """Returns `session.list` for one folder, or for the whole home."""
        params = {"agents": [self.world.agent], "includeSubagents": subagents, "include": ["usage"], "limit": 1000}
        return self.call("session.list", dict(params, under=str(under)) if under else params)

    def rows(self, folder: Path | None) -> list[Row]:
        """Returns the rows under a folder, or all, for what no fixed expectation fits."""
        return self.roster(folder)["sessions"]

    def shows(self, folder: Path, expected: Sequence[Row], subagents: bool = True, within_s: float = SETTLE_S) -> list[Row]:
        """Asserts that exactly these rows are seen under a folder, as soon as the agent has written what it does."""
        rows = [dict({"agent": self.world.agent, "cwd": str(folder)}, **one) for one in expected]
        until = time.monotonic() + within_s
        while True:
            result = self.roster(folder, subagents)
            trouble = _trouble(self.world.agent, result, rows)
            if not trouble:
                break
            assert time.monotonic() < until, "\n".join(trouble[:TROUBLE_SHOWN])
            time.sleep(0.2)
        for one in result["sessions"]:
            if one.get("sessionId"):
                self.world.known_sessions[one["sessionId"]] = one["status"]
        return result["sessions"]

    def watches(self, folder: Path) -> Watch:
        """Begins to watch the sessions under a folder, through a server of its own."""
        return Watch(Headcount(self.binary, self.world), folder)

    def peeks(self, session: str, prompt: str, answer: str = "all done") -> None:
        """Asserts that the turns of a session begin with what the human asked and end with what the model answered."""
        turns = self.call("session.peek", {"sessionId": session, "agent": self.world.agent, "turns": 50})["turns"]
        told = [(turn["role"], turn["text"][:200]) for turn in turns]
        assert turns and turns[0]["role"] == "user" and prompt in turns[0]["text"], f"the first turn is not the prompt: {told}"
        assert turns[-1]["role"] == "assistant" and answer in turns[-1]["text"], f"the last turn is not the answer: {told}"
        assert any(turn["role"] == "tool" for turn in turns), f"no turn is the tool's: {told}"

    def tells(self, session: str, said: list[str]) -> None:
        """Waits until a peek at a session tells just these turns: an agent may store a moment later what it shows."""

        def told() -> list[str]:
            turns = self.call("session.peek", {"sessionId": session, "agent": self.world.agent})["turns"]
            return [turn["text"] for turn in turns]

        wait_for(f"a peek that tells {said}", lambda: told() == said, hint=lambda: f"it tells {told()}")

    def spends(self, folder: Path, usage: dict[str, int]) -> None:
        """Asserts what all sessions of a folder spent together."""
        spent = [one.get("usage") or {} for one in self.rows(folder)]
        sums = {field: sum(one.get(field, 0) for one in spent) for field in usage}
        assert sums == usage, f"together they spent {sums}, not {usage}"

    def child_of(self, folder: Path, parent: str) -> str:
        """Returns the id of the one subagent of a session: agents choose those ids themselves."""

        def children() -> list[str]:
            return [one["sessionId"] for one in self.roster(folder)["sessions"] if one.get("parentSessionId") == parent]

        found = wait_for(f"a subagent of {parent}", children)  # its transcript may come after its first words
        assert len(found) == 1, f"one subagent of {parent}, not {found}"
        return found[0]

    def report_from(self, home: Path) -> Row:
        """Returns the agent's report as seen from another home."""
        other = Headcount(self.binary, self.world, home)
        try:
            return next(one for one in other.roster(self.world.root)["agents"] if one["agent"] == self.world.agent)
        finally:
            other.close()

    def status(self, expected: Row) -> Row:
        """Asserts what `session.status` says of one session, and that it gives its reasons."""
        session = self.call("session.status", {"sessionId": expected["sessionId"], "agent": self.world.agent})["session"]
        wrong = _differences(dict({"agent": self.world.agent}, **expected), session)
        assert not wrong, "session.status: " + "; ".join(wrong)
        assert session.get("evidence"), "session.status gives no evidence"
        return session

    def remembers_nothing_alive(self) -> None:
        """Asserts that, with every process gone, only sessions some scenario accounted for are left, and none is alive."""
        result = self.roster(self.world.root)
        result["sessions"] = [one for one in result["sessions"] if not _is_ended_launch(one)]
        if not self.world.keeps_sessions:
            assert not result["sessions"], f"remembered: {[_brief(one) for one in result['sessions']]}"
            return
        trouble = _report_trouble(self.world.agent, result)
        for one in result["sessions"]:
            if any(_within(one.get("cwd"), folder) for folder in self.world.failed_folders):
                continue  # that scenario has failed already
            if one.get("sessionId") not in self.world.known_sessions:
                trouble.append("a phantom: " + _brief(one))
            if one["status"] not in ("stopped", "failed") or "process" in one:
                trouble.append("alive without a process: " + _brief(one))
        missing = set(self.world.known_sessions) - {one.get("sessionId") for one in result["sessions"]}
        assert not trouble and not missing, "\n".join(trouble + ["vanished: " + name for name in sorted(missing)])


class Watch:
    """What a client is told that watches one folder, and does not ask again."""

    def __init__(self, server: Headcount, folder: Path) -> None:
        self._server = server
        self._told: dict[str, Row] = {}
        params = {"agents": [server.world.agent], "under": str(folder), "includeSubagents": True}
        server.call("session.watch", params)
        self._hear(REPLY_S)  # what is there

    def tells(self, session: str, status: str, reason: str, within_s: float = NOTICE_S) -> None:
        """Asserts that the session is told in this state, without any question, soon enough."""
        until = time.monotonic() + within_s
        while (seen := self._told.get(session, {})).get("status") != status or seen.get("reason") != reason:
            left = until - time.monotonic()
            assert left > 0 and self._hear(left), f"a watch is told {_brief(seen)}, and not {status}/{reason} within {within_s} s"

    def close(self) -> None:
        """Watches no more."""
        self._server.close()

    def _hear(self, within_s: float) -> bool:
        told = self._server.notification(within_s)
        for change in told["params"]["result"]["changes"] if told else []:
            one = change["session"]
            if one.get("sessionId"):
                self._told[one["sessionId"]] = {} if change["kind"] == "removed" else one
        return told is not None


def _is_ended_launch(one: Row) -> bool:
    """Whether the row is a launch that ended before it told a session: headcount's own, and listed for a day."""
    is_over = "process" not in one and one["status"] in ("stopped", "failed")
    return is_over and "sessionId" not in one and "exitCode" in one.get("launch", {})


class DryHeadcount:
    """Stands in for headcount while scenarios are written: agrees with everything and shows what the store holds."""

    def __init__(self, _binary: str, world: World) -> None:
        self.world = world
        self._seen: dict[Path, float] = {}

    def close(self) -> None:
        """Does nothing."""

    def shows(self, folder: Path, expected: Sequence[Row], subagents: bool = True, within_s: float = SETTLE_S) -> list[Row]:
        """Prints the expectation and the files changed since the last look."""
        time.sleep(0.5)
        for one in expected:
            told = {key: value for key, value in one.items() if value not in (ABSENT, MAYBE)}
            print(f"    expects {json.dumps(told, default=str)}", file=sys.stderr)
        for path in sorted(self.world.home.rglob("*")):
            try:
                changed = path.stat().st_mtime
            except OSError:
                continue
            if path.suffix in STORE_FILES and "/.cache/" not in str(path) and self._seen.get(path) != changed:
                self._seen[path] = changed
                print(f"    store   {path.stat().st_size:8} {path.relative_to(self.world.home)}", file=sys.stderr)
        return [dict(one) for one in expected]

    def watches(self, _folder: Path) -> DryHeadcount:
        """Returns itself, which agrees with everything."""
        return self

    def rows(self, _folder: Path) -> list[Row]:
        """Returns nothing."""
        return []

    def report_from(self, _home: Path) -> Row:
        """Returns what a wrong login should give."""
        return {"sessions": 0, "problems": [{"kind": "auth"}]}

    def child_of(self, _folder: Path, _parent: str) -> str:
        """Returns what stands for an id."""
        return "child"

    def __getattr__(self, _name: str) -> Any:
        return lambda *_args, **_kwargs: {}


def _trouble(agent: str, result: Row, expected: Sequence[Row]) -> list[str]:
    trouble = _report_trouble(agent, result)
    left = list(result["sessions"])
    for one in expected:
        found = next((seen for seen in left if _same(one, seen)), None)
        if found is None:
            trouble.append("missing: {} {}".format(one["sessionId"] if one["sessionId"] is not ABSENT else one["process"], one["status"]))
            continue
        left.remove(found)
        wrong = _differences(one, found)
        if wrong:
            trouble.append("{}: {}".format(found.get("sessionId", "(no id)"), "; ".join(wrong)))
    return trouble + ["not expected: " + _brief(one) for one in left]


def _report_trouble(agent: str, result: Row) -> list[str]:
    trouble = [] if result["complete"] else ["the list is not complete"]
    for report in result["agents"]:
        if report["agent"] == agent and (report["outcome"] != "ok" or report["problems"]):
            trouble.append("report: {} {}".format(report["outcome"], report["problems"]))
    if result.get("nextCursor"):
        trouble.append("the list has more pages")
    return trouble


def _same(expected: Row, seen: Row) -> bool:
    if expected["sessionId"] is not ABSENT:
        return bool(seen.get("sessionId") == expected["sessionId"])
    return "sessionId" not in seen and seen.get("process", {}).get("pid") == expected["process"].pid


def _differences(expected: Row, seen: Row) -> list[str]:
    wrong = []
    for field, want in expected.items():
        got = seen.get(field, ABSENT)
        if not _agrees(field, want, got):
            wrong.append(f"{field} is {_told(got)}, not {_told(want)}")
    return wrong


def _agrees(field: str, want: Any, got: Any) -> bool:
    if want is MAYBE:
        return True
    if isinstance(want, tuple) and not isinstance(want, ProcessRef):
        return any(_agrees(field, one, got) for one in want)
    if want is ABSENT or got is ABSENT:
        return want is got
    if field == "process":
        started = datetime.fromisoformat(got["startedAt"].replace("Z", "+00:00")).timestamp()
        return bool(got["pid"] == want.pid and abs(started - want.started) < START_SLACK_S)
    if field == "usage":
        return all(key in got and abs(got[key] - value) < 1e-9 for key, value in want.items())
    return bool(got == want)


def _told(value: Any) -> str:
    if isinstance(value, tuple) and not isinstance(value, ProcessRef):
        return " or ".join(_told(one) for one in value)
    return "absent" if value is ABSENT else repr(value)


def _brief(seen: Row) -> str:
    return json.dumps({key: seen[key] for key in ("sessionId", "status", "reason", "process", "cwd", "prompt", "kind") if key in seen})


def _within(path: str | None, folder: Path) -> bool:
    return path is not None and (path == str(folder) or path.startswith(f"{folder}/"))
