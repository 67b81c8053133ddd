"""The names of the host side: pools, the executor, and their errors. Workers do not import them."""

from __future__ import annotations

from ._executor import Executor
from ._executor_state import ExecutorBroken, WorkerCrashed, WorkersFail
from ._futures import JobFuture
from ._outcomes import (
    Broke,
    Crashed,
    Failed,
    InputRejected,
    JobCancelled,
    JobError,
    OutputTooLarge,
    Panicked,
    Poisoned,
    ProtocolBroken,
    Refused,
    ServerError,
    ServerGone,
    ShutDown,
    TimedOut,
)
from ._pool import Pool
from ._stream import Stream

__all__ = [
    "Broke",
    "Crashed",
    "Executor",
    "ExecutorBroken",
    "Failed",
    "InputRejected",
    "JobCancelled",
    "JobError",
    "JobFuture",
    "OutputTooLarge",
    "Panicked",
    "Poisoned",
    "Pool",
    "ProtocolBroken",
    "Refused",
    "ServerError",
    "ServerGone",
    "ShutDown",
    "Stream",
    "TimedOut",
    "WorkerCrashed",
    "WorkersFail",
]
