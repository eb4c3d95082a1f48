"""What is no agent at work, for every agent alike: questions to the program, and servers that nobody asks anything."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from install import command
from worlds import Child, wait_for

HELLO = '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":1,"clientCapabilities":{}}}\n'
"""How an editor greets an agent that speaks the Agent Client Protocol."""


def are_no_rows(world: Any, folder: Path, server: Sequence[str], questions: Sequence[Sequence[str]]) -> None:
    """Asserts that no process of these is a row, for as long as the questions take."""

    def start(args: Sequence[str]) -> Child:
        return world.start(command(world.agent) + list(args), folder, stdin=subprocess.PIPE)  # type: ignore[no-any-return]

    serving = start(server)
    serving.write(HELLO)
    asked = [start(args) for args in questions]
    while any(one.popen.poll() is None for one in asked):
        world.headcount.shows(folder, [], within_s=0)
    wait_for(f"{world.agent} to serve an editor", lambda: "agentCapabilities" in serving.output(), hint=serving.output)
    world.headcount.shows(folder, [], within_s=0)
    serving.close_input()
