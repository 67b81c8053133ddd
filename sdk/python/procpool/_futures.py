"""A job on its way, and the future that waits for it."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional, Sequence

    from ._client import Answer, Buffer, Connection
    from ._dispatcher import Dispatcher
    from ._lent import Memory

# States of a request: not sent, being sent, sent, and claimed by the thread that completes its future.
WAITING, SENDING, SENT, ENDED = range(4)


class JobFuture(Future[Any]):
    """The future of a job. `cancel` works while the job runs, too: the job is cancelled at the server."""

    _request: Optional[Request] = None

    def result(self, timeout: Optional[float] = None) -> Any:
        """Returns the output of the job, or raises its error. `timeout` are the seconds to wait."""
        request = self._request
        if request is not None and request.state == SENT:
            end = None if timeout is None else time.monotonic() + timeout
            request.receive(timeout)
            timeout = None if end is None else end - time.monotonic()
        return super().result(timeout)

    def cancel(self) -> bool:
        """Cancels the job, also one that runs. Returns False if it has ended before."""
        request = self._request
        if request is None or not request.take_back():
            return self.cancelled()
        return self._end_cancelled()

    def _end_cancelled(self) -> bool:
        super().cancel()
        # Only this wakes `wait` and `as_completed`.
        self.set_running_or_notify_cancel()
        self._request = None
        return True

    def running(self) -> bool:
        """Returns whether the job is at the server, waiting or running."""
        request = self._request
        return request is not None and request.is_at_server() and not self.done()


class Request:
    """A job on its way, and the future that waits for it."""

    __slots__ = ("_decode", "_dispatcher", "connection", "future", "head", "memory", "parts", "size", "state")

    def __init__(
        self,
        dispatcher: Dispatcher,
        head: bytes,
        parts: Sequence[Buffer],
        size: int,
        decode: Callable[[Answer], Any],
    ) -> None:
        self._dispatcher = dispatcher
        self._decode = decode
        self.head = head
        self.parts = parts
        self.size = size
        self.memory: Optional[Memory] = None
        self.connection: Optional[Connection] = None
        self.state = WAITING
        self.future = JobFuture()
        self.future._request = self

    def is_at_server(self) -> bool:
        return self.state in (SENDING, SENT)

    def receive(self, timeout: Optional[float]) -> None:
        """Receives the answer in this thread, if that is quicker."""
        self._dispatcher.receive(self, timeout)

    def take_back(self) -> bool:
        """Claims the future for a cancel. Returns False if somebody has completed it, or is about to."""
        return self._dispatcher.take_back(self)

    def succeed(self, answer: Answer) -> None:
        """Completes the future. Has been claimed by the caller."""
        decode, memory, future = self._decode, self.memory, self._part()
        try:
            if memory is not None:
                answer = self._dispatcher.memories.take_answer(memory, answer)
            value = decode(answer)
        except BaseException as error:
            # Whatever a result does when it is unpickled must not end the thread.
            self._fail(future, error)
            # The error refers to this frame, and the frame to the error.
            del error, future
        else:
            future.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Completes the future with an error. Has been claimed by the caller."""
        self._fail(self._part(), error)

    @staticmethod
    def _fail(future: JobFuture, error: BaseException) -> None:
        future.set_exception(error)

    def _part(self) -> JobFuture:
        """Returns the future, and drops all that is not needed any longer."""
        future = self.future
        future._request = None
        self.parts = ()
        self.memory = None
        return future
