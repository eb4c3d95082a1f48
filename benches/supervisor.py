"""Measures what a supervisor costs while its agent works: resident memory, and what of it is the supervisor's own.

    python3 benches/supervisor.py target/release/headcount [COUNT]

Launches stand-ins that sleep, prints the median over COUNT supervisors (8), and ends them again. The aim is 3 MB each.
"""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

STAND_IN = Path(__file__).resolve().parents[1] / "tests/fixtures/bin"


def main() -> None:
    binary, count = str(Path(sys.argv[1]).resolve()), int((sys.argv[2:] or ["8"])[0])
    root = Path(tempfile.mkdtemp(prefix="headcount-bench-"))
    env = {"PATH": f"{STAND_IN}:/usr/bin:/bin", "HOME": str(root), "SHELL": "/bin/false", "HEADCOUNT_STATE_DIR": str(root / "state")}
    launched = []
    try:
        for number in range(count):
            folder = root / str(number)
            folder.mkdir()
            order = {"agent": "codex", "cwd": str(folder), "prompt": f"tell session-{number}; exec sleep 1000"}
            ran = subprocess.run([binary, "call", "session.launch", json.dumps(order)], env=env, capture_output=True, check=True)
            launched.append(json.loads(ran.stdout)["launch"]["pid"])
        figures = [memory(parent_of(pid)) for pid in launched]
    finally:
        for pid in launched:
            os.killpg(pid, signal.SIGKILL)
        shutil.rmtree(root, ignore_errors=True)
    for name in figures[0]:
        print(f"{name:<28}{statistics.median(one[name] for one in figures):>8.0f} KB")


def parent_of(pid: int) -> int:
    """Returns the supervisor of an agent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def memory(pid: int) -> dict[str, int]:
    """Returns the resident memory of a process: all of it, its share of what it shares, and what is its alone."""
    lines = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]]
    fields = {line[0]: int(line[1]) for line in lines}
    alone = fields["Private_Clean:"] + fields["Private_Dirty:"]
    return {"resident": fields["Rss:"], "its share (Pss)": fields["Pss:"], "its alone": alone}


main()
