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
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Callable, NamedTuple, TypeVar

from install import ensure_tmux
from model import Model

MARKER = "HEADCOUNT_TEST_WORLD"
POLL_S = 0.1
PATIENCE_S = 120
"""How long an agent may take for one step; a start takes up to ten seconds on two busy cores, and a minute on two that
a dozen compilers share."""

KEY_S = 5
"""How long a program that takes a key may need to show it; one that has not by then did not take it."""

PASTE_S = 0.2
"""Codex and Gemini take an Enter that comes at once after fast typing for a line's end within something pasted."""

PROMPT = r"[$#]\s*$"
"""What the screen of a shell ends with when it waits for a command."""

T = TypeVar("T")


def wait_for(what: str, condition: Callable[[], T | None], timeout_s: float = PATIENCE_S,
             hint: Callable[[], str] = lambda: "") -> T:
    """Returns the first truthy answer of a condition; fails with a sentence saying what did not happen."""
    until = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError(f"waited {timeout_s:g} s for {what}\n{hint()}")
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
    argv: list[str]
    ticks: int

    def ref(self) -> ProcessRef:
        """Returns its identity."""
        return ProcessRef(self.pid, _boot_time() + self.ticks / os.sysconf("SC_CLK_TCK"))


def _boot_time() -> int:
    return int(re.search(r"^btime (\d+)", Path("/proc/stat").read_text(), re.M).group(1))  # type: ignore[union-attr]


def read_process(pid: int) -> Process | None:
    """Returns a live process, or None for one that is gone or only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return None
    head, _, tail = stat.rpartition(")")
    fields = tail.split()
    if fields[0] in "ZX":
        return None
    return Process(pid, int(fields[1]), head.partition("(")[2], [part.decode(errors="replace") for part in argv], int(fields[19]))


def all_processes() -> list[Process]:
    """Returns every live process of the machine."""
    found = (read_process(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return [process for process in found if process]


class Child:
    """A program the world started, with its output in files."""

    def __init__(self, argv: Sequence[str], cwd: Path, env: dict[str, str], log: Path, stdin: int) -> None:
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
        assert process, f"process {self.pid} is gone: {self.output()[-600:]}"
        return process.ref()

    def descendant(self, comm: str) -> Process:
        """Returns the first process of that name at or below this one: npm puts launchers in front of some agents."""

        def find() -> Process | None:
            everything = all_processes()
            family = {self.pid}
            for _ in range(4):  # launcher → agent, with room
                family |= {process.pid for process in everything if process.parent in family}
            named = [process for process in everything if process.pid in family and process.comm == comm]
            return named[0] if named else None

        return wait_for(f"a process named {comm!r} under {self.pid}", find, hint=lambda: self.output()[-600:])

    def ended(self, code: int | None = None, timeout_s: float = PATIENCE_S) -> int:
        """Waits for its end, and checks the exit code where one is given (negative: ended by that signal)."""
        try:
            got = self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"process {self.pid} did not end within {timeout_s:g} s: {self.output()[-600:]}") from None
        assert code is None or got == code, f"exit code {got}, not {code}: {self.output()[-1200:]}"
        return got


class Terminal:
    """A program in a terminal of its own, for interfaces that need one."""

    def __init__(self, world: World, argv: Sequence[str], cwd: Path, name: str) -> None:
        self.world, self.name = world, name
        env = ["-e{}={}".format(*item) for item in world.env.items()]
        world.tmux("new-session", "-d", "-s", name, "-x", "150", "-y", "45", "-c", str(cwd), *env, "--", *argv)
        self.pid = int(world.tmux("display-message", "-p", "-t", name, "#{pane_pid}"))

    def process(self) -> Process:
        """Returns the program's own process."""
        process = read_process(self.pid)
        assert process, f"{self.name} is gone"
        return process

    def screen(self) -> str:
        """Returns the text now on the screen."""
        return self.world.tmux("capture-pane", "-p", "-t", self.name)

    def shows(self, pattern: str, timeout_s: float = PATIENCE_S) -> None:
        """Waits until the screen matches."""
        wait_for(f"the screen of {self.name} to show {pattern!r}",
                 lambda: re.search(pattern, self.screen()), timeout_s, hint=lambda: self.screen().strip()[-1500:])

    def lacks(self, pattern: str, timeout_s: float = PATIENCE_S) -> None:
        """Waits until the screen no longer matches."""
        wait_for(f"the screen of {self.name} to lose {pattern!r}",
                 lambda: not re.search(pattern, self.screen()), timeout_s, hint=lambda: self.screen().strip()[-1500:])

    def key(self, *names: str) -> None:
        """Presses keys by tmux's names for them."""
        self.world.tmux("send-keys", "-t", self.name, *names)

    def rests(self) -> None:
        """Waits until Linux will note the next key as a later one: it does so to the second, once in each 8 (`tty_update_time`)."""
        begun, tty = int(time.time()), self.world.tmux("display-message", "-p", "-t", self.name, "#{pane_tty}").strip()
        wait_for(f"a key for {self.name} to be noted",
                 lambda: int(time.time()) > begun and int(time.time()) >> 3 != int(os.stat(tty).st_atime) >> 3)

    def press(self, name: str, pattern: str) -> None:
        """Presses a key until the screen matches: one is lost while the program is not ready for it."""
        until = time.monotonic() + PATIENCE_S
        while True:
            self.key(name)
            try:
                return self.shows(pattern, KEY_S)
            except AssertionError:
                if time.monotonic() > until:
                    raise

    def say(self, text: str) -> None:
        """Types a line and sends it once the screen has taken it in."""
        self.world.tmux("send-keys", "-t", self.name, "-l", text)
        squeezed = re.sub(r"\s", "", text)[-12:]
        wait_for(f"the screen of {self.name} to take {text!r}",
                 lambda: squeezed in re.sub(r"[\s│┃|]", "", self.screen()), hint=lambda: self.screen().strip()[-1500:])
        time.sleep(PASTE_S)
        self.key("Enter")

    def paste(self, text: str) -> None:
        """Sends lines that the program takes as one piece, as from a clipboard."""
        self.world.tmux("set-buffer", "--", text)
        self.world.tmux("paste-buffer", "-p", "-d", "-t", self.name)
        time.sleep(PASTE_S)
        self.key("Enter")

    def ended(self) -> None:
        """Waits until the program has ended."""
        wait_for(f"{self.name} to end", lambda: read_process(self.pid) is None, hint=lambda: self.screen().strip()[-1500:])


class Tool:
    """A shell command for an agent to run, which lasts until it is let go or the world ends."""

    def __init__(self, flag: Path) -> None:
        self._flag = flag
        self.mark = str(flag)  # it stands in the arguments of whatever runs the tool
        # Bounded, so that an orphan outlives neither its release nor a suite that was itself killed.
        self.command = f"touch {flag}; for i in $(seq 3000); do test -e {flag} || break; sleep 0.1; done; echo tool ended"

    def script(self) -> str:
        """Returns a command that does the same, for agents that refuse one in which a shell expands something."""
        script = self._flag.with_suffix(".sh")
        script.write_text(self.command)
        return f"sh {script}"

    def wait_running(self) -> None:
        """Waits until the agent runs it."""
        wait_for(f"an agent to run the tool {self._flag.name}", self._flag.exists)

    def release(self) -> None:
        """Lets it end."""
        self._flag.unlink()


class World:
    """A scratch home for one agent. Agents' own worlds derive from it."""

    agent = ""
    """The adapter's id in headcount."""

    keeps_sessions = True
    """Whether sessions outlive the processes of the world: a service that keeps them to itself takes them along."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.root = Path(tempfile.mkdtemp(prefix="headcount-agents-")).resolve()
        self.home = self.root / "home"
        self.projects = self.root / "work"
        self.bin = self.root / "bin"
        """Programs that headcount is to find."""
        self._logs = self.root / "logs"
        self._tools = self.root / "tools"
        for folder in (self.home, self.projects, self.bin, self._logs, self._tools, self.root / "tmp"):
            folder.mkdir()
        self.env = self.base_env()
        self.env["PATH"] = f"{self.bin}:{self.env['PATH']}"
        self._tmux = ""
        self._children: list[Child] = []
        self.failed_folders: list[Path] = []
        self.headcount: Any = None
        self.known_sessions: dict[str, str] = {}

    @property
    def marked(self) -> dict[str, str]:
        """Returns the variable by which the world knows what belongs to it, for programs that others start in it."""
        return {MARKER: str(self.root)}

    def base_env(self) -> dict[str, str]:
        """Returns an environment built from nothing, so that no marker of a surrounding agent gets in."""
        env = {key: os.environ[key] for key in ("PATH", "LANG", "USER", "LOGNAME") if key in os.environ}
        env.update(HOME=str(self.home), TMPDIR=str(self.root / "tmp"), SHELL="/bin/bash", TERM="xterm-256color", NO_COLOR="1")
        return dict(env, **self.marked)

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

    def start(self, argv: Sequence[str], cwd: Path, stdin: int = subprocess.DEVNULL, env: dict[str, str] | None = None) -> Child:
        """Starts a program in the world; `env` adds to the world's own."""
        child = Child(argv, cwd, dict(self.env, **(env or {})), self._logs / f"{len(self._children):03}.log", stdin)
        self._children.append(child)
        return child

    def terminal(self, argv: Sequence[str], cwd: Path, name: str) -> Terminal:
        """Starts a program in a terminal of the world."""
        return Terminal(self, argv, cwd, name)

    def shell(self, folder: Path, name: str) -> Terminal:
        """Starts a shell, in whose terminal programs can be suspended and continued."""
        shell = self.terminal(["bash", "--norc", "-i"], folder, name)
        shell.shows(PROMPT)
        return shell

    def tmux(self, *args: str) -> str:
        """Runs one command of the world's own tmux server and returns what it printed."""
        self._tmux = self._tmux or ensure_tmux()
        settings = self.root / "tmux.conf"
        settings.write_text("set -g remain-on-exit on\n")  # the last words of a program that ended stay readable
        ran = subprocess.run([self._tmux, "-S", str(self.root / "tmux"), "-f", str(settings)] + list(args), env=self.env,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert ran.returncode == 0, f"tmux {args[0]}: {ran.stderr.strip()}"
        return ran.stdout

    def processes(self) -> list[Process]:
        """Returns every live process this world caused."""
        mark = f"{MARKER}={self.root}".encode()

        def ours(pid: int) -> bool:
            try:
                if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    return True
                return os.readlink(f"/proc/{pid}/cwd").startswith(str(self.root))
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

        wait_for(f"the processes of {self.root} to end", none_left, hint=lambda: str(self.processes()))

    def close(self) -> None:
        """Ends every process and removes the folder."""
        self.end_processes()
        shutil.rmtree(str(self.root), ignore_errors=True)
