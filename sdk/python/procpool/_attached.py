"""A worker that no coordinator spawned: it attaches to a pool's socket, by `--attach SOCKET`.

WIRE.md, "Attached workers". The token is in a file beside the socket, unless `PROCPOOL_TOKEN_FILE`
names another one.
"""

from __future__ import annotations

import _socket
import json
import os

from . import _frames as wire
from ._errors import HandshakeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple

# Bytes of a token file that are read. A token is shorter.
_MAX_TOKEN = 4096


def attach(path: str) -> Tuple[_socket.socket, _socket.socket]:
    """Returns the connections for jobs and for control. The coordinator answers when it has a place."""
    token = _token(path)
    return _connect(path, "jobs", token), _connect(path, "control", token)


def _connect(path: str, connection: str, token: str) -> _socket.socket:
    fields = {"connection": connection, "token": token, "process": str(os.getpid())}
    greeting = wire.preamble() + wire.frame(wire.ATTACH, json.dumps(fields).encode())
    try:
        opened = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        opened.settimeout(None)
        opened.connect(path)
        opened.sendall(greeting)
    except OSError as error:
        raise HandshakeError(f"failed to attach at {path}: {error}") from None
    return opened


def _token(path: str) -> str:
    file = os.environ.get("PROCPOOL_TOKEN_FILE") or path + ".token"
    try:
        with open(file, "rb") as content:
            return content.read(_MAX_TOKEN).decode().strip()
    except (OSError, ValueError) as error:
        raise HandshakeError(f"failed to read the token of {path}: {error}") from None
