"""Keeps a worker that starts from starting pools of its own: each of their workers would do so, too."""

from __future__ import annotations

import sys

# The functions of `_start` that are at work while a worker imports its program and makes its state.
_STARTING = frozenset(("import_target", "load"))


# Whether this worker imports the main module of its program right now.
imports_main = False


class StopImport(BaseException):
    """Ends the import of a main module where it would start workers of its own."""


def refuse_while_starting(what: str) -> None:
    """Raises `RuntimeError` in a worker that is not ready yet. A job may have pools of its own."""
    if imports_main:
        raise StopImport
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name in _STARTING and frame.f_globals.get("__name__") == f"{__package__}._start":
            raise RuntimeError(
                f"a worker that starts imports the module that makes this {what}, and would make another: "
                'make it in a function, or below `if __name__ == "__main__":`'
            )
        frame = frame.f_back  # type: ignore[assignment]
