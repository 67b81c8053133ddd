"""Raises `Cancelled` in the function of a cancelled job, wherever it is, and nowhere else.

The guard sends SIGURG, which is ignored by default, to the main thread. Its handler raises only
while a function runs, once for each job, and not while this package is at work on its behalf.
"""

from __future__ import annotations

import signal
import sys
import threading

from ._errors import Cancelled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Callable, Optional

    from ._context import Context


# Seconds until a `Cancelled` that was swallowed is raised again.
_AGAIN = 0.01


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
        # The running job, if `Cancelled` was raised in it.
        self.raised: Optional[Context] = None
        self._report: Optional[Callable[[sys.UnraisableHookArgs], Any]] = None

    def install(self) -> None:
        """Installs the handler. Only the main thread can."""
        signal.signal(signal.SIGURG, self._handle)
        self._is_installed = True
        self._report, sys.unraisablehook = sys.unraisablehook, self._swallowed

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
        self.raised, self.armed = context, None
        raise Cancelled("the job was cancelled")

    def _swallowed(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Raises `Cancelled` again soon if a `__del__` or a callback in C has swallowed it.

        The function still runs then: its end disarms after this.
        """
        context = self.raised
        if isinstance(unraisable.exc_value, Cancelled) and context is not None:
            self.raised, self.armed = None, context
            again = threading.Timer(_AGAIN, self.fire)
            again.daemon = True
            again.start()
        elif self._report is not None:
            self._report(unraisable)

    def __enter__(self) -> None:
        if threading.get_ident() == self._thread:
            self._depth += 1

    def __exit__(self, kind: Optional[type], *_: object) -> None:
        if threading.get_ident() != self._thread:
            return
        self._depth -= 1
        if self._depth == 0 and self._is_pending:
            self._is_pending = False
            context, self.armed = self.armed, None
            if kind is None:
                # A `__del__` may be what called, and swallow it.
                self.raised = context
                raise Cancelled("the job was cancelled")
