"""Ends what a program no longer refers to."""

from __future__ import annotations

import threading
import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


def when_collected(owner: object, function: Callable[..., object], *arguments: object) -> weakref.finalize[Any, Any]:
    """Calls a function when `owner` is collected, unless it is detached before. Not at exit.

    In a thread of its own: the garbage collector runs anywhere, also in a thread that holds a lock that
    the function needs.
    """
    finalizer = weakref.finalize(owner, _call_in_thread, function, arguments)
    finalizer.atexit = False
    return finalizer


def _call_in_thread(function: Callable[..., object], arguments: Any) -> None:
    try:
        threading.Thread(target=function, args=arguments, name="procpool-end").start()
    except RuntimeError:  # The interpreter is at its end, and so is the server.
        pass
