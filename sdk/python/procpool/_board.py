"""Notes from the guard for the thread that runs the jobs: cancels, credit, the shutdown.

Jobs are known by their sequence numbers, which rise. So a cancel that comes after its job can be
distinguished from one that comes before it, and hits no other job.
"""

from __future__ import annotations

import threading

from ._errors import Cancelled, ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional, Set

    from ._context import Context
    from ._page import Page

MAX_EARLY_CANCELS = 64

RUN, PASSED_OVER, WAS_CANCELLED = 0, 1, 2


class Board:
    """Is shared by the guard and the thread that runs the jobs."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._changed = threading.Condition(threading.Lock())
        self._early: Set[int] = set()
        self._newest = 0
        self._running: Optional[Context] = None
        self._waiting = 0  # threads that wait for credit
        self._is_shut_down = False
        self.page: Optional[Page] = None

    def start(self, sequence: int, context: Context) -> int:
        """Starts a job, and returns its fate: run, passed over, or cancelled before it came."""
        newest = self._newest
        if sequence <= newest:
            raise ProtocolError(f"job {sequence} came after job {newest}, but sequence numbers rise")
        if self.page is not None and not self.page.claims(sequence, newest):
            return PASSED_OVER
        with self._changed:
            self._newest = sequence
            self._running = context
            if self._waiting:
                self._changed.notify_all()  # Threads of the job before: it has ended.
            if self._early:
                if sequence in self._early:
                    context._is_cancelled = True
                self._early = {early for early in self._early if early > sequence}
        return WAS_CANCELLED if context._is_cancelled else RUN

    def cancel(self, sequence: int) -> None:
        """Notes that nobody wants the outcome of this job."""
        with self._changed:
            running = self._running
            if running is not None and running._sequence == sequence:
                running._is_cancelled = True
                self._changed.notify_all()
            else:
                if sequence > self._newest and len(self._early) < MAX_EARLY_CANCELS:
                    self._early.add(sequence)
                return
        wake = running._wake
        if wake is not None:
            wake()
        else:
            self._interrupt()

    def add_credit(self, sequence: int, chunks: int) -> None:
        """Notes that a job may send more chunks."""
        with self._changed:
            running = self._running
            if running is not None and running._sequence == sequence and running._credit is not None:
                running._credit += chunks
                self._changed.notify_all()

    def take_credit(self, context: Context) -> bool:
        """Waits until a job may send a chunk. Returns `False` if nobody listens; raises `Cancelled`."""
        with self._changed:
            while not context._is_cancelled:
                if context._credit is None:
                    return False
                if context._credit > 0:
                    context._credit -= 1
                    return True
                if self._running is not context:
                    return False
                self._waiting += 1
                self._changed.wait()
                self._waiting -= 1
        raise Cancelled("the job was cancelled")

    def shut_down(self) -> None:
        """Notes that the coordinator asks the worker to exit."""
        with self._changed:
            self._is_shut_down = True
            self._changed.notify_all()

    def await_shutdown(self, patience: float) -> bool:
        """Waits for the request to exit, for at most `patience` seconds. Returns whether it came."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_shut_down, patience)
