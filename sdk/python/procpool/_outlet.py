"""The outgoing side of the jobs connection: everything in order, and answers of small jobs together.

Where there is a page, an answer may wait in its ring until the worker has nothing else to do.
"""

from __future__ import annotations

import threading
import time

from ._frames import PROGRESS, frame
from ._page import RING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket
    from typing import List, Optional

    from ._page import Page
    from ._values import Buffer

# Maximum time that an answer waits for others to be sent with, in seconds. A following job that
# takes longer cannot be known before; then the coordinator asks.
LINGER = 0.0002

# Number of progress reports of a job that are sent at once, and then the seconds between two.
BURST, PACE = 10, 0.01


class Outlet:
    """Writes to the coordinator, from the thread that runs the jobs, from the guard and from others."""

    def __init__(self, connection: Optional[Socket]) -> None:
        self._connection = connection  # `None`: nobody listens, as when a saved job is run again.
        self._lock = threading.Lock()
        self._page: Optional[Page] = None
        self._waiting: List[bytes] = []
        self._waiting_bytes = 0
        self._since = 0.0
        self._total = 0
        self._is_asked = False
        self._report: Optional[bytes] = None  # the latest progress report that was not sent
        self._reports_left = BURST
        self._reported = 0.0
        # Number of the job that may send; frames of jobs that have ended are dropped.
        self.job = 0

    def send_ready(self, ready: bytes, page: Optional[Page]) -> None:
        """Sends `Ready`. Counts the bytes from then on, and keeps answers in this page until they are sent."""
        with self._lock:
            self._send(ready)
            self._page = page
            self._total = 0

    def close(self) -> None:
        """Drops everything from now on: this process is a fork, and not the coordinator's worker."""
        self._connection = self._page = None
        self._waiting = []
        self._lock = threading.Lock()

    def begin_job(self, sequence: int) -> None:
        """Lets this job send."""
        self.job = sequence
        self._reports_left = BURST

    def answer(self, data: bytes, follows: bool) -> None:
        """Sends a job's last frame, at the latest with the next `flush` if another job `follows`."""
        length = len(data)
        with self._lock:
            self.job = 0
            page = self._page
            if page is None or not follows or length > RING // 2 or self._report is not None:
                self._send(data)
            else:
                if self._waiting_bytes + length > RING:
                    self._send(b"")
                page.put(self._total, data)
                self._total += length
                page.written(self._total)
                now = time.monotonic()
                if not self._waiting:
                    self._since = now
                self._waiting.append(data)
                self._waiting_bytes += length
                if now - self._since > LINGER:
                    self._send(b"")
        if self._is_asked:
            self._heed()

    def answer_large(self, head: bytes, output: Buffer) -> None:
        """Sends a job's last frame at once: its head, and an output that is not copied."""
        with self._lock:
            self.job = 0
            self._send(head, output)
        if self._is_asked:
            self._heed()

    def send(self, data: bytes) -> None:
        """Sends a frame at once, after everything that waits."""
        with self._lock:
            self._send(data)
        if self._is_asked:
            self._heed()

    def send_quietly(self, data: bytes) -> None:
        """Sends a frame that belongs to no job. If nobody is there to read it, the job's end finds out."""
        try:
            self.send(data)
        except OSError:
            pass

    def send_for(self, sequence: int, data: bytes) -> bool:
        """Sends a frame of a job. Returns `False`, and sends nothing, if that job has ended."""
        if self._connection is None:
            return False
        try:
            with self._lock:
                if self.job != sequence:
                    return False
                self._send(data)
            if self._is_asked:
                self._heed()
        except OSError:
            # The coordinator is gone: the guard ends the worker, or the job's end finds out.
            return False
        return True

    def progress(self, sequence: int, header: bytes) -> None:
        """Sends a progress report, or keeps it to be sent later in place of any before it."""
        report = frame(PROGRESS, header, sequence=sequence)
        now = time.monotonic()
        with self._lock:
            gained = int((now - self._reported) / PACE)
            if gained > 0:
                self._reports_left = min(BURST, self._reports_left + gained)
                self._reported = now
            may_send = self._reports_left > 0
            if self.job == sequence:
                self._reports_left -= may_send
                self._report = None if may_send else report
        if may_send:
            self.send_for(sequence, report)
        elif self._is_asked:
            self.flush_quietly()

    def flush_quietly(self) -> None:
        """Sends the answers that wait. If nobody is there to read them, the job's end finds out."""
        try:
            self.flush_soon()
        except OSError:
            pass

    def flush(self) -> None:
        """Sends the answers that wait."""
        if self._waiting:
            with self._lock:
                self._send(b"")

    def flush_soon(self) -> None:
        """Sends them for the guard, which must not wait. A thread that is sending does it instead."""
        self._is_asked = True
        self._heed()

    def _heed(self) -> None:
        while self._is_asked and self._lock.acquire(blocking=False):
            try:
                self._is_asked = False
                self._send(b"")
            finally:
                self._lock.release()

    def _send(self, data: bytes, output: Optional[Buffer] = None) -> None:
        """Sends everything that waits, and this. The caller has the lock."""
        connection = self._connection
        if connection is None:
            return
        fresh = len(data)
        if self._report is not None and data:
            data, self._report = self._report + data, None
            fresh = len(data)
        if self._waiting:
            data = b"".join(self._waiting) + data
            self._waiting.clear()
            self._waiting_bytes = 0
        if data:
            connection.sendall(data)
        if output is not None:
            connection.sendall(output)
            fresh += len(output)
        # Counted after it was sent: the ring does not have these bytes.
        self._total += fresh
        if self._page is not None and fresh:
            self._page.written(self._total)
