"""Decides which requests are at the server, and which wait here. Without a lock: its owner has one."""

from __future__ import annotations

from collections import deque

from ._futures import SENDING, WAITING, Request
from ._pacer import Pacer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Deque, List, Optional


class Places:
    """Places at the server: `most`, and `ahead` more for small jobs. The requests without a place wait."""

    def __init__(self, most: int, ahead: int) -> None:
        self.taken = 0
        self.waiting: Deque[Request] = deque()
        self._pacer = Pacer(most, ahead)

    def enter(self, request: Request) -> bool:
        """Gives a request a place. Returns False if it has to wait for one."""
        if self.taken >= self._pacer.limit:
            self.waiting.append(request)
            return False
        self.taken += 1
        request.state = SENDING
        return True

    def next(self) -> Optional[Request]:
        """Returns the request that takes a place that has become free. Gives the place up if none waits."""
        request = self._next_waiting() if self.taken <= self._pacer.limit else None
        if request is None:
            self.taken -= 1
        return request

    def following(self) -> List[Request]:
        """Returns the requests to send after an answer: one for its place, and others if the limit grew."""
        following: List[Request] = []
        self._pacer.answered()
        while self.taken - 1 + len(following) < self._pacer.limit:
            request = self._next_waiting()
            if request is None:
                break
            following.append(request)
        self.taken += max(0, len(following) - 1)
        return following

    def _next_waiting(self) -> Optional[Request]:
        while self.waiting:
            request = self.waiting.popleft()
            if request.state == WAITING:
                request.state = SENDING
                return request
        return None
