"""A world: one scratch home in which real agents work, and the means to start, watch, and end them.

A world knows the truth without asking headcount: it started the processes, it holds the model's answers and the
agents' tools on a string, and it reads the screens. It ends every process it caused, daemons included: they
carry its marker in their environment or stand in one of its folders.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, TypeVar

from install import ensure_tmux
from model import Model

MARKER = "HEADCOUNT_TEST_WORLD"
POLL_S = 0.1
PATIENCE_S = 45
"""How long an agent may take for one step; a loaded two-core machine needs up to ten seconds for a start."""

T = TypeVar("T")


def wait_for(what: str, condition: Callable[[], Optional[T]], timeout_s: float = PATIENCE_S,
             hint: Callable[[], str] = lambda: "") -> T:
    """Returns the first truthy answer of a condition; fails with a sentence saying what did not happen."""
    until = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError("waited %g s for %s%s" % (timeout_s, what, hint() and "\n" + hint()))
        time.sleep(POLL_S)


class ProcessRef(NamedTuple):
    """A process beyond doubt: pid and start, in seconds since the epoch."""

    pid: int
    started: float


class Process(NamedTuple):
    """What /proc shows of one process."""

    pid: int
    parent: int
    comm: str
    argv: List[str]
    ticks: int

    def ref(self) -> ProcessRef:
        """Returns its identity."""
        return ProcessRef(self.pid, _boot_time() + self.ticks / os.sysconf("SC_CLK_TCK"))


def _boot_time() -> int:
    return int(re.search(r"^btime (\d+)", Path("/proc/stat").read_text(), re.M).group(1))  # type: ignore[union-attr]


def read_process(pid: int) -> Optional[Process]:
    """Returns a live process, or None for one that is gone or only waits to be reaped."""
    try:
        stat = Path("/proc/%d/stat" % pid).read_text()
        argv = Path("/proc/%d/cmdline" % pid).read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return None
    head, _, tail = stat.rpartition(")")
    fields = tail.split()
    if fields[0] in "ZX":
        return None
    return Process(pid, int(fields[1]), head.partition("(")[2], [part.decode(errors="replace") for part in argv], int(fields[19]))


def all_processes() -> List[Process]:
    """Returns every live process of the machine."""
    found = (read_process(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return [process for process in found if process]


class Child:
    """A program the world started, with its output in files."""

    def __init__(self, argv: Sequence[str], cwd: Path, env: Dict[str, str], log: Path, stdin: int) -> None:
        self.log = log
        with open(log, "wb") as out:
            self.popen = subprocess.Popen(list(argv), cwd=str(cwd), env=env, stdin=stdin, stdout=out,
                                          stderr=subprocess.STDOUT, start_new_session=True, universal_newlines=True)
        self.pid = self.popen.pid

    def output(self) -> str:
        """Returns all it has printed so far."""
        return self.log.read_text(errors="replace")

    def write(self, text: str) -> None:
        """Sends text to its input, where it was started with one."""
        assert self.popen.stdin, "it was started without an input"
        self.popen.stdin.write(text)
        self.popen.stdin.flush()

    def close_input(self) -> None:
        """Ends its input."""
        assert self.popen.stdin, "it was started without an input"
        self.popen.stdin.close()

    def ref(self) -> ProcessRef:
        """Returns the identity of the process itself."""
        process = read_process(self.pid)
        assert process, "process %d is gone: %s" % (self.pid, self.output()[-600:])
        return process.ref()

    def descendant(self, comm: str) -> Process:
        """Returns the first process of that name at or below this one: npm puts launchers in front of some agents."""

        def find() -> Optional[Process]:
            everything = all_processes()
            family = {self.pid}
            for _ in range(4):  # launcher → agent, with room
                family |= {process.pid for process in everything if process.parent in family}
            named = [process for process in everything if process.pid in family and process.comm == comm]
            return named[0] if named else None

        return wait_for("a process named %r under %d" % (comm, self.pid), find, hint=lambda: self.output()[-600:])

    def ended(self, code: Optional[int] = None, timeout_s: float = PATIENCE_S) -> int:
        """Waits for its end, and checks the exit code where one is given (negative: ended by that signal)."""
        try:
            got = self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError("process %d did not end within %g s: %s" % (self.pid, timeout_s, self.output()[-600:]))
        assert code is None or got == code, "exit code %d, not %d: %s" % (got, code, self.output()[-1200:])
        return got


class Terminal:
    """A program in a terminal of its own, for interfaces that need one."""

    def __init__(self, world: "World", argv: Sequence[str], cwd: Path, name: str) -> None:
        self.world, self.name = world, name
        env = ["-e%s=%s" % item for item in world.env.items()]
        world.tmux("new-session", "-d", "-s", name, "-x", "150", "-y", "45", "-c", str(cwd), *env, "--", *argv)
        self.pid = int(world.tmux("display-message", "-p", "-t", name, "#{pane_pid}"))

    def process(self) -> Process:
        """Returns the program's own process."""
        process = read_process(self.pid)
        assert process, "%s is gone" % self.name
        return process

    def screen(self) -> str:
        """Returns the text now on the screen."""
        return self.world.tmux("capture-pane", "-p", "-t", self.name)

    def shows(self, pattern: str, timeout_s: float = PATIENCE_S) -> None:
        """Waits until the screen matches."""
        wait_for("the screen of %s to show %r" % (self.name, pattern),
                 lambda: re.search(pattern, self.screen()), timeout_s, hint=lambda: self.screen().strip()[-1500:])

    def lacks(self, pattern: str, timeout_s: float = PATIENCE_S) -> None:
        """Waits until the screen no longer matches."""
        wait_for("the screen of %s to lose %r" % (self.name, pattern),
                 lambda: not re.search(pattern, self.screen()), timeout_s, hint=lambda: self.screen().strip()[-1500:])

    def key(self, *names: str) -> None:
        """Presses keys by tmux's names for them."""
        self.world.tmux("send-keys", "-t", self.name, *names)

    def say(self, text: str) -> None:
        """Types a line and sends it once the screen has taken it in."""
        self.world.tmux("send-keys", "-t", self.name, "-l", text)
        squeezed = re.sub(r"\s", "", text)[-12:]
        wait_for("the screen of %s to take %r" % (self.name, text),
                 lambda: squeezed in re.sub(r"[\s│┃|]", "", self.screen()), hint=lambda: self.screen().strip()[-1500:])
        self.key("Enter")

    def ended(self) -> None:
        """Waits until the program has ended."""
        wait_for("%s to end" % self.name, lambda: read_process(self.pid) is None, hint=lambda: self.screen().strip()[-1500:])


class Tool:
    """A shell command for an agent to run, which lasts until it is let go or the world ends."""

    def __init__(self, flag: Path) -> None:
        self._flag = flag
        # Bounded, so that an orphan outlives neither its release nor a suite that was itself killed.
        self.command = "touch %s; for i in $(seq 3000); do test -e %s || break; sleep 0.1; done; echo tool ended" % (flag, flag)

    def wait_running(self) -> None:
        """Waits until the agent runs it."""
        wait_for("an agent to run the tool %s" % self._flag.name, self._flag.exists)

    def release(self) -> None:
        """Lets it end."""
        self._flag.unlink()


class World:
    """A scratch home for one agent. Agents' own worlds derive from it."""

    agent = ""
    """The adapter's id in headcount."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.root = Path(tempfile.mkdtemp(prefix="headcount-agents-")).resolve()
        self.home = self.root / "home"
        self.projects = self.root / "work"
        self._logs = self.root / "logs"
        self._tools = self.root / "tools"
        for folder in (self.home, self.projects, self._logs, self._tools, self.root / "tmp"):
            folder.mkdir()
        self.env = self.base_env()
        self._tmux = ""
        self._children: List[Child] = []
        self.failed_folders: List[Path] = []
        self.known_sessions: Dict[str, str] = {}

    def base_env(self) -> Dict[str, str]:
        """Returns an environment built from nothing, so that no marker of a surrounding agent gets in."""
        env = {key: os.environ[key] for key in ("PATH", "LANG", "USER", "LOGNAME") if key in os.environ}
        env.update(HOME=str(self.home), TMPDIR=str(self.root / "tmp"), SHELL="/bin/bash", TERM="xterm-256color", NO_COLOR="1")
        env[MARKER] = str(self.root)
        return env

    def project(self, name: str, branch: str = "main") -> Path:
        """Returns a new git checkout on that branch, with one commit."""
        folder = self.projects / name
        folder.mkdir()
        author = ["-c", "user.name=dev", "-c", "user.email=dev@localhost"]
        for argv in (["init", "-q", "-b", branch], author + ["commit", "-q", "--allow-empty", "-m", name]):
            subprocess.run(["git"] + argv, cwd=str(folder), env=self.env, check=True, stdin=subprocess.DEVNULL)
        return folder

    def tool(self, name: str) -> Tool:
        """Returns a fresh held command."""
        return Tool(self._tools / name)

    def start(self, argv: Sequence[str], cwd: Path, stdin: int = subprocess.DEVNULL, env: Optional[Dict[str, str]] = None) -> Child:
        """Starts a program in the world; `env` adds to the world's own."""
        child = Child(argv, cwd, dict(self.env, **(env or {})), self._logs / ("%03d.log" % len(self._children)), stdin)
        self._children.append(child)
        return child

    def terminal(self, argv: Sequence[str], cwd: Path, name: str) -> Terminal:
        """Starts a program in a terminal of the world."""
        return Terminal(self, argv, cwd, name)

    def tmux(self, *args: str) -> str:
        """Runs one command of the world's own tmux server and returns what it printed."""
        self._tmux = self._tmux or ensure_tmux()
        settings = self.root / "tmux.conf"
        settings.write_text("set -g remain-on-exit on\n")  # the last words of a program that ended stay readable
        ran = subprocess.run([self._tmux, "-S", str(self.root / "tmux"), "-f", str(settings)] + list(args), env=self.env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
        assert ran.returncode == 0, "tmux %s: %s" % (args[0], ran.stderr.strip())
        return ran.stdout

    def processes(self) -> List[Process]:
        """Returns every live process this world caused."""
        mark = ("%s=%s" % (MARKER, self.root)).encode()

        def ours(pid: int) -> bool:
            try:
                if mark in Path("/proc/%d/environ" % pid).read_bytes().split(b"\0"):
                    return True
                return os.readlink("/proc/%d/cwd" % pid).startswith(str(self.root))
            except OSError:
                return False

        return [process for process in all_processes() if ours(process.pid)]

    def end_processes(self) -> None:
        """Ends every process of the world, daemons and orphans too."""

        def none_left() -> bool:
            left = self.processes()
            for process in left:
                try:
                    os.kill(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # ended by itself between the look and the signal
            for child in self._children:
                child.popen.poll()
            return not left

        wait_for("the processes of %s to end" % self.root, none_left, hint=lambda: str(self.processes()))

    def close(self) -> None:
        """Ends every process and removes the folder."""
        self.end_processes()
        shutil.rmtree(str(self.root), ignore_errors=True)
