"""What a worker says to a person who starts it: `--describe`, `--help`, `--replay FILE`, `--attach SOCKET`."""

from __future__ import annotations

import json
import sys

from ._choice import description
from ._errors import NotAWorker
from ._version import SDK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List

    from ._target import Target


def socket_of(arguments: List[str]) -> str:
    """Returns the socket of `--attach SOCKET`, the last two arguments."""
    if len(arguments) < 2 or arguments[-2] != "--attach" or not arguments[-1]:
        raise NotAWorker("`--attach` needs the pool's socket, as the last argument: --attach SOCKET")
    return arguments[-1]


def answer(make: Callable[[], List[Target]], arguments: List[str], command: List[str]) -> int:
    """Answers a person, and returns the exit code."""
    if "--replay" in arguments:
        from ._replay import replay

        return replay(make, arguments[arguments.index("--replay") + 1 :])
    from ._start import made

    targets = made(make)
    if arguments == ["--describe"]:
        print(json.dumps(description(targets), indent=2, ensure_ascii=False))
        return 0
    if arguments in (["--help"], ["-h"]):
        print(explanation(targets, command))
        return 0
    print(explanation(targets, command), file=sys.stderr)
    return 2


def explanation(targets: List[Target], command: List[str]) -> str:
    """Returns what the program is, and how it is meant to be started."""
    offers = []
    for target in targets:
        build = f", build {target.mark.build}" if target.mark.build is not None else ""
        offers.append(f"job `{target.name}`, contract version {target.mark.version}{build}")
    name = targets[0].name
    choice = f'\n                        job = "{name}"' if len(targets) > 1 else ""
    words = " ".join(command)
    return f"""\
a procpool worker for {"; ".join(offers)} ({SDK})

A procpool coordinator starts it, with its connections as descriptors 3 and 4.
Started by hand it has nobody to work for. How it is meant to be started:

    over HTTP       procpool serve --config procpool.toml, and in that file
                        [pools.{name}]
                        command = {json.dumps(command, ensure_ascii=False)}{choice}
    attached        {words} --attach SOCKET
    a saved job     {words} --replay FILE [--history]

What it takes and gives: {words} --describe"""
