"""One worker's life: everything that the guard, the jobs and their contexts share."""

from __future__ import annotations

from ._board import Board
from ._interrupt import Interrupts
from ._logs import log_frame
from ._outlet import Outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket
    from typing import Any, Dict, Optional

    from ._arenas import Arenas


class Session:
    """What a worker process has once, beside its function."""

    def __init__(self, jobs: Optional[Socket] = None, control: Optional[Socket] = None) -> None:
        self.interrupts = Interrupts()
        self.connect(jobs, control)
        # Whether a cancel raises in the function; if not, the function looks at its context.
        self.is_interruptible = True
        # Whether it was decided who handles the records of `logging`.
        self.has_log_handler = False
        # This process is a fork of the worker: it must not answer.
        self.is_forked = False
        # This process is a template whose forks are workers.
        self.forks_workers = False
        # Somebody else than a coordinator started this process, and may stop it.
        self.is_attached = False
        # They did: the worker takes no further job.
        self.is_stopped = False

    def connect(self, jobs: Optional[Socket], control: Optional[Socket]) -> None:
        """Begins with these connections. A fork of a template begins again, with connections of its own."""
        self.jobs = jobs
        self.control = control
        self.board = Board(self.interrupts.fire)
        self.outlet = Outlet(jobs)
        self.arenas: Optional[Arenas] = None
        self.welcome: Dict[str, Any] = {}
        self.worker_data: Any = None
        self.max_payload = (1 << 32) - 1

    def log(self, level: str, message: str, target: Optional[str], sequence: int) -> None:
        """Sends a line of log about a job, or about none if that job has ended."""
        if not (sequence and self.outlet.send_for(sequence, log_frame(level, message, target, sequence))):
            self.outlet.send_quietly(log_frame(level, message, target, 0))
