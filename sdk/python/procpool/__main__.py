"""`python -m procpool module:function`: serves a function that knows nothing of procpool."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

    from ._target import Target

_USAGE = """\
usage: python -m procpool module:function [--describe | --help | --attach SOCKET | --replay FILE [--history]]

Runs a function for the jobs of a pool:  command = ["python3", "-m", "procpool", "module:function"]"""


def main(arguments: List[str]) -> None:
    """Serves the function that the first argument names."""
    if not arguments or arguments[0].startswith("-"):
        print(_USAGE, file=sys.stdout if arguments in (["--help"], ["-h"]) else sys.stderr)
        sys.exit(0 if arguments in (["--help"], ["-h"]) else 2)
    from ._serve import run
    from ._socket_io import keep_from_programs, was_spawned

    if was_spawned():
        # Before the module is imported: it may start programs.
        keep_from_programs()
    name = arguments[0]

    def make() -> List[Target]:
        from ._start import import_target
        from ._target import Mark, Target

        function = import_target(name)
        return [Target(function, Mark.of(function))]

    run(make, arguments[1:], [sys.executable or "python3", "-m", "procpool", name])


if __name__ == "__main__":
    main(sys.argv[1:])
