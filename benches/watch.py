#!/usr/bin/env python3
"""How long from an agent's write to the notification of a watching client, and what watching costs while nothing happens.

    python3 benches/watch.py target/release/headcount STORE

STORE is a home made by benches/corpus.py; one of its Codex rollouts is appended to, in a copy.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 40
APART = 0.3  # seconds between two writes: more than the rest between two looks
STARTED = '{"timestamp":"2026-11-22T21:00:%02d.%03dZ","type":"event_msg","payload":{"type":"task_started","turn_id":"t%d"}}\n'


def wakeups(pid):
    """Context switches of all threads so far."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if "ctxt_switches" in line:
                total += int(line.split()[1])
    return total


def main(server, store):
    with tempfile.TemporaryDirectory() as home:
        shutil.copytree(store, home, dirs_exist_ok=True, symlinks=True)
        rollouts = sorted(Path(home).glob(".codex/sessions/*/*/*/*.jsonl"), key=lambda it: it.stat().st_size)
        rollout = rollouts[len(rollouts) // 2]
        env = {"HOME": home, "PATH": os.environ["PATH"], "HEADCOUNT_STATE_DIR": f"{home}/state", "HEADCOUNT_LOG": "off"}
        process = subprocess.Popen([server, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"session.watch","params":{"includeSubagents":true}}\n')
        process.stdin.flush()
        while b"session.changed" not in process.stdout.readline():
            pass
        took = []
        for number in range(ROUNDS):
            time.sleep(APART)
            started = time.monotonic()
            with open(rollout, "a") as file:
                file.write(STARTED % (number % 60, number, number))
            line = json.loads(process.stdout.readline())
            took.append((time.monotonic() - started) * 1000)
            assert line["params"]["result"]["changes"][0]["kind"] == "changed", line
        time.sleep(12)  # idle threads of the pool end after 10 s
        before = wakeups(process.pid)
        time.sleep(5)
        idle = wakeups(process.pid) - before
        process.stdin.close()
        process.wait()
    took.sort()
    print(f"write to notification: median {statistics.median(took):.1f} ms, "
          f"90th {took[int(len(took) * 0.9)]:.1f} ms, worst {took[-1]:.1f} ms of {ROUNDS}")
    print(f"context switches in 5 s of nothing: {idle}")


if __name__ == "__main__":
    main(*sys.argv[1:])
