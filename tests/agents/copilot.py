"""GitHub Copilot CLI 1.0.102: headless runs."""

from __future__ import annotations

import os
import signal
import uuid
from pathlib import Path

from install import command
from model import Model
from observe import row
from scenario import scenario
from worlds import Child, ProcessRef, World, read_process, wait_for


class CopilotWorld(World):
    """A home with a Copilot CLI that talks to our model."""

    agent = "copilot"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.env.update(COPILOT_OFFLINE="true", COPILOT_PROVIDER_BASE_URL=model.url + "/v1", COPILOT_PROVIDER_API_KEY="dummy",
                        COPILOT_MODEL="mock-1", COPILOT_AUTO_UPDATE="false")

    def run(self, folder: Path, prompt: str, session: str, *args: str) -> Child:
        """Starts `copilot -p` with a session id of our choice."""
        return self.start(command("copilot") + ["--allow-all-tools", "--session-id", session, *args, "-p", prompt], folder)

    def owner(self, session: str) -> ProcessRef:
        """Returns the process that says it uses a session."""

        def find() -> int:
            locks = (self.home / ".copilot/session-state" / session).glob("inuse.*.lock")
            return next((int(path.name.split(".")[1]) for path in locks), 0)

        process = read_process(wait_for(f"copilot to mark session {session} as in use", find))
        assert process, f"the owner of {session} is gone"
        return process.ref()


def make_world(model: Model) -> CopilotWorld:
    """Returns the world the scenarios below run in."""
    return CopilotWorld(model)


@scenario("streaming, then finished")
def streaming(world: CopilotWorld) -> None:
    folder, session = world.project("streams, then.ends", branch="feature/x"), str(uuid.uuid4())
    prompt = "Tell me more [[hold:cp-stream]]"
    child = world.run(folder, prompt, session, "--name", "A named session")
    world.model.wait_streaming("cp-stream")
    told = dict(prompt=prompt, branch="feature/x", title="A named session")
    running = row(session, "running", "turn_in_progress", world.owner(session), **told)
    world.headcount.shows(folder, [running])
    world.headcount.status(running)
    world.model.release("cp-stream")
    child.ended(0)
    world.headcount.shows(folder, [row(session, "stopped", "completed", model="mock-1", **told)], within_s=0)


@scenario("killed with SIGKILL while streaming, beside a finished one: stale lock files")
def killed(world: CopilotWorld) -> None:
    folder, first, second = world.project("killed"), str(uuid.uuid4()), str(uuid.uuid4())
    world.run(folder, "Hello there", first).ended(0)
    child = world.run(folder, "Tell me more [[hold:cp-killed]]", second)
    world.model.wait_streaming("cp-killed")
    events = world.home / ".copilot/session-state" / second / "events.jsonl"  # written a moment after the fact
    wait_for("copilot to record the turn", lambda: events.exists() and "assistant.turn_start" in events.read_text())
    os.kill(world.owner(second).pid, signal.SIGKILL)
    child.ended()
    world.headcount.shows(folder, [row(first, "stopped", "completed", prompt="Hello there"), row(second, "stopped", "killed")], within_s=0)
