"""The fixture of free messages: answers each command of the conformance kit with a message."""

from __future__ import annotations

import sys
from pathlib import Path

# The kit passes no environment on: `procpool conform python3 tests/messages/conformance.py`.
sys.path.insert(0, str(Path(__file__).parents[2]))

import procpool


def talk(port: procpool.Port) -> None:
    """Knows `echo` and `fail`."""
    for message in port:
        if message["op"] == "echo":
            port.send(message["value"])
        else:
            raise procpool.Failure(message["message"], code=message["code"])


procpool.messages(talk)
