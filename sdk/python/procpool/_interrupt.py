"""Raises `Cancelled` in the function of a cancelled job, wherever it is, and nowhere else.

The guard sends SIGURG, which is ignored by default, to the main thread. Its handler raises only
while a function runs, once for each job, and not while this package is at work on its behalf.
"""

from __future__ import annotations

import signal
import threading

from ._errors import Cancelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Optional

    from ._context import Context


class Interrupts:
    """Between `armed = context` and `armed = None`, a cancel of that job raises `Cancelled`.

    Within `with interrupts:` it waits for the end of the block: a frame is written whole.
    """

    def __init__(self) -> None:
        self.armed: Optional[Context] = None
        self._depth = 0
        self._is_pending = False
        self._thread = threading.get_ident()
        self._is_installed = False

    def install(self) -> None:
        """Installs the handler. Only the main thread can."""
        signal.signal(signal.SIGURG, self._handle)
        self._is_installed = True

    def uninstall(self) -> None:
        """Restores the default, as in a fork of the worker."""
        self.armed = None
        if self._is_installed:
            self._is_installed = False
            signal.signal(signal.SIGURG, signal.SIG_DFL)

    def fire(self) -> None:
        """Interrupts the main thread, also in a system call."""
        if self._is_installed:
            signal.pthread_kill(self._thread, signal.SIGURG)

    def _handle(self, _number: int, _stack: Optional[FrameType]) -> None:
        context = self.armed
        if context is None or not context._is_cancelled:
            return
        if self._depth:
            self._is_pending = True
            return
        self.armed = None
        raise Cancelled("the job was cancelled")

    def __enter__(self) -> None:
        if threading.get_ident() == self._thread:
            self._depth += 1

    def __exit__(self, kind: Optional[type], *_: object) -> None:
        if threading.get_ident() != self._thread:
            return
        self._depth -= 1
        if self._depth == 0 and self._is_pending:
            self._is_pending = False
            self.armed = None
            if kind is None:
                raise Cancelled("the job was cancelled")
