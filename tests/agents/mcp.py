"""An MCP server over stdio with two tools: `wait` runs until its flag is gone, like a held command (`worlds.Tool`), and `ask`
until a person has answered."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

WAIT = {"name": "wait", "description": "Waits", "inputSchema": {
    "type": "object", "properties": {"flag": {"type": "string"}}, "required": ["flag"]}}
ASK = {"name": "ask", "description": "Asks", "inputSchema": {"type": "object", "properties": {}}}
QUESTION = {"mode": "form", "message": "Which one?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Returns the result of one request."""
    if method == "initialize":
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "slow", "version": "1"}}
    if method == "tools/list":
        return {"tools": [WAIT, ASK]}
    if method == "tools/call" and params["name"] == "ask":
        print(json.dumps({"jsonrpc": "2.0", "id": "question", "method": "elicitation/create", "params": QUESTION}), flush=True)
        next(line for line in sys.stdin if json.loads(line).get("id") == "question")
        return {"content": [{"type": "text", "text": "answered"}]}
    if method == "tools/call":
        flag = params["arguments"]["flag"]
        open(flag, "w").close()
        while os.path.exists(flag):
            time.sleep(0.1)
        return {"content": [{"type": "text", "text": "waited"}]}
    return {}


for line in sys.stdin:
    request = json.loads(line)
    if "id" in request and "method" in request:
        result = answer(request["method"], request.get("params") or {})
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
