"""A client of the OpenClaw gateway: JSON frames over a WebSocket, as far as the scenarios need it."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from typing import Any

PROTOCOL = 4


class Gateway:
    """One connection with every scope, authenticated by the shared token; `caps` are what it says it can do."""

    def __init__(self, port: int, token: str, caps: list[str] | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._input = self._socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall((f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        status = self._input.readline()
        assert b" 101 " in status, f"the gateway refused a WebSocket: {status!r}"
        while self._input.readline().strip():
            pass
        self._next_id = 0
        self.call("connect", minProtocol=PROTOCOL, maxProtocol=PROTOCOL, role="operator", caps=caps or [],
                  client={"id": "cli", "version": "0", "platform": "linux", "mode": "cli"},
                  scopes=["operator.read", "operator.write", "operator.admin"], auth={"token": token})

    def close(self) -> None:
        """Drops the connection."""
        self._socket.close()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Returns the payload of the answer."""
        self._next_id += 1
        self._send({"type": "req", "id": str(self._next_id), "method": method, "params": params})
        while True:
            frame = self._receive()
            if frame.get("type") == "res" and frame["id"] == str(self._next_id):
                assert frame["ok"], "{}: {}".format(method, frame.get("error"))
                return frame.get("payload") or {}

    def _send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + struct.pack(">H", len(data))
        self._socket.sendall(b"\x81" + size + b"\0\0\0\0" + data)  # a mask of zeros leaves the data as it is

    def _receive(self) -> dict[str, Any]:
        text = b""
        while True:
            first, second = self._input.read(2)
            size = second & 0x7F
            if size == 126:
                size = struct.unpack(">H", self._input.read(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self._input.read(8))[0]
            data = self._input.read(size)
            assert first & 0x0F != 8, f"the gateway closed the connection: {data[2:]!r}"
            if first & 0x0F == 9:  # a ping; who does not answer is taken for gone
                self._socket.sendall(b"\x8a" + bytes([0x80 | size]) + b"\0\0\0\0" + data)
            if first & 0x0F in (0, 1):
                text += data
                if first & 0x80:
                    return json.loads(text)
