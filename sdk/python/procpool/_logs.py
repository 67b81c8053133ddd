"""Lines of log that know their job and their level: `Log` frames, also from `logging`."""

from __future__ import annotations

import json
import sys

from . import _context
from ._codec import MAX_TEXT, cut
from ._frames import IGNORABLE, LOG, MAX_HEADER, frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional

    from ._session import Session

LEVELS = ("error", "warn", "info", "debug", "trace")


def log_frame(level: str, message: str, target: Optional[str], sequence: int) -> bytes:
    """Returns a `Log` frame. Raises `ValueError` for a level that does not exist."""
    if level not in LEVELS:
        raise ValueError(f"{level!r} is no level: use one of {', '.join(LEVELS)}")
    limit = MAX_TEXT
    while True:
        fields: Dict[str, str] = {"level": level, "message": cut(message, limit).decode()}
        if target:
            fields["target"] = cut(target, limit).decode()
        header = json.dumps(fields, ensure_ascii=False).encode()
        if len(header) <= MAX_HEADER:
            return frame(LOG, header, flags=IGNORABLE, sequence=sequence)
        limit //= 2  # Control characters take six bytes each.


def install(session: Session, wanted: Optional[bool]) -> None:
    """Sends the records of `logging`'s root to the server, unless the program handles them itself.

    `wanted` is true to send them in any case, and false never to send them. A program that has not
    imported `logging` does not have to: the import costs a tenth of a start.
    """
    logging = sys.modules.get("logging")
    if logging is None or session.has_log_handler:
        return
    # Decided once: a program that adds a handler later has both.
    session.has_log_handler = True
    if wanted is False or (logging.root.handlers and not wanted):
        return
    from . import _logging_handler

    logging.root.addHandler(_logging_handler.FrameHandler(session))


def job_of_thread() -> int:
    """Returns the number of the job that runs in this thread or task, or 0."""
    context = _context.running.get(None)
    return 0 if context is None else context._sequence
