"""The errors of this package: those that functions raise, and those that end a worker."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Failure(Exception):
    """Says no to the caller: outcome `failed`, HTTP 422. The worker takes the next job.

    `code` is a short word for programs. `details` is any JSON value; one that takes more than 16 KiB
    is left out. `retryable` tells the caller that the same job may succeed later.
    """

    def __init__(self, message: str, *, code: str = "failed", details: Any = None, retryable: bool = False) -> None:
        super().__init__(message)
        self.message = str(message)
        self.code = str(code)
        self.details = details
        self.retryable = bool(retryable)


class BadInput(Exception):
    """Says that the input is not what the job takes: outcome `bad_input`, HTTP 400."""


class Cancelled(BaseException):
    """Is raised in a function whose job was cancelled or whose deadline passed.

    Not an `Exception`, so that a broad `except Exception` does not catch it.
    """


class WorkerExit(Exception):
    """Ends the worker process: an exit code, and a sentence for standard error."""

    code = 1


class StartError(WorkerExit):
    """The function cannot be served. The start of the pool fails with this sentence."""


class NotAWorker(WorkerExit):
    """Nobody to work for, or a saved job that this worker cannot run."""

    code = 2


class CoordinatorGone(WorkerExit):
    """The coordinator closed its connections."""

    code = 3


class HandshakeError(WorkerExit):
    """The handshake failed, or the coordinator refused this worker."""

    code = 4


class ProtocolError(WorkerExit):
    """The coordinator broke the protocol."""

    code = 5

    def __init__(self, reason: str) -> None:
        super().__init__(f"the coordinator broke the protocol: {reason}")
