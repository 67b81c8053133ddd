"""What a worker says to a person who starts it: `--describe`, `--help`, `--replay FILE`."""

from __future__ import annotations

import json
import sys

from ._version import SDK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List

    from ._target import Target


def answer(make: Callable[[], Target], arguments: List[str], command: List[str]) -> int:
    """Answers a person, and returns the exit code."""
    if "--replay" in arguments:
        from ._replay import replay

        return replay(make, arguments[arguments.index("--replay") + 1 :])
    from ._start import made

    target = made(make)
    if arguments == ["--describe"]:
        print(json.dumps(target.description(), indent=2, ensure_ascii=False))
        return 0
    if arguments in (["--help"], ["-h"]):
        print(explanation(target, command))
        return 0
    print(explanation(target, command), file=sys.stderr)
    return 2


def explanation(target: Target, command: List[str]) -> str:
    """Returns what the program is, and how it is meant to be started."""
    name, mark = target.name, target.mark
    build = f", build {mark.build}" if mark.build is not None else ""
    words = " ".join(command)
    return f"""\
a procpool worker for job `{name}`, contract version {mark.version}{build} ({SDK})

A procpool coordinator starts it, with its connections as descriptors 3 and 4.
Started by hand it has nobody to work for. How it is meant to be started:

    over HTTP       procpool serve --config procpool.toml, and in that file
                        [pools.{name}]
                        command = {json.dumps(command, ensure_ascii=False)}
    a saved job     {words} --replay FILE [--history]

What it takes and gives: {words} --describe"""
