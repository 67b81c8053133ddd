"""A worker of free messages."""

from __future__ import annotations

import procpool


def talk(port: procpool.Port) -> None:
    for message in port:
        if isinstance(message, bytes):
            port.send(message[::-1])
        else:
            port.send({"ping": "pong"}.get(message, "?"))


procpool.messages(talk)
