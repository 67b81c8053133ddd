"""What a worker process does with signals, forks, output and its own end."""

from __future__ import annotations

import atexit
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
    from typing import Any, Callable, Dict, List, NoReturn, Optional, Set

    from ._session import Session

    Handlers = Dict[signal.Signals, Any]

# Seconds that the interpreter waits at its end for threads that jobs have left. A pool waits longer.
_PATIENCE = 1.0

# Numbers of the system call by which a template forks, on the machines where its arguments are known.
CLONE = {"x86_64": 56, "aarch64": 220, "riscv64": 220, "loongarch64": 220, "ppc64le": 120}

_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Those by which the own supervisor of an attached worker stops it.
_ORDERS = (signal.SIGTERM, signal.SIGINT)


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
    # A stop of the whole service reaches the workers, too: the pool lets their jobs finish. By a
    # handler, since programs that a job starts would inherit that a signal is ignored.
    stop = _order(session) if session.is_attached else _pass
    for number in _ORDERS if session.is_attached else _STOPS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            handled[number] = signal.signal(number, stop)
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
        # A worker that a template forks has the template's actions.
        if self._session.forks_workers:
            return
        # A signal that comes before the fork has its own actions would be lost to it.
        self._masks[threading.get_ident()] = signal.pthread_sigmask(signal.SIG_BLOCK, self._handled)

    def _restore(self) -> None:
        mask = self._masks.pop(threading.get_ident(), None)
        if mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _in_child(self) -> None:
        session = self._session
        if session.forks_workers:
            return
        session.is_forked = True
        session.outlet.close()
        session.interrupts.uninstall()
        for number, before in self._handled.items():
            # What a program has set since is its own.
            if getattr(signal.getsignal(number), "__module__", None) == __name__:
                signal.signal(number, before)
        for connection in (session.jobs, session.control):
            if connection is not None:
                connection.close()
        self._restore()


def end_by_stops() -> None:
    """Lets SIGINT end the process without a traceback: a worker that stands by has nothing to finish."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _order(session: Session) -> Callable[[int, Optional[FrameType]], None]:
    """Returns what an attached worker does at a stop: it finishes its job. A second one ends it at once."""

    def order(_number: int, _stack: Optional[FrameType]) -> None:
        session.is_stopped = True
        for number in _ORDERS:
            if signal.getsignal(number) is order:
                signal.signal(number, signal.SIG_DFL)
        if session.jobs is not None:
            try:
                session.jobs.shutdown(0)  # SHUT_RD: the next read returns the end of file.
            except OSError:
                pass

    return order


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
    if _shares_its_state:
        # As a fork of `multiprocessing` ends. The interpreter's own end would take the state apart: that
        # runs finalizers which are the template's, and copies memory that is shared.
        try:
            getattr(threading, "_shutdown", lambda: None)()
            atexit._run_exitfuncs()
        finally:  # Python 3.9 prints what a handler raises, and raises it again.
            flush_output()
            os._exit(code)
    sys.exit(code)


def can_fork() -> bool:
    """Returns whether this process can be a template."""
    if not sys.platform.startswith("linux") or sys.implementation.name != "cpython" or sys.maxsize < 1 << 32:
        return False
    try:
        # Other C libraries keep something else where this one keeps the thread's id.
        return os.uname().machine in CLONE and bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (OSError, ValueError):
        return False


_shares_its_state = False


def leave_exit_handlers() -> None:
    """Leaves what the state has registered for the end of the process to the template.

    A worker that has forked from it would remove the template's temporary directories, for example.
    """
    global _shares_its_state
    _shares_its_state = True
    atexit._clear()
    weakref: Any = sys.modules.get("weakref")
    if weakref is not None:
        for inherited in list(weakref.finalize._registry):
            inherited.atexit = False
        # The next one registers them again.
        weakref.finalize._registered_with_atexit = False


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
