"""Runs the real agents and asserts what headcount says about them.

    python3 tests/agents/run.py --headcount target/debug/headcount [--agents claude-code,codex] [--only PATTERN]

Prints one line per scenario and ends with `N passed, N failed`; the exit code is 0 only if none failed.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Callable

import observe
from install import InstallError, command
from model import Model
from scenario import Scenario, scenarios_of

AGENTS = {"claude-code": "claude_code", "codex": "codex", "opencode": "opencode", "pi": "pi", "openclaw": "openclaw",
          "gemini": "gemini", "copilot": "copilot", "pi-rust": "pi_rust"}
"""Each adapter under test and the module with its scenarios, in the order they run."""

BY_NAME_ONLY = {"pi-rust"}
"""Agents that run only where `--agents` names them: this one is built from source, which takes longer than all the rest."""


class Tally:
    """The results so far."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def run(self, name: str, body: Callable[[], object]) -> bool:
        """Runs one thing that may fail and prints its line."""
        began = time.monotonic()
        try:
            body()
        except Exception as trouble:  # a scenario may fail in any way, and the others still run
            self.failed += 1
            print(f"FAIL  {name} ({time.monotonic() - began:.1f} s)")
            print("\n".join("      " + line for line in explain(trouble)), flush=True)
            return False
        self.passed += 1
        print(f"ok    {name} ({time.monotonic() - began:.1f} s)", flush=True)
        return True


def explain(trouble: Exception) -> list[str]:
    """Returns where a scenario failed, and its own words; the whole traceback where it has none."""
    if not isinstance(trouble, (AssertionError, InstallError)) or not str(trouble):
        return "".join(traceback.format_exception(type(trouble), trouble, trouble.__traceback__)).splitlines()
    frames = traceback.extract_tb(trouble.__traceback__)[1:]
    return [" > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames), *str(trouble).splitlines()]


def main() -> int:
    options = parse()
    tally = Tally()
    chosen = {agent: scenarios(agent, options.only) for agent in options.agents}
    # The next agent is downloaded while the one before it runs.
    with ThreadPoolExecutor(max_workers=1) as ahead:
        installs = {agent: ahead.submit(command, agent) for agent, its in chosen.items() if its}
        for agent, installed in installs.items():
            if tally.run(f"{agent}: installs", installed.result):
                try:
                    run_agent(agent, chosen[agent], options, tally)
                except Exception as trouble:  # a world that cannot be made or ended is a failure too
                    tally.run(f"{agent}: has a world", partial(fail, trouble))
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


def scenarios(agent: str, pattern: str) -> list[Scenario]:
    """Returns the scenarios of an agent whose line matches."""
    return [one for one in scenarios_of(module_of(agent)) if re.search(pattern, f"{agent}: {one.name}")]


def module_of(agent: str) -> Any:
    """Returns what knows how to run an agent."""
    return importlib.import_module(AGENTS[agent])


def fail(trouble: Exception) -> None:
    """Fails the way something else did."""
    raise trouble


def run_agent(agent: str, chosen: list[Scenario], options: argparse.Namespace, tally: Tally) -> None:
    """Runs one agent's scenarios, one after the other, in one world."""
    model = Model()
    world = module_of(agent).make_world(model)
    headcount = (observe.DryHeadcount if options.dry else observe.Headcount)(options.headcount, world)
    world.headcount = headcount
    try:
        for one in chosen:
            before = set(world.projects.iterdir())
            if not tally.run(f"{agent}: {one.name}", partial(one.body, world)):
                world.failed_folders += set(world.projects.iterdir()) - before
        tally.run(f"{agent}: nothing is left alive when its processes are", partial(wind_up, world))
    finally:
        if options.keep:
            print(f"      kept {world.root}")
            world.end_processes()
        else:
            world.close()
        model.close()


def wind_up(world: Any) -> None:
    """Ends every process of the world and asks once more."""
    try:
        world.end_processes()
        world.headcount.remembers_nothing_alive()
    finally:
        world.headcount.close()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--headcount", metavar="PATH", help="the binary under test")
    parser.add_argument("--agents", default=",".join(name for name in AGENTS if name not in BY_NAME_ONLY),
                        help="only these, by adapter id; without it all but " + ", ".join(BY_NAME_ONLY))
    parser.add_argument("--only", metavar="PATTERN", default="", help="only scenarios whose line matches")
    parser.add_argument("--dry", action="store_true", help="drive the agents without headcount and print their stores")
    parser.add_argument("--keep", action="store_true", help="keep the scratch homes")
    options = parser.parse_args()
    options.agents = [name for name in options.agents.split(",") if name]
    unknown = [name for name in options.agents if name not in AGENTS]
    if unknown:
        parser.error("unknown agents {}; known: {}".format(unknown, ", ".join(AGENTS)))
    if not options.dry and not (options.headcount and os.access(options.headcount, os.X_OK)):
        parser.error("--headcount must name the binary under test")
    options.headcount = str(Path(options.headcount or "").resolve())
    return options


if __name__ == "__main__":
    sys.exit(main())
