"""How many requests are at the server at a time: more while answers follow each other quickly."""

from __future__ import annotations

import time

# Seconds of work that may wait at the server beyond `most` requests.
_AHEAD_TIME = 0.005
# Of the time between two answers, the latest counts for this part.
_WEIGHT = 1 / 8
_LONG = 1.0


class Pacer:
    """Sets `limit` to `most`, and up to `ahead` above while the work is small.

    A worker that is done with a small job then finds the next one there. What is not sent yet can be
    cancelled without a trace.
    """

    def __init__(self, most: int, ahead: int) -> None:
        self.limit = most
        self._most = most
        self._ahead = ahead
        self._gap = _LONG
        self._last_answer = 0.0

    def answered(self) -> None:
        """Notes that an answer came."""
        if self._ahead:
            now = time.monotonic()
            self._gap += (min(now - self._last_answer, _LONG) - self._gap) * _WEIGHT
            self._last_answer = now
            self.limit = self._most + min(self._ahead, int(_AHEAD_TIME / (self._gap + 1e-9)))
