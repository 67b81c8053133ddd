"""What a worker process does with signals, forks, output and its own end."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import threading
import time

from ._calls import close_loop
from ._death_signal import ask_for_a_signal
from ._guard import complain
from ._verdict import flush_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Dict, List, NoReturn, Optional, Set

    from ._session import Session

    Handlers = Dict[signal.Signals, Any]

# Seconds that the interpreter waits at its end for threads that jobs have left. A pool waits longer.
_PATIENCE = 1.0

_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def settle(session: Session, interrupt: bool) -> None:
    """Prepares the process: output by lines, last words, stop signals, cancels, forks."""
    if hasattr(sys.stdout, "reconfigure"):
        # A pipe is block-buffered: lines would come late, or not at all.
        sys.stdout.reconfigure(line_buffering=True)
    if not faulthandler.is_enabled():
        # A crash report then ends with the line of Python that crashed.
        faulthandler.enable(2, all_threads=False)
    ask_for_a_signal()
    session.is_interruptible = interrupt
    handled: Handlers = {}
    for number in _STOPS:
        # A stop of the whole service reaches the workers, too: the pool lets their jobs finish. By a
        # handler, since programs that a job starts would inherit that a signal is ignored.
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            handled[number] = signal.signal(number, _pass)
    if interrupt:
        session.interrupts.install()
    _Forks(session, handled).register()


class _Forks:
    """Makes a fork of the worker a process of its own: it cannot answer, and stop signals end it."""

    def __init__(self, session: Session, handled: Handlers) -> None:
        self._session = session
        self._handled = handled
        self._masks: Dict[int, Set[int]] = {}

    def register(self) -> None:
        """Has the interpreter call this at each fork."""
        os.register_at_fork(before=self._before, after_in_parent=self._restore, after_in_child=self._in_child)

    def _before(self) -> None:
        # A signal that comes before the fork has its own actions would be lost to it.
        self._masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, self._handled)

    def _restore(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.pop(threading.get_ident(), set()))

    def _in_child(self) -> None:
        session = self._session
        session.is_forked = True
        session.outlet.close()
        session.interrupts.uninstall()
        for number, before in self._handled.items():
            if signal.getsignal(number) is _pass:
                signal.signal(number, before)
        for connection in (session.jobs, session.control):
            if connection is not None:
                connection.close()
        self._restore()


def _pass(_number: int, _stack: Optional[FrameType]) -> None:
    """Ignores a signal."""


def leave(code: int) -> NoReturn:
    """Ends the process with this code. Threads that jobs have left get a second."""
    try:
        close_loop()
    except Exception as error:  # A task that does not let itself be cancelled.
        complain(f"failed to end the tasks that jobs have left: {error}")
    if threading.current_thread() is not threading.main_thread():
        flush_output()
        os._exit(code)  # `sys.exit` would end this thread alone.
    if _left_threads():
        threading.Thread(target=_end_without_them, args=(code,), name="procpool-end", daemon=True).start()
    sys.exit(code)


def _left_threads() -> List[str]:
    """Returns the names of the threads for which the interpreter waits at its end."""
    main = threading.main_thread()
    return [each.name for each in threading.enumerate() if each is not main and not each.daemon]


def _end_without_them(code: int) -> None:
    """Ends the process although threads that jobs have started still run. Idle ones end by themselves."""
    time.sleep(_PATIENCE)
    left = _left_threads()
    if left:
        complain(f"threads that jobs have started still run: {', '.join(left[:10])}; the worker ends without them")
        flush_output()
        os._exit(code)
