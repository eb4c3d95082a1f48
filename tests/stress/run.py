"""Many servers at one ledger, killed at random; more launches than anybody makes in a month; a terminal that is closed.

    python3 tests/stress/run.py --headcount target/debug/headcount [--seconds 60] [--fuses 32] [--launches 1000] [--seed N]

Prints one line per promise and ends with `N passed, N failed`. The stand-in agent does what its prompt says; witness
files, which the kernel unlocks when a process dies, tell whether two ever held one directory.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import pty
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
STAND_IN = PROJECT / "tests/fixtures/bin"

SERVERS = 8
REPLY_S = 60
"""No answer within this is no answer at all: nothing here takes longer than a second on an idle machine."""
ROWS_MAX = 512
"""The launches a ledger keeps, as the server states it."""

LOCKED, LAUNCH_FAILED = 1004, 1006
Row = dict[str, Any]


class Killed(Exception):
    """The server went away before it answered."""


class World:
    """One home with one ledger, and directories inside each other."""

    def __init__(self, binary: str) -> None:
        self.binary = binary
        self.root = Path(tempfile.mkdtemp(prefix="headcount-stress-")).resolve()
        self.state = self.root / "state"
        self.broken = self.root / "broken"
        self.fired = self.root / "fired"
        self.env = {"PATH": f"{STAND_IN}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.root / "home"), "SHELL": "/bin/false",
                    "HEADCOUNT_STATE_DIR": str(self.state), "LANG": "C.UTF-8"}
        self.work = self.root / "work"
        self.directories = [self.work / path for path in ("a", "a/b", "a/b/c", "a/d", "e", "e/f")]
        for directory in [self.root / "home", *self.directories]:
            directory.mkdir(parents=True, exist_ok=True)
        self.witnesses = self.root / "witnesses"
        self.witnesses.mkdir()

    def witness(self, directory: Path) -> Path:
        """Returns the file that stands for a directory."""
        return self.witnesses / str(directory.relative_to(self.work)).replace("/", "_")

    def locks_for(self, directory: Path) -> list[tuple[Path, bool]]:
        """Returns what a holder locks: its own witness alone, those of the directories above together with others."""
        above = [one for one in directory.parents if one in self.directories]
        return [(self.witness(directory), True), *((self.witness(one), False) for one in above)]

    @contextlib.contextmanager
    def holding(self, directory: Path) -> Iterator[None]:
        """Holds a directory for as long as the block lasts; somebody else in it is a broken promise."""
        with contextlib.ExitStack() as stack:
            for path, alone in self.locks_for(directory):
                file = stack.enter_context(open(path, "w"))
                # To close it is not enough: a server that is about to be started has inherited it until it is.
                stack.callback(fcntl.flock, file, fcntl.LOCK_UN)
                try:
                    fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                except BlockingIOError:
                    self.breaks(f"{directory} is held twice")
            yield

    def breaks(self, how: str) -> None:
        """Notes a broken promise."""
        with open(self.broken, "a") as file:
            file.write(how + "\n")

    def errand(self, directory: Path, seconds: float) -> str:
        """Returns a prompt: tell a session, hold the directory for a while, end."""
        steps = [f"tell {uuid.uuid4()}"]
        for number, (path, alone) in enumerate(self.locks_for(directory), 3):
            kind = "-x" if alone else "-s"
            steps.append(f"exec {number}>{path}; flock -n {kind} {number} || echo 'an agent found {directory} held' >> {self.broken}")
        # In the agent's own process: were it killed, a child of it would go on to hold what nobody claims any more.
        return "; ".join([*steps, f"exec sleep {seconds:.2f}"])

    def fuse(self, directory: Path, ttl_ms: int) -> Row:
        """Returns what sets a fuse that notes when it is fired."""
        command = ["/bin/sh", "-c", f"echo {uuid.uuid4()} >> {self.fired}"]
        return {"directory": str(directory), "ttlMs": ttl_ms, "onExpire": {"command": command, "event": "time"}}

    def fuses_fired(self) -> int:
        """Returns how many fuses have been fired; that one was fired twice is a broken promise."""
        fired = self.fired.read_text().splitlines() if self.fired.exists() else []
        twice = [one for one, count in Counter(fired).items() if count > 1]
        assert not twice, f"{len(twice)} fuses were fired more than once"
        return len(fired)

    def ours(self) -> list[str]:
        """Returns the processes of this world that live or were never reaped."""
        mark, found = f"HEADCOUNT_STATE_DIR={self.state}".encode(), []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if mark in (entry / "environ").read_bytes().split(b"\0") and state != "Z":
                    found.append(f"{entry.name} {(entry / 'cmdline').read_bytes().replace(bytes(1), b' ')[:160]!r}")
        return found

    def kill_supervisor(self, chance: random.Random) -> bool:
        """Kills the supervisor of some launch, whatever it is about; its agent lives on, or never begins."""
        with contextlib.suppress(OSError, IndexError):  # none, or it has just ended
            pid = int(chance.choice([one for one in self.ours() if "supervise" in one]).split()[0])
            if os.getsid(pid) == pid:  # its child bears its name until it becomes the agent
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def zombies(self) -> list[str]:
        """Returns dead children that bear the name of one of our programs: ours, and the orphans that init is to reap."""
        parents, found = {"1", str(os.getpid()), *(line.split()[0] for line in self.ours())}, []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    head, _, tail = (entry / "stat").read_text().rpartition(")")
                    state, parent = tail.split()[:2]
                    if state == "Z" and parent in parents and head.partition("(")[2] in ("headcount", "codex"):
                        found.append(f"{entry.name} of {parent}")
        return found

    def ask(self, method: str, params: Row) -> subprocess.CompletedProcess[str]:
        """Asks a server that lives for this one request."""
        return subprocess.run([self.binary, "call", method, json.dumps(params)], env=self.env, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=REPLY_S)

    def call(self, method: str, params: Row) -> Row:
        """Returns what it answers, and nothing else than an answer will do."""
        ran = self.ask(method, params)
        assert ran.returncode == 0, f"{method}: exit code {ran.returncode}: {ran.stderr[-800:]}"
        result: Row = json.loads(ran.stdout)
        return result

    def settles(self, what: str, left: Any) -> None:
        """Waits until nothing is left."""
        until = time.monotonic() + REPLY_S
        while found := left():
            assert time.monotonic() < until, f"{what}: {found}"
            time.sleep(0.05)

    def close(self) -> None:
        """Ends what is left of the world."""
        for line in self.ours():
            with contextlib.suppress(OSError):
                os.kill(int(line.split()[0]), signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)


class Server:
    """One `headcount serve`, which somebody may kill at any instant."""

    def __init__(self, world: World) -> None:
        self.process = subprocess.Popen([world.binary, "serve"], env=world.env, cwd="/", stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self._next = 0

    def request(self, method: str, params: Row) -> Row:
        """Returns the reply; raises `Killed` where there is none."""
        assert self.process.stdin and self.process.stdout
        self._next += 1
        message = {"jsonrpc": "2.0", "id": self._next, "method": method, "params": params}
        try:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except (BrokenPipeError, ValueError):
            raise Killed from None
        if not line.endswith(b"\n"):
            raise Killed
        reply: Row = json.loads(line)
        assert reply["id"] == self._next, reply
        return reply

    def kill(self) -> None:
        """Ends it without a last word."""
        self.process.kill()

    def gone(self) -> None:
        """Reaps it."""
        self.process.wait(REPLY_S)
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]


class Client:
    """One window's worth of requests, with a server that is replaced whenever it was killed."""

    def __init__(self, world: World, name: str, seed: int) -> None:
        self.world, self.name = world, name
        self.chance = random.Random(seed)
        self.server = Server(world)
        self.done: Counter[str] = Counter()
        self.lock = threading.Lock()

    def request(self, method: str, params: Row) -> Row:
        """Returns the reply of this server, or an empty one where it was killed first."""
        server = self.server
        try:
            reply = server.request(method, params)
        except Killed:
            server.gone()
            with self.lock:
                self.server = Server(self.world)
            self.done["killed"] += 1
            return {}
        self.done[method] += 1
        code = reply.get("error", {}).get("code")
        if code == LOCKED:
            self.done["refused"] += 1
        elif code == LAUNCH_FAILED and reply["error"]["data"]["output"] == "the supervisor is gone":
            self.done["killed before its agent began"] += 1
        elif code is not None:
            self.world.breaks(f"{method} {json.dumps(params)[:300]} was answered with {json.dumps(reply['error'])[:600]}")
        return reply

    def insist(self, method: str, params: Row) -> Row:
        """Asks until a server lives long enough to answer."""
        while not (reply := self.request(method, params)):
            pass
        return reply

    def kill_server(self) -> None:
        """Kills whichever server answers now."""
        with self.lock:
            self.server.kill()

    def act(self) -> None:
        """Does one thing that windows do."""
        directory = self.chance.choice(self.world.directories)
        what = self.chance.random()
        if what < 0.35:
            self.claim(directory)
        elif what < 0.55:
            prompt = self.world.errand(directory, self.chance.uniform(0, 0.3))
            self.request("session.launch", {"agent": "codex", "cwd": str(directory), "prompt": prompt, "label": self.name})
        elif what < 0.7:
            self.request("session.list", {"agents": ["codex"]})
        elif what < 0.8:
            self.request("lock.list", {})
        elif what < 0.9:
            self.request("fuse.set", self.world.fuse(directory, self.chance.randint(1, 400)))
        elif what < 0.95:
            self.request("fuse.cancel", {"directory": str(directory)})
        else:
            self.request("session.prune", {})

    def claim(self, directory: Path) -> None:
        """Claims a directory, holds it for a moment, and gives it back."""
        by = f"{self.name} {uuid.uuid4()}"
        reply = self.request("lock.acquire", {"directory": str(directory), "by": by})
        if not reply:
            # Killed before it answered: whether the claim was made stands in the ledger.
            locks = self.insist("lock.list", {})["result"]["locks"]
            if not any(lock["by"] == by for lock in locks):
                return
        elif "error" in reply:
            return
        with self.world.holding(directory):
            time.sleep(self.chance.uniform(0, 0.02))
        # By its name: where a server was killed after it had done so, somebody else may hold the directory by now.
        self.insist("lock.release", {"directory": str(directory), "by": by})


def hammer(world: World, seconds: float, seed: int) -> str:
    """Eight windows at one ledger: never two holders of one directory, never an error but `directory_locked`."""
    chance = random.Random(seed)
    clients = [Client(world, f"window {number}", chance.getrandbits(32)) for number in range(SERVERS)]
    until, supervisors = time.monotonic() + seconds, 0

    def work(client: Client) -> None:
        while time.monotonic() < until:
            client.act()

    with ThreadPoolExecutor(SERVERS) as pool:
        working = [pool.submit(work, client) for client in clients]
        while time.monotonic() < until:
            time.sleep(chance.uniform(0, 0.1))
            if chance.random() < 0.3 and world.kill_supervisor(chance):
                supervisors += 1
            else:
                chance.choice(clients).kill_server()
        for one in working:
            one.result(REPLY_S * 2)
    for client in clients:
        client.insist("lock.list", {})
    world.settles("agents outlived the time they were given", lambda: [one for one in world.ours() if "serve " not in one])
    locks = clients[0].insist("lock.list", {})["result"]["locks"]
    kept = clients[0].insist("session.prune", {})["result"]["kept"]
    logs = list((world.state / "launches").iterdir())
    for client in clients:
        client.server.kill()
        client.server.gone()
    broken = world.broken.read_text().splitlines() if world.broken.exists() else []
    assert not broken, f"{len(broken)} broken promises: {broken[:8]}"
    assert not locks, f"claims that nobody holds any more: {locks}"
    assert not kept and not logs, f"launches that nobody made any more: {kept}, and logs: {logs}"
    sound(world)
    done = sum((client.done for client in clients), Counter())
    assert done["killed"] and done["refused"] and done["session.launch"] and done["lock.acquire"], f"it was not busy: {done}"
    done["supervisors killed"], done["fuses fired"] = supervisors, world.fuses_fired()
    assert done["fuses fired"], f"no fuse was fired: {done}"
    return ", ".join(f"{count} {what}" for what, count in done.most_common())


def sound(world: World) -> None:
    """Asserts that the ledger's file is whole."""
    with contextlib.closing(sqlite3.connect(world.state / "ledger.db")) as database:
        said = database.execute("PRAGMA integrity_check").fetchall()
    assert said == [("ok",)], f"the ledger is not whole: {said}"


def many_fuses(world: World, fuses: int, _seed: int) -> str:
    """Fuses that are due, and servers that live for one request each: every one is fired, and once."""
    for number in range(fuses):
        folder = world.work / f"fuse-{number}"
        folder.mkdir()
        world.call("fuse.set", world.fuse(folder, 1))

    def serve(_worker: int) -> int:
        served = 0
        while world.call("fuse.list", {})["fuses"]:
            subprocess.run([world.binary, "serve"], env=world.env, input=b'{"jsonrpc":"2.0","id":1,"method":"lock.list"}\n', capture_output=True,
                           timeout=REPLY_S, check=True)
            served += 1
        return served

    with ThreadPoolExecutor(SERVERS) as pool:
        servers = sum(pool.map(serve, range(SERVERS)))
    world.settles("commands live on", world.ours)
    fired = world.fuses_fired()
    assert fired == fuses, f"{fired} of {fuses} fuses were fired"
    sound(world)
    return f"{fired} fuses, fired by {servers} servers"


def many_launches(world: World, launches: int, _seed: int) -> str:
    """Launches by servers that live for one request: nothing is left of them but what is stated."""
    folders = [world.work / f"many-{number}" for number in range(SERVERS)]
    for folder in folders:
        folder.mkdir()

    def claimed(folder: Path) -> bool:
        return any(lock["directory"] == str(folder) for lock in world.call("lock.list", {})["locks"])

    def listing() -> tuple[int, float]:
        began = time.monotonic()
        total = world.call("session.list", {"agents": ["codex"]})["total"]
        return total, time.monotonic() - began

    def launch_some(worker: int) -> None:
        for _ in range(worker, launches, SERVERS):
            order = {"agent": "codex", "cwd": str(folders[worker]), "prompt": f"tell {uuid.uuid4()}"}
            while (ran := world.ask("session.launch", order)).returncode:
                # The one before has ended, and its supervisor is about to say so.
                assert f'"code":{LOCKED}' in ran.stderr, ran.stderr
                world.settles("the supervisor lives on", lambda: claimed(folders[worker]))
            assert json.loads(ran.stdout)["launch"].get("sessionId"), ran.stdout

    world.call("session.prune", {})
    before, took_before = listing()
    with ThreadPoolExecutor(SERVERS) as pool:
        list(pool.map(launch_some, range(SERVERS)))
    world.settles("supervisors live on", world.ours)
    after, took_after = listing()
    world.settles("nobody waits for the dead", world.zombies)  # orphans' are the first process's, which may take a moment
    assert world.call("lock.list", {})["locks"] == []
    logs, rows = len(list((world.state / "launches").iterdir())), count_rows(world)
    assert rows == min(launches, ROWS_MAX), f"{rows} rows of {launches} launches"
    assert logs == rows, f"{logs} logs of {rows} launches"
    pruned = world.call("session.prune", {})
    assert len(pruned["forgotten"]) == rows and pruned["kept"] == 0, (len(pruned["forgotten"]), pruned["kept"])
    left = list((world.state / "launches").iterdir())
    assert count_rows(world) == 0 and not left, f"left after pruning: {left}"
    sound(world)
    recent = after - before
    return f"{launches} launches; the list took {took_before * 1000:.0f} ms before and {took_after * 1000:.0f} ms after, with {recent} just ended"


def closed_terminal(world: World, _amount: float, _seed: int) -> str:
    """A terminal is closed under the shell, the server and the launch that began in it: the agent works on."""
    directory = world.directories[0]
    order = json.dumps({"agent": "codex", "cwd": str(directory), "prompt": f"tell {uuid.uuid4()}; exec sleep 1000"})
    pid, terminal = pty.fork()
    if pid == 0:
        # The shell stays: it is whom the kernel hangs up on, with all that is in its foreground.
        os.execve("/bin/sh", ["sh", "-c", '"$0" call session.launch "$1"; exec "$0" serve', world.binary, order], world.env)
    shown = b""
    while b"\n}" not in shown:
        shown += os.read(terminal, 1 << 16)
    launch: Row = json.loads(shown[shown.index(b"{"):shown.rindex(b"}") + 1])["launch"]
    os.close(terminal)
    os.waitpid(pid, 0)

    session = world.call("session.status", {"sessionId": launch["sessionId"]})["session"]
    assert (session["status"], session["process"]["pid"]) == ("running", launch["pid"]), session
    assert world.call("session.stop", {"sessionId": launch["sessionId"]})["outcome"] == "stopped"
    world.settles("the supervisor lives on", world.ours)
    return f"process {launch['pid']} was stopped later, by another server"


def count_rows(world: World) -> int:
    """Returns how many launches the ledger holds."""
    with contextlib.closing(sqlite3.connect(world.state / "ledger.db")) as database:
        return int(database.execute("SELECT count(*) FROM entry WHERE noun = 'launch'").fetchone()[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--headcount", metavar="PATH", required=True, help="the binary under test")
    parser.add_argument("--seconds", type=float, default=8, help="how long the servers are hammered")
    parser.add_argument("--launches", type=int, default=64, help="how many launches are made")
    parser.add_argument("--fuses", type=int, default=32, help="how many fuses are due")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    options = parser.parse_args()
    binary = str(Path(options.headcount).resolve())
    print(f"seed {options.seed}")
    passed = failed = 0
    for name, body, amount in (("eight servers at one ledger, killed at random", hammer, options.seconds),
                               ("fuses by servers that live for one request", many_fuses, options.fuses),
                               ("launches by servers that live for one request", many_launches, options.launches),
                               ("a terminal that is closed", closed_terminal, 1)):
        world = World(binary)
        began = time.monotonic()
        try:
            told = body(world, amount, options.seed)  # type: ignore[operator]
            passed += 1
            print(f"ok    {name} ({time.monotonic() - began:.1f} s)\n      {told}", flush=True)
        except Exception:  # one broken promise does not keep the others from being looked at
            failed += 1
            print(f"FAIL  {name} ({time.monotonic() - began:.1f} s)\n{traceback.format_exc()}", flush=True)
        finally:
            world.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
