"""What is no agent at work, for every agent alike: questions to the program, and servers that nobody asks anything."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from install import command
from worlds import Child, wait_for

HELLO = '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":1,"clientCapabilities":{}}}\n'
"""How an editor greets an agent that speaks the Agent Client Protocol."""


def questions_are_no_rows(world: Any, folder: Path, questions: Sequence[Sequence[str]]) -> None:
    """Asserts that what answers and ends is no row while it does."""
    asked: list[Child] = [world.start(command(world.agent) + list(args), folder) for args in questions]
    while any(one.popen.poll() is None for one in asked):
        world.headcount.shows(folder, [], within_s=0)


def server_is_no_row(world: Any, folder: Path, args: Sequence[str]) -> None:
    """Asserts that a server for editors is no row, neither while it starts nor when it is ready."""
    server = greeted(world, folder, args)
    wait_for(f"{world.agent} to serve an editor", partial(_is_ready, world, folder, server), hint=server.output)
    world.headcount.shows(folder, [], within_s=0)
    server.close_input()


def greeted(world: Any, folder: Path, args: Sequence[str]) -> Child:
    """Returns a server for editors that was said hello to."""
    server: Child = world.start(command(world.agent) + list(args), folder, stdin=subprocess.PIPE)
    server.write(HELLO)
    return server


def has_answered(server: Child) -> bool:
    """Returns whether a server for editors has answered the hello."""
    return "agentCapabilities" in server.output()


def _is_ready(world: Any, folder: Path, server: Child) -> bool:
    world.headcount.shows(folder, [], within_s=0)
    return has_answered(server)
