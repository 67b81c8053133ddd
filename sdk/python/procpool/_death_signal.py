"""Has this process continued when its parent dies: a worker that was stopped could not end itself.

WIRE.md, "Orphans". By `_ctypes`, which `ctypes` wraps: the wrapper costs four times as much of a start.
"""

from __future__ import annotations

import sys
from signal import SIGCONT

_PR_SET_PDEATHSIG = 1


def ask_for_a_signal() -> None:
    """Asks the kernel for SIGCONT. Call it on the main thread, with which the request ends."""
    if not sys.platform.startswith("linux"):
        return
    try:
        _prctl(_PR_SET_PDEATHSIG, int(SIGCONT))
    except Exception:  # An interpreter without `_ctypes`: only a stopped worker misses the signal.
        pass


def _prctl(option: int, argument: int) -> None:
    import _ctypes

    class Number(_ctypes._SimpleCData):  # type: ignore[type-arg]
        _type_ = "l"

    class Function(_ctypes.CFuncPtr):
        _flags_ = _ctypes.FUNCFLAG_CDECL
        _argtypes_ = (Number,) * 5
        _restype_ = Number

    address = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type]
    Function(address)(option, argument, 0, 0, 0)
