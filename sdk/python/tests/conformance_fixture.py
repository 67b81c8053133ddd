"""The job `conformance`, whose input is a command: what the conformance kit runs against an SDK."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

# The kit passes no environment on: `procpool conform python3 tests/conformance_fixture.py`.
sys.path.insert(0, str(Path(__file__).parents[1]))

import procpool


@procpool.job(name="conformance", version=1)
def conformance(command, ctx: procpool.Context):  # type: ignore[no-untyped-def]
    """Does what `op` says. Bytes come back as they are."""
    if isinstance(command, bytes):
        return command
    if not isinstance(command, dict) or command.get("op") not in _OPERATIONS:
        raise procpool.Failure(f"no such command: {command!r}", code="no_such_op")
    return _OPERATIONS[command["op"]](command, ctx)


def _echo(command: Any, _ctx: procpool.Context) -> Any:
    return command.get("value")


def _bytes(command: Any, _ctx: procpool.Context) -> bytes:
    return bytes(command["length"])


def _sleep(command: Any, ctx: procpool.Context) -> str:
    """With an eye on cancels."""
    end = time.monotonic() + command["ms"] / 1000
    while time.monotonic() < end:
        ctx.check()
        time.sleep(0.002)
    return "slept"


def _spin(command: Any, _ctx: procpool.Context) -> str:
    """Without one."""
    end = time.monotonic() + command["ms"] / 1000
    while time.monotonic() < end:
        pass
    return "spun"


def _fail(command: Any, _ctx: procpool.Context) -> None:
    raise procpool.Failure(
        command["message"], code=command.get("code", "failed"), details=command.get("details"), retryable=True
    )


def _panic(_command: Any, _ctx: procpool.Context) -> None:
    raise MemoryError("boom")


def _break(command: Any, _ctx: procpool.Context) -> None:
    raise ValueError(command.get("message", "broken"))


def _progress(command: Any, ctx: procpool.Context) -> str:
    for done in range(command["count"]):
        ctx.progress(done + 1, command["count"])
    return "progressed"


def _chunks(command: Any, ctx: procpool.Context) -> str:
    for number in range(command["count"]):
        ctx.chunk(number)
    return "streamed"


def _log(command: Any, ctx: procpool.Context) -> None:
    ctx.log(command["text"], level=command.get("level", "info"))


def _print(command: Any, _ctx: procpool.Context) -> None:
    print(command["text"])
    print(command["text"], file=sys.stderr)
    time.sleep(command.get("ms", 0) / 1000)


def _child(_command: Any, _ctx: procpool.Context) -> int:
    return subprocess.Popen(["sleep", "60"]).pid


def _exit(command: Any, _ctx: procpool.Context) -> None:
    os._exit(command["code"])


_OPERATIONS = {
    "echo": _echo,
    "bytes": _bytes,
    "sleep": _sleep,
    "spin": _spin,
    "fail": _fail,
    "panic": _panic,
    "break": _break,
    "progress": _progress,
    "chunks": _chunks,
    "log": _log,
    "print": _print,
    "child": _child,
    "exit": _exit,
}

if __name__ == "__main__":
    procpool.serve(conformance)
