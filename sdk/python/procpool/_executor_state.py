"""What an executor starts: a server with workers that call functions, and connections to it."""

from __future__ import annotations

import atexit
import os
import pickle
import sys
import threading
import weakref
from concurrent.futures.process import BrokenProcessPool, _RemoteTraceback
from multiprocessing.process import current_process
from typing import Any

from . import _main_module
from . import _runtime_dir as runtime
from ._client import Client
from ._dispatcher import Dispatcher
from ._nesting import refuse_while_starting
from ._outcomes import Crashed, Refused, ServerError, arguments_of
from ._pickled import RAISED, START_FILE
from ._pickles import kind_of, load
from ._server import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional

    from ._client import Answer
    from ._futures import JobFuture

# Jobs at the server beyond one for each worker: a worker that becomes free has its next job at once.
# The second number is for small jobs, which the server sends to workers ahead of their turn.
_AHEAD, _SMALL_AHEAD = 4, 64
MAX_BODIES = 1 << 36


_states: weakref.WeakSet[State] = weakref.WeakSet()
is_exiting = threading.Event()


class WorkerCrashed(Crashed, BrokenProcessPool):
    """The worker died while it ran the call. The executor goes on: other calls are not affected.

    A `BrokenProcessPool` as well, for programs that handle that.
    """


class WorkersFail(Refused, BrokenProcessPool):
    """No worker is there, because workers keep dying while they start."""


class ExecutorBroken(ServerError, BrokenProcessPool):
    """The server or the first workers did not start: the initializer raised, or the program fails to import."""


_AS_BROKEN = {Crashed: WorkerCrashed, Refused: WorkersFail}


class State:
    """What an executor has started. Outlives it while calls are left."""

    def __init__(
        self, keys: Callable[..., Dict[str, Any]], env: Dict[str, str], start: Optional[bytes], workers: int
    ) -> None:
        self._keys = keys
        self._env = env
        self._start = start
        self._most = workers + _AHEAD
        self._lock = threading.Lock()
        self._running: Optional[_Running] = None
        self._broken: Optional[str] = None
        self._has_ended = threading.Event()
        _states.add(self)

    def running(self) -> _Running:
        """Returns what was started, and starts it for the first call. A start that failed has failed for good."""
        if self._running is not None:
            return self._running
        with self._lock:
            if self._broken is not None:
                raise ExecutorBroken(self._broken)
            if self._running is None:
                refuse_while_starting("Executor")
                file = runtime.write_file(pickle.dumps((_preparation(), _main_module.describe(), self._start)))
                try:
                    keys = self._keys(env={**self._env, START_FILE: file})
                    self._running = _Running(keys, file, self._most)
                except BaseException as error:
                    runtime.remove(file)
                    if not isinstance(error, ServerError):
                        raise
                    self._broken = str(error)
                    raise ExecutorBroken(self._broken) from None
            return self._running

    def cancel_waiting(self) -> None:
        """Cancels the calls that no worker may have begun."""
        if self._running is not None:
            self._running.dispatcher.cancel_waiting()

    def end_when_idle(self) -> None:
        """Ends the workers when no call is left."""
        if self._running is None:
            self._has_ended.set()
        else:
            self._running.dispatcher.when_idle(self._close)

    def _close(self) -> None:
        try:
            if self._running is not None:
                self._running.close()
        finally:
            self._has_ended.set()

    def join(self) -> None:
        """Waits until the workers have ended."""
        self._has_ended.wait()
        if self._running is not None:
            self._running.dispatcher.join()


class _Running:
    """A server with workers, and the connections to it."""

    def __init__(self, keys: Dict[str, Any], file: str, most: int) -> None:
        self._file = file
        self._owner = os.getpid()
        self._server = Server(keys, {"max_bodies": MAX_BODIES, "max_answers": MAX_BODIES})
        self._server.address()
        self.client = Client(self._server.address, most)
        self.dispatcher = Dispatcher(self.client, most, _SMALL_AHEAD)

    def submit(self, parts: List[Any], size: int) -> JobFuture:
        return self.dispatcher.submit(_HEAD % size, parts, size, _result_of)

    def close(self) -> None:
        self.dispatcher.close()
        self.client.close()
        self._server.close()
        if self._owner == os.getpid():
            runtime.remove(self._file)


_HEAD = (
    b"POST /v1/pools/pool/jobs HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
)


def _result_of(answer: Answer) -> Any:
    """Returns what the call returned, or raises what it raised."""
    if answer.status != 200:
        error = answer.error()
        broken = _AS_BROKEN.get(type(error))
        raise error if broken is None else broken(*arguments_of(error))
    try:
        value = load(answer.body)
    except Exception as error:
        raise pickle.UnpicklingError(f"the result cannot be unpickled here: {type(error).__name__}: {error}") from error
    if kind_of(answer.body) == RAISED:
        raised: BaseException = value[0]
        raised.__cause__ = _RemoteTraceback(f'\n"""\n{value[1]}"""')  # type: ignore[arg-type]
        raise raised
    return value


def _preparation() -> Dict[str, Any]:
    """Returns what `multiprocessing.spawn.prepare` needs: the import path, the directory, the command line."""
    return {
        "sys_path": [os.getcwd() if each == "" else each for each in sys.path],
        "sys_argv": list(sys.argv),
        "dir": os.getcwd(),
        "orig_dir": os.getcwd(),
        # Managers of this program know their clients by it.
        "authkey": bytes(current_process().authkey),
    }


def _at_exit() -> None:
    """Waits for the calls that were submitted, as `ProcessPoolExecutor` does."""
    is_exiting.set()
    states = list(_states)
    for state in states:
        state.end_when_idle()
    for state in states:
        state.join()


getattr(threading, "_register_atexit", atexit.register)(_at_exit)
