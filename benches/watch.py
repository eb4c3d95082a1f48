#!/usr/bin/env python3
"""How long from an agent's write to the notification of a watching client, and what watching costs while nothing happens.

    python3 benches/watch.py target/release/headcount STORE

STORE is a home made by benches/corpus.py. A copy of it is written to as Codex, Claude Code and OpenCode do.
"""
import json
import os
import select
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 40
APART_S = 0.3  # between two writes: more than the rest between two looks
PATIENCE_S = 10  # a change that is not told within it is lost
SETTLED_S = 15  # idle threads of the pool end after 10 s, looks that a write has caused before that
IDLE_S = 30


class Server:
    """A server that watches everything in a home."""

    def __init__(self, program, home):
        env = {"HOME": home, "PATH": os.environ["PATH"], "HEADCOUNT_LOG": "off"}
        self.process = subprocess.Popen([program, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, bufsize=0)
        self.ask("session.watch", includeSubagents=True)
        self.unread = b""
        self.message()
        self.sessions = len(self.message()["params"]["result"]["changes"])

    def ask(self, method, **params):
        request = {"jsonrpc": "2.0", "id": method, "method": method, "params": params}
        self.process.stdin.write(json.dumps(request).encode() + b"\n")

    def message(self):
        while b"\n" not in self.unread:
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
            assert ready, "a change was not told"
            self.unread += os.read(self.process.stdout.fileno(), 1 << 20)
        line, self.unread = self.unread.split(b"\n", 1)
        return json.loads(line)

    def of_proc(self, glob, word):
        """The lines that hold a word, of files below /proc/PID."""
        lines = (line for path in Path(f"/proc/{self.process.pid}").glob(glob) for line in path.read_text().splitlines())
        return [line for line in lines if word in line]

    def switches(self):
        return sum(int(line.split()[1]) for line in self.of_proc("task/*/status", "ctxt_switches"))

    def end(self):
        self.process.stdin.close()
        assert self.process.wait() == 0


def middle(home, pattern):
    """The transcript of middle size."""
    transcripts = sorted(Path(home).glob(pattern), key=lambda it: it.stat().st_size)
    return transcripts[len(transcripts) // 2]


def codex(home):
    rollout = middle(home, ".codex/sessions/*/*/*/*.jsonl")

    def write(number):
        event = {"type": "task_started", "turn_id": f"t{number}"}
        append(rollout, {"timestamp": instant(number), "type": "event_msg", "payload": event})

    return write


def claude(home):
    transcript = middle(home, ".claude/projects/*/*.jsonl")

    def write(number):
        message = {"role": "user", "content": f"word {number}"}
        record = {"type": "user", "uuid": f"b7b7b7b7-0000-4000-8000-{number:012}", "sessionId": transcript.stem}
        append(transcript, {**record, "timestamp": instant(number), "message": message})

    return write


def opencode(home):
    store = sqlite3.connect(f"{home}/.local/share/opencode/opencode.db", isolation_level=None)
    store.execute("PRAGMA journal_mode = wal")
    store.execute("PRAGMA synchronous = NORMAL")  # as OpenCode 1.18 sets it: a commit waits for no disk
    store.execute("PRAGMA wal_autocheckpoint = 0")
    (session,) = store.execute("SELECT id FROM session ORDER BY time_updated DESC LIMIT 1").fetchone()

    def write(number):
        change = "UPDATE session SET title = ?, time_updated = time_updated + 1000 WHERE id = ?"
        store.execute(change, (f"title {number}", session))

    return write


def instant(number):
    return f"2026-11-22T21:{number // 60:02}:{number % 60:02}.000Z"


def append(path, record):
    with open(path, "a") as file:
        file.write(json.dumps(record) + "\n")


def main(program, store):
    with tempfile.TemporaryDirectory() as home:
        shutil.copytree(store, home, dirs_exist_ok=True, symlinks=True)
        agents = [("codex", codex(home)), ("claude-code", claude(home)), ("opencode, -wal", opencode(home))]
        server = Server(program, home)
        watches = len(server.of_proc("fdinfo/*", "inotify wd:"))
        print(f"{server.sessions} sessions, {watches} inotify watches")
        for name, write in agents:
            took = []
            for number in range(ROUNDS):
                time.sleep(APART_S)
                started = time.monotonic()
                write(number)
                server.message()
                took.append((time.monotonic() - started) * 1000)
            took.sort()
            print(f"{name}: write to notification: median {statistics.median(took):.1f} ms, "
                  f"90th {took[int(len(took) * 0.9)]:.1f} ms, worst {took[-1]:.1f} ms of {ROUNDS}")
        # There is a ledger from now on, which every look reads.
        server.ask("lock.acquire", directory=home, by="the bench")
        time.sleep(SETTLED_S)
        before = server.switches()
        time.sleep(IDLE_S)
        resident = server.of_proc("status", "VmRSS")[0].split(":")[1].strip()
        print(f"context switches in {IDLE_S} s of nothing: {server.switches() - before}; resident: {resident}")
        server.end()


if __name__ == "__main__":
    main(*sys.argv[1:])
