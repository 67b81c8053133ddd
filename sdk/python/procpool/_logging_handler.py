"""The handler that makes `Log` frames of the records of `logging`.

Is imported only in programs that use `logging`.
"""

from __future__ import annotations

import logging
import sys

from ._logs import job_of_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._session import Session

_LEVELS = ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info"), (logging.DEBUG, "debug"))


class FrameHandler(logging.Handler):
    """Sends each record with its level, its logger's name and the number of its job."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def emit(self, record: logging.LogRecord) -> None:
        """Sends a record. A fork of the worker prints it instead."""
        try:
            message = self.format(record)
            level = next((name for least, name in _LEVELS if record.levelno >= least), "trace")
            if self._session.is_forked:
                print(f"{level} {record.name}: {message}", file=sys.stderr)
                return
            with self._session.interrupts:
                self._session.log(level, message, record.name, job_of_thread())
        except Exception:
            self.handleError(record)
