"""Gemini CLI 0.61.0: headless runs."""

from __future__ import annotations

import json
import os
import signal
import uuid
from pathlib import Path

from install import command
from model import Model
from observe import row
from scenario import scenario
from worlds import Child, World

MODEL = "gemini-2.5-flash"


class GeminiWorld(World):
    """A home with a Gemini CLI that talks to our model."""

    agent = "gemini"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.env.update(GEMINI_API_KEY="dummy", GOOGLE_GEMINI_BASE_URL=model.url)
        settings = self.home / ".gemini/settings.json"
        settings.parent.mkdir()
        settings.write_text(json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}},
                                        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
                                        "privacy": {"usageStatisticsEnabled": False}}))

    def run(self, folder: Path, prompt: str, session: str) -> Child:
        """Starts `gemini -p` with a session id of our choice."""
        return self.start(command("gemini") + ["--skip-trust", "--yolo", "-m", MODEL, "--session-id", session, "-p", prompt], folder)


def make_world(model: Model) -> GeminiWorld:
    """Returns the world the scenarios below run in."""
    return GeminiWorld(model)


@scenario("streaming, then finished")
def streaming(world: GeminiWorld) -> None:
    folder, session = world.project("streams, then.ends", branch="feature/x"), str(uuid.uuid4())
    prompt = "Tell me more [[hold:gm-stream]]"
    child = world.run(folder, prompt, session)
    world.model.wait_streaming("gm-stream")
    # It relaunches itself: a node in front of a node, both with the whole command line.
    owners = [process.ref() for process in world.processes() if process.comm == "node" or process.comm.startswith("gemini")]
    running = row(session, "running", ("turn_in_progress", "process_alive"), owners, prompt=prompt)
    world.headcount.shows(folder, [running])
    world.headcount.status(running)
    world.model.release("gm-stream")
    child.ended(0)
    ended = row(session, "stopped", "completed", prompt=prompt, model=MODEL, usage={"inputTokens": 100, "outputTokens": 7})
    world.headcount.shows(folder, [ended], within_s=0)


@scenario("killed with SIGKILL while streaming, beside a finished one")
def killed(world: GeminiWorld) -> None:
    folder, first, second = world.project("killed"), str(uuid.uuid4()), str(uuid.uuid4())
    world.run(folder, "Hello there", first).ended(0)
    child = world.run(folder, "Tell me more [[hold:gm-killed]]", second)
    world.model.wait_streaming("gm-killed")
    for process in world.processes():
        if second in process.argv:
            os.kill(process.pid, signal.SIGKILL)
    child.ended()
    world.headcount.shows(folder, [row(first, "stopped", "completed", prompt="Hello there"), row(second, "stopped", "killed")], within_s=0)
