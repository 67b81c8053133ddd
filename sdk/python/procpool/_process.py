"""What a worker process does with signals, forks, output and its own end."""

from __future__ import annotations

import os
import signal
import sys
import threading

from ._calls import close_loop
from ._guard import complain
from ._verdict import flush_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn, Optional

    from ._session import Session

_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def settle(session: Session, interrupt: bool) -> None:
    """Prepares the process: output by lines, stop signals, cancels, forks."""
    if hasattr(sys.stdout, "reconfigure"):
        # A pipe is block-buffered: lines would come late, or not at all.
        sys.stdout.reconfigure(line_buffering=True)
    session.is_interruptible = interrupt
    handled = []
    for number in _STOPS:
        # A stop of the whole service reaches the workers, too: the pool lets their jobs finish. By a
        # handler, since programs that a job starts would inherit that a signal is ignored.
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _pass)
            handled.append(number)
    if interrupt:
        session.interrupts.install()

    def after_fork() -> None:
        session.is_forked = True
        session.outlet.close()
        session.interrupts.uninstall()
        for number in handled:
            if signal.getsignal(number) is _pass:
                signal.signal(number, signal.SIG_DFL)
        for connection in (session.jobs, session.control):
            if connection is not None:
                connection.close()

    os.register_at_fork(after_in_child=after_fork)


def _pass(_number: int, _stack: Optional[FrameType]) -> None:
    """Ignores a signal."""


def leave(code: int) -> NoReturn:
    """Ends the process with this code: by `sys.exit`, unless threads are left that would hold it up."""
    try:
        close_loop()
    except Exception as error:  # A task that does not let itself be cancelled.
        complain(f"failed to end the tasks that jobs have left: {error}")
    main = threading.main_thread()
    left = [thread.name for thread in threading.enumerate() if thread is not main and not thread.daemon]
    if not left or (code == 0 and all(name.startswith("asyncio_") for name in left)):
        sys.exit(code)
    complain(f"threads that jobs have started still run: {', '.join(left[:10])}; this worker ends without them")
    import atexit

    try:
        atexit._run_exitfuncs()
    finally:
        flush_output()
        os._exit(code)
