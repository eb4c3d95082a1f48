"""Runs the real agents and asserts what headcount says about them.

    python3 tests/agents/run.py --headcount target/debug/headcount [--agents claude-code,codex] [--only PATTERN]

Prints one line per scenario and ends with `N passed, N failed`; the exit code is 0 only if none failed.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import time
import traceback
from typing import Any, Callable, List, Tuple

import observe
from install import InstallError, command
from model import Model
from scenario import Scenario, scenarios_of

AGENTS = {"claude-code": "claude_code", "codex": "codex", "opencode": "opencode", "pi": "pi", "openclaw": "openclaw",
          "gemini": "gemini", "copilot": "copilot"}
"""Each adapter under test and the module with its scenarios, in the order they run."""


class Tally:
    """The results so far."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def run(self, name: str, body: Callable[[], None]) -> bool:
        """Runs one thing that may fail and prints its line."""
        began = time.monotonic()
        try:
            body()
        except Exception as trouble:  # a scenario may fail in any way, and the others still run
            self.failed += 1
            print("FAIL  %s (%.1f s)" % (name, time.monotonic() - began))
            known = isinstance(trouble, (AssertionError, InstallError))
            text = str(trouble) if known and str(trouble) else traceback.format_exc()
            where = [frame for frame in traceback.extract_tb(trouble.__traceback__) if frame.name == "body" or True][-1]
            spots = ["%s:%d" % (frame.filename.rsplit("/", 1)[-1], frame.lineno or 0)
                     for frame in traceback.extract_tb(trouble.__traceback__)][1:]
            print("\n".join("      " + line for line in [" > ".join(spots)] + text.splitlines()), flush=True)
            return False
        self.passed += 1
        print("ok    %s (%.1f s)" % (name, time.monotonic() - began), flush=True)
        return True


def main() -> int:
    options = parse()
    tally = Tally()
    for agent in options.agents:
        module = importlib.import_module(AGENTS[agent])
        chosen = [one for one in scenarios_of(module) if re.search(options.only, "%s: %s" % (agent, one.name))]
        if chosen and tally.run("%s: installs" % agent, lambda: void(command(agent))):
            run_agent(agent, module, chosen, options, tally)
    print("%d passed, %d failed" % (tally.passed, tally.failed))
    return 1 if tally.failed or not tally.passed else 0


def run_agent(agent: str, module: Any, chosen: List[Scenario], options: argparse.Namespace, tally: Tally) -> None:
    """Runs one agent's scenarios, one after the other, in one world."""
    model = Model()
    world = module.make_world(model)
    headcount = (observe.DryHeadcount if options.dry else observe.Headcount)(options.headcount, world)
    world.headcount = headcount
    try:
        for one in chosen:
            before = set(world.projects.iterdir())
            if not tally.run("%s: %s" % (agent, one.name), lambda: one.body(world)):
                world.failed_folders += set(world.projects.iterdir()) - before
        tally.run("%s: nothing is left alive when its processes are" % agent, lambda: wind_up(world))
    finally:
        if options.keep:
            print("      kept %s" % world.root)
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


def void(_value: object) -> None:
    """Takes a value that is only wanted for its making."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--headcount", metavar="PATH", help="the binary under test")
    parser.add_argument("--agents", default=",".join(AGENTS), help="only these, by adapter id")
    parser.add_argument("--only", metavar="PATTERN", default="", help="only scenarios whose line matches")
    parser.add_argument("--dry", action="store_true", help="drive the agents without headcount and print their stores")
    parser.add_argument("--keep", action="store_true", help="keep the scratch homes")
    options = parser.parse_args()
    options.agents = [name for name in options.agents.split(",") if name]
    unknown = [name for name in options.agents if name not in AGENTS]
    if unknown:
        parser.error("unknown agents %s; known: %s" % (unknown, ", ".join(AGENTS)))
    if not options.dry and not options.headcount:
        parser.error("--headcount is needed")
    return options


if __name__ == "__main__":
    sys.exit(main())
