"""The conversation from python-lsp-jsonrpc."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import threading

from pylsp_jsonrpc.endpoint import Endpoint
from pylsp_jsonrpc.exceptions import JsonRpcException
from pylsp_jsonrpc.streams import JsonRpcStreamReader, JsonRpcStreamWriter

PATIENCE_S = 60
"""How long an answer may take before it counts as missing."""

WORLD = os.environ["WORLD"]


def main() -> None:
    argv = [os.environ["HEADCOUNT"], "--home", f"{WORLD}/home", "--proc", f"{WORLD}/proc", "serve"]
    server = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    is_begun, is_added = threading.Event(), threading.Event()

    def changed(params: dict) -> None:
        result = params["result"]
        arrived = [it["session"].get("sessionId") for it in result["changes"] if it["kind"] == "added"]
        if result["seq"] == 1:
            is_begun.set()
        elif os.environ["SESSION"] in arrived:
            is_added.set()

    # The ids are ours, so that a request can be cancelled and its answer still be seen.
    ids = (f"python {number}" for number in itertools.count(1))
    last_id = ""

    def next_id() -> str:
        nonlocal last_id
        last_id = next(ids)
        return last_id

    endpoint = Endpoint({"session.changed": changed}, JsonRpcStreamWriter(server.stdin).write, id_generator=next_id)
    reader = JsonRpcStreamReader(server.stdout)
    threading.Thread(target=reader.listen, args=(endpoint.consume,), daemon=True).start()

    def ask(method: str, params: dict | None = None) -> object:
        return endpoint.request(method, params).result(PATIENCE_S)

    def code_of(future) -> int:
        error = future.exception(PATIENCE_S)
        assert isinstance(error, JsonRpcException), error
        return error.code

    hello = ask("initialize", {"processId": os.getpid()})
    assert hello["serverInfo"]["name"] == "headcount"
    assert "session.list" in hello["capabilities"]["experimental"]["headcount"]["methods"]
    endpoint.notify("initialized", {})

    assert ask("session.list")["sessions"]
    assert code_of(endpoint.request("session.list", {"colour": "red"})) == -32602
    assert code_of(endpoint.request("session.dance")) == -32601

    wait = {"filter": {"agents": ["codex"]}, "until": ["waiting"], "timeoutMs": 600_000}
    waiting = endpoint.request("session.wait", wait)
    endpoint.notify("$/cancelRequest", {"id": last_id})
    assert code_of(waiting) == -32800

    subscription = ask("session.watch")
    assert is_begun.wait(PATIENCE_S), "there was no snapshot"
    shutil.copyfile(f"{WORLD}/arriving.jsonl", os.environ["TARGET"])
    assert is_added.wait(PATIENCE_S), "the session was never told"
    assert ask("session.unwatch", {"subscription": subscription}) is True

    assert ask("shutdown") is None
    endpoint.notify("exit")
    assert server.wait(PATIENCE_S) == 0


main()
