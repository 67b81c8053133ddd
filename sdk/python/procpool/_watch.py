"""Ends a worker whose coordinator dies while the program is imported.

The guard starts when the coordinator has answered `Hello`, and that needs the function. An import
that never ends would outlive the coordinator for ever.
"""

from __future__ import annotations

import os
import select
import signal
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket
    from typing import Callable, TypeVar

    T = TypeVar("T")


def watched(work: Callable[[], T], control: Socket) -> Callable[[], T]:
    """Returns a function that does the work, and during it ends this process with the coordinator.

    By a thread that ends with the work. It reads nothing: the guard needs all of what comes.
    """

    def run() -> T:
        stop, stopper = os.pipe()
        watch = threading.Thread(target=_watch, args=(control, stop), name="procpool-watch", daemon=True)
        watch.start()
        try:
            return work()
        finally:
            os.write(stopper, b".")  # Not by closing it: a fork of the program may have it, too.
            watch.join()
            os.close(stopper)
            os.close(stop)

    return run


def _watch(control: Socket, stop: int) -> None:
    poll = select.poll()
    poll.register(control, 0)  # Its end alone.
    poll.register(stop, select.POLLIN)
    found = poll.poll()
    if any(descriptor != stop for descriptor, _ in found):
        # `Welcome` has not said yet who made the process group. A leader of a session has its own.
        os.kill(0 if os.getsid(0) == os.getpid() else os.getpid(), signal.SIGKILL)
