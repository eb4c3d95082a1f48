"""OpenClaw 2026.9.6: a gateway on the loopback interface, which alone knows what its sessions do."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import launching
from gateway import Gateway
from install import command
from model import Model
from observe import MAYBE, row
from scenario import scenario
from worlds import PATIENCE_S, Child, World, wait_for

TOKEN = "mock-token"
MODEL = ("mock-1", "mock/mock-1")
ONE_CALL = {"inputTokens": 1000, "outputTokens": 34}
PAGE = 100
"""What the gateway lists at most at a time."""


class OpenclawWorld(World):
    """A home with an OpenClaw gateway that talks to our model."""

    agent = "openclaw"
    keeps_sessions = False

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.env["OPENCLAW_DISABLE_BONJOUR"] = "1"
        self.workspace = self.projects / "workspace"
        self.workspace.mkdir()
        self.config = self.home / ".openclaw/openclaw.json"
        self.config.parent.mkdir()
        self.configure(TOKEN)
        self.gateway: Child | None = None

    def configure(self, token: str) -> None:
        """Writes the settings, which are also where headcount learns address and token."""
        mock = {"id": "mock-1", "name": "Mock 1", "reasoning": False, "input": ["text"], "contextWindow": 128000, "maxTokens": 4096,
                "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0}}
        self.config.write_text(json.dumps({
            "logging": {"file": str(self.root / "openclaw.log")},
            "gateway": {"mode": "local", "port": self.port, "bind": "loopback", "auth": {"mode": "token", "token": token}},
            "agents": {"defaults": {"workspace": str(self.workspace), "model": {"primary": "mock/mock-1"}}},
            "models": {"providers": {"mock": {"baseUrl": self.model.url + "/v1", "apiKey": "dummy", "api": "openai-completions",
                                              "models": [mock]}}}}))

    def up(self) -> Child:
        """Returns the running gateway, started where it is not."""
        if self.gateway is None or self.gateway.popen.poll() is not None:
            self.gateway = self.start(command("openclaw") + [
                "gateway", "run", "--port", str(self.port), "--bind", "loopback", "--auth", "token", "--token", TOKEN,
                "--allow-unconfigured"], self.projects)
            wait_for("the gateway to be ready", self._ready, 90, hint=self.gateway.output)
        return self.gateway

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5) as reply:
                return reply.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def client(self, caps: list[str] | None = None) -> Gateway:
        """Returns a new connection to the running gateway."""
        self.up()
        return Gateway(self.port, TOKEN, caps)


def make_world(model: Model) -> OpenclawWorld:
    """Returns the world the scenarios below run in."""
    return OpenclawWorld(model)


def create(client: Gateway, folder: Path, label: str, message: str | None = None, **more: Any) -> dict[str, Any]:
    """Starts a session in a folder and returns what the gateway says of it.

    Its key is what the gateway is asked by; the id beside it changes whenever the session is reset.
    """
    given = {"message": message} if message else {}
    return client.call("sessions.create", agentId="main", label=label, cwd=str(folder), **given, **more)


def settled(client: Gateway, key: str, status: str) -> None:
    """Waits until the gateway itself says how a session ended."""
    seen: list[Any] = []

    def ended() -> bool:
        seen[:] = [client.call("sessions.describe", key=key)["session"]]
        return seen[0].get("status") == status and not seen[0].get("hasActiveRun")

    wait_for(f"session {key} to be {status}", ended, 120, hint=lambda: str(seen))


@scenario("a gateway with sessions of every kind: running, done, failed, aborted, never run")
def every_kind(world: OpenclawWorld) -> None:
    client, folder = world.client(), world.project("claw")
    done = create(client, folder, "done one", "Hello there")
    failed = create(client, folder, "failed one", "Fail [[error:400]]")
    aborted = create(client, folder, "aborted one", "Abort me [[hold:ow-abort]]")
    empty = create(client, folder, "empty one")
    running = create(client, folder, "running one", "Think [[hold:ow-run]]")
    world.model.wait_streaming("ow-abort")
    client.call("sessions.abort", key=aborted["key"])
    world.model.wait_streaming("ow-run")
    settled(client, done["key"], "done")
    settled(client, failed["key"], "failed")
    settled(client, aborted["key"], "killed")

    # The gateway's word is the state: its sessions have no process of their own.
    world.headcount.shows(folder, [
        row(running["key"], "running", "active_run", title="running one", model=MODEL),
        row(done["key"], "stopped", "completed", title="done one", model=MODEL, usage=ONE_CALL),
        row(failed["key"], "failed", "model_error", title="failed one"),
        row(aborted["key"], "stopped", ("killed", "interrupted"), title="aborted one"),
        row(empty["key"], "idle", "never_prompted", title="empty one")])
    world.headcount.status(row(running["key"], "running", "active_run", cwd=str(folder)))
    world.model.release("ow-run")
    world.headcount.shows(folder, [
        row(session["key"], status) for session, status in
        ((running, "stopped"), (done, "stopped"), (failed, "failed"), (aborted, "stopped"), (empty, "idle"))])
    client.close()


@scenario("a session of a schedule's: at work, and done though its row does not say so")
def scheduled(world: OpenclawWorld) -> None:
    client = world.client()
    job = client.call("cron.add", name="tick", schedule={"kind": "every", "everyMs": 86_400_000}, sessionTarget="isolated",
                      wakeMode="now", payload={"kind": "agentTurn", "message": "Tick [[hold:ow-cron]]"})
    client.call("cron.run", id=job["id"], mode="force")
    world.model.wait_streaming("ow-cron")
    session = dict(kind="background", title="Automation: tick")
    key = f"agent:main:cron:{job['id']}"
    world.headcount.shows(world.workspace, [row(key, "running", "active_run", **session)], within_s=PATIENCE_S)
    world.model.release("ow-cron")
    world.headcount.shows(world.workspace, [row(key, "stopped", "completed", **session)], within_s=PATIENCE_S)
    client.call("sessions.delete", key=key)
    client.close()


@scenario("a command that waits until a person approves of it")
def asks(world: OpenclawWorld) -> None:
    client, folder = world.client(), world.project("asks")
    approver = world.client(["approvals"])  # where nobody can be asked, the gateway refuses by itself
    session = create(client, folder, "asker", f"Run it [[bash:touch {folder}/asked]]", permissionMode="guarded")["key"]
    pending: Any = wait_for("the gateway to ask", lambda: approver.call("exec.approval.list"))
    world.headcount.shows(folder, [row(session, "waiting", "permission", title="asker")], within_s=PATIENCE_S)
    approver.call("exec.approval.resolve", id=pending[0]["id"], decision="allow-once")
    settled(approver, session, "done")
    world.headcount.shows(folder, [row(session, "stopped", "completed", title="asker")])
    approver.close()
    client.close()


@scenario("more sessions than the gateway lists at a time")
def many(world: OpenclawWorld) -> None:
    client, folder = world.client(), world.project("many")
    made = [create(client, folder, f"one of many {number}")["key"] for number in range(PAGE + 5)]
    world.headcount.shows(folder, [row(session, "idle", "never_prompted") for session in made])
    client.close()


@scenario("a wrong token is a problem of the login, not silence")
def wrong_token(world: OpenclawWorld) -> None:
    world.up()
    stranger = world.root / "stranger"
    (stranger / ".openclaw").mkdir(parents=True)
    settings = json.loads(world.config.read_text())
    settings["gateway"]["auth"]["token"] = "another-token"
    (stranger / ".openclaw/openclaw.json").write_text(json.dumps(settings))
    report = world.headcount.report_from(stranger)
    assert not report["sessions"] and [problem["kind"] for problem in report["problems"]] == ["auth"], report


@scenario("launched: at work in the gateway, resumed as the same session, stopped, forgotten")
def launched(world: OpenclawWorld) -> None:
    client, folder = world.client(), world.project("launched")
    prompt = launching.AWKWARD + "[[hold:ow-launched]]"
    order = {"agent": "openclaw", "cwd": str(folder), "prompt": prompt, "label": "teller", "group": "night",
             "model": "mock/mock-1", "permissions": "edit"}
    launched = world.headcount.call("session.launch", order)
    session, identity = launched["launch"]["sessionId"], launched["launch"]["launchId"]
    assert not {"pid", "command", "logPath"} & set(launched["launch"]), launched["launch"]
    world.model.wait_streaming("ow-launched")
    heard = [entry.prompt for entry in world.model.journal if prompt.strip() in entry.prompt]
    assert heard, f"the model did not hear the prompt as it is: {world.model.journal[-1].prompt!r}"
    running = row(session, "running", "active_run", title="teller", prompt=prompt, cwd=str(folder))
    # A gateway may be deaf for longer than a look waits while it begins its first run.
    [seen] = world.headcount.shows(folder, [running], within_s=PATIENCE_S)
    assert (seen["launch"]["launchId"], seen["launch"]["group"]) == (identity, "night"), seen["launch"]
    assert "process" not in seen and launching.holders(world, folder) == []
    launching.refused(world.headcount, "session.resume", {"sessionId": session, "prompt": "Me too"}, launching.SESSION_ALIVE)

    def stop(outcome: str) -> None:
        told = world.headcount.call("session.stop", {"sessionId": session})
        assert (told["outcome"], told["signals"], told["survivors"]) == (outcome, [], []), told

    pruned = world.headcount.call("session.prune")
    assert identity not in [one["launchId"] for one in pruned["forgotten"]], "it runs, and was forgotten"
    stop("stopped")
    world.headcount.shows(folder, [row(session, "stopped", ("killed", "interrupted"), prompt=prompt)], within_s=0)
    stop("already_stopped")
    world.model.release("ow-launched")

    resumed = world.headcount.call("session.resume", {"sessionId": session, "prompt": "Go on"})
    assert resumed["launch"]["sessionId"] == session, resumed["launch"]
    settled(client, session, "done")
    world.headcount.shows(folder, [row(session, "stopped", "completed", prompt=MAYBE)])
    asked = [turn["text"] for turn in world.headcount.call("session.peek", {"sessionId": session})["turns"] if turn["role"] == "user"]
    assert len(asked) == 2 and "ticks" in asked[0] and "Go on" in asked[1], asked
    pruned = world.headcount.call("session.prune")
    assert identity in [one["launchId"] for one in pruned["forgotten"]], pruned
    [seen] = world.headcount.shows(folder, [row(session, "stopped", "completed", prompt=MAYBE)], within_s=0)
    assert "launch" not in seen, seen
    client.call("sessions.delete", key=session)
    world.headcount.shows(folder, [], within_s=0)
    client.close()


@scenario("launched with every permission, and with a time that runs out")
def launched_for_a_while(world: OpenclawWorld) -> None:
    client, folder = world.client(), world.project("for a while")
    order = {"agent": "openclaw", "cwd": str(folder), "prompt": "Think [[hold:ow-while]]", "permissions": "full", "timeoutMs": 3000}
    session = world.headcount.call("session.launch", order)["launch"]["sessionId"]
    settled(client, session, "timeout")
    world.headcount.shows(folder, [row(session, "stopped", "killed", prompt=MAYBE)], within_s=PATIENCE_S)
    # What the ledger knows of it would be all that is left once the gateway is gone.
    world.headcount.call("session.prune")
    world.model.release("ow-while")
    client.close()


@scenario("launched in vain: the gateway's own words")
def launched_in_vain(world: OpenclawWorld) -> None:
    client, folder = world.client(), world.project("in vain")
    create(client, folder, "taken")
    order = {"agent": "openclaw", "cwd": str(folder), "prompt": "Never asked"}
    for more, stage, words in (({"label": "taken"}, "exit", "label already in use"), ({"model": "nope/none"}, "model", "provider")):
        error = launching.refused(world.headcount, "session.launch", dict(order, **more), launching.LAUNCH_FAILED)
        assert error["data"]["stage"] == stage and words in error["data"]["output"], error
    world.configure("another-token")
    error = launching.refused(world.headcount, "session.launch", order, launching.LAUNCH_FAILED)
    assert error["data"]["stage"] == "auth" and "another-token" not in str(error), error
    world.configure(TOKEN)
    client.close()


@scenario("an agent that runs without the gateway is told as a process, one that asks the gateway as its session")
def without_the_gateway(world: OpenclawWorld) -> None:
    world.up()
    folder = world.project("without")
    alone = world.start(command("openclaw") + ["agent", "exec", "Think [[hold:ow-alone]]"], folder)
    world.model.wait_streaming("ow-alone")
    process = alone.descendant("openclaw-agent")
    world.headcount.shows(folder, [row(None, "running", "process_alive", process.ref())], within_s=PATIENCE_S)
    world.model.release("ow-alone")
    alone.ended(0)
    asking = world.start(command("openclaw") + ["agent", "--agent", "main", "--message", "Think [[hold:ow-asking]]"], folder)
    world.model.wait_streaming("ow-asking")
    world.headcount.shows(folder, [], within_s=PATIENCE_S)
    world.headcount.shows(world.workspace, [row("agent:main:main", "running", "active_run", model=MODEL)], within_s=PATIENCE_S)
    world.model.release("ow-asking")
    asking.ended(0)


@scenario("killed with SIGKILL in the middle of a run: its sessions are gone, nothing is remembered")
def killed(world: OpenclawWorld) -> None:
    client, folder = world.client(), world.project("killed")
    session = create(client, folder, "cut short", "Think [[hold:ow-killed]]")["key"]
    world.model.wait_streaming("ow-killed")
    world.headcount.shows(folder, [row(session, "running", "active_run")])
    gateway = world.up()
    os.kill(gateway.pid, signal.SIGKILL)
    gateway.ended()
    client.close()
    world.headcount.remembers_nothing_alive()
