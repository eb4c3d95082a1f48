"""The conversation from pygls, the Python library that most language servers and their tests use."""

from __future__ import annotations

import asyncio
import os
import shutil

from pygls.client import JsonRPCClient
from pygls.exceptions import JsonRpcException

PATIENCE_S = 60
"""How long an answer may take before it counts as missing."""

WORLD = os.environ["WORLD"]


async def converse() -> None:
    client = JsonRPCClient()
    is_begun, is_added = asyncio.Event(), asyncio.Event()

    @client.feature("session.changed")
    def changed(params) -> None:
        arrived = [it.session.sessionId for it in params.result.changes if it.kind == "added"]
        if params.result.seq == 1:
            is_begun.set()
        elif os.environ["SESSION"] in arrived:
            is_added.set()

    def send(method: str, params: dict | None = None, msg_id: str | None = None) -> asyncio.Future:
        answer = client.protocol.send_request_async(method, params, msg_id)
        return asyncio.ensure_future(asyncio.wait_for(answer, PATIENCE_S))

    async def code_of(answer: asyncio.Future) -> int:
        try:
            return await answer
        except JsonRpcException as error:
            return error.code

    await client.start_io(os.environ["HEADCOUNT"], "--home", f"{WORLD}/home", "--proc", f"{WORLD}/proc", "serve")
    hello = await send("initialize", {"processId": os.getpid()})
    assert hello.serverInfo.name == "headcount"
    assert "session.list" in hello.capabilities.experimental.headcount.methods
    client.protocol.notify("initialized", {})

    assert (await send("session.list")).sessions
    assert await code_of(send("session.list", {"colour": "red"})) == -32602
    assert await code_of(send("session.dance")) == -32601

    wait = {"filter": {"agents": ["codex"]}, "until": ["waiting"], "timeoutMs": 600_000}
    waiting = send("session.wait", wait, msg_id="the wait")
    client.protocol.notify("$/cancelRequest", {"id": "the wait"})
    assert await code_of(waiting) == -32800

    subscription = await send("session.watch")
    await asyncio.wait_for(is_begun.wait(), PATIENCE_S)  # the snapshot
    shutil.copyfile(f"{WORLD}/arriving.jsonl", os.environ["TARGET"])
    await asyncio.wait_for(is_added.wait(), PATIENCE_S)
    assert await send("session.unwatch", {"subscription": subscription}) is True

    assert await send("shutdown") is None
    client.protocol.notify("exit")
    await asyncio.wait_for(client.stop(), PATIENCE_S)  # it waits for the server to end by itself
    assert client._server.returncode == 0


asyncio.run(converse())
