"""The template: a worker that loads the state and runs no job, and forks a worker for each `Fork`.

WIRE.md, "Templates". It has one thread, which reads the control connection itself: locks of others
would stay locked in a fork. Is imported only where the coordinator asks for a template.
"""

from __future__ import annotations

import fcntl
import gc
import os
import select
import signal
import sys
import threading

from . import _codec as codec
from . import _frames as wire
from . import _process
from . import _socket_io as sockets
from ._errors import CoordinatorGone, Failure, HandshakeError, ProtocolError
from ._guard import description_frame
from ._sibling import Sibling, await_end, other_threads
from ._verdict import flush_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket
    from typing import Any, Callable, List, NoReturn, Optional, Tuple, TypeVar

    from ._session import Session
    from ._target import Target

    T = TypeVar("T")
    # What a new worker has of its own: jobs, control, and descriptors of the page and of arenas.
    Born = Tuple[Socket, Socket, List[int]]

# A `Fork` brings the new worker's standard output, standard error, jobs and control, in this order.
_OWN = (1, 2, sockets.JOBS, sockets.CONTROL)

# Descriptors of a new worker wait at numbers from this one on. Lower ones are a worker's own.
_WAITING = sockets.MEMORY[-1] + 1


class Template:
    """Forks workers. `load` the state first."""

    def __init__(self, session: Session, jobs: Socket, control: Socket, target: Target) -> None:
        self._session = session
        self._target = target
        self._jobs = jobs
        self._control = control
        self._sibling = Sibling()
        self._receiver = sockets.DescriptorReceiver(control)
        self._reader = wire.FrameReader(self._receiver.receive, wire.ON_TEMPLATE, wire.MAX_CONTROL_PAYLOAD)
        self._reader.on_descriptors = self._receiver.assign

    def load(self, work: Callable[[], T]) -> T:
        """Does the work, during which the template does not outlive its coordinator.

        By a thread that ends with the work, and that leaves what the coordinator sends alone.
        """
        stop, stopper = os.pipe()
        started = threading.Thread(target=self._watch, args=(stop,), name="procpool-watch", daemon=True)
        started.start()
        try:
            return work()
        finally:
            os.write(stopper, b".")
            started.join()
            os.close(stopper)
            os.close(stop)
            await_end(started.native_id or 0)

    def _watch(self, stop: int) -> None:
        poll = select.poll()
        poll.register(self._control, 0)  # Its end alone.
        poll.register(stop, select.POLLIN)
        if any(descriptor != stop for descriptor, _ in poll.poll()):
            self._die()

    def serve(self) -> Optional[Born]:
        """Answers the coordinator until it wants no further worker, and then returns `None`.

        In each new worker, it returns what that has.
        """
        session = self._session
        if session.is_forked:
            raise CoordinatorGone("a fork that left the loading of the state cannot serve")
        collects = gc.isenabled()
        # The collector writes to each object that it looks at, and memory that is written to is no longer
        # shared. Frozen objects are those that it does not look at. No collection before: it leaves holes
        # in memory that new objects fill, which are written to.
        gc.disable()
        gc.freeze()
        session.forks_workers = True
        _seed()
        if not self._hear():
            return None
        if collects:
            gc.enable()
        return self._begin()

    def _hear(self) -> bool:
        """Answers the coordinator. Returns `True` in each new process, and `False` in the template at its end."""
        while True:
            try:
                found = self._reader.read()
            except OSError:
                self._die()
            if found is None:
                self._die()
            kind, _, _, sequence, _, _ = found
            if kind == wire.FORK:
                try:
                    if self._fork():
                        return True
                except Failure as failure:
                    header = codec.failure(failure.code, failure.message, None, failure.retryable)
                    self._say(wire.frame(wire.FORK_FAILED, header, sequence=sequence))
                finally:
                    # After the answer: the coordinator sees that, too.
                    if self._session.forks_workers:
                        self._receiver.drop()
            elif kind == wire.PING:
                self._say(wire.frame(wire.PONG, sequence=sequence))
            elif kind == wire.DESCRIBE:
                self._say(description_frame(self._target))
            else:
                return False

    def _fork(self) -> bool:
        """Forks a worker with the descriptors that came. Returns whether this is the worker."""
        count = len(self._receiver.descriptors)
        if count < len(_OWN):
            raise ProtocolError(f"a `Fork` with {count} descriptors; a worker needs {len(_OWN)}")
        refuse_threads()
        flush_output()
        try:
            is_worker = self._sibling.fork()
        except OSError as error:
            raise Failure(f"the system did not fork it: {error}", code="fork") from None
        if is_worker:
            self._session.forks_workers = False
        else:
            # For the next one, which need not wait for it.
            _seed()
        return is_worker

    def _begin(self) -> Born:
        """Makes a new process a worker with connections of its own, of which nobody knows yet."""
        session = self._session
        try:
            self.release()  # Their numbers are the new connections'.
            given, self._receiver.descriptors = self._receiver.descriptors, []
            if min(given) <= sockets.CONTROL:  # The state has closed one of the first descriptors.
                waiting = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _WAITING) for each in given]
                for each in given:
                    os.close(each)
                given = waiting
            for number, each in zip(_OWN, given):
                os.dup2(each, number, inheritable=number < sockets.JOBS)
                os.close(each)
            # Not earlier: a fork that dies before it is known is found in the template's process group.
            os.setsid()
            jobs, control = sockets.connections()
            session.connect(jobs, control)
            session.outlet.send(wire.preamble())
            self._sibling.ask_for_a_signal()
        except OSError as error:
            raise HandshakeError(f"failed to become a worker of its own: {error}") from None
        _process.leave_exit_handlers()
        return jobs, control, given[len(_OWN) :]

    def release(self) -> None:
        """Leaves the connections' descriptors to who needs them next, or to the end of the process."""
        for connection in (self._jobs, self._control):
            connection.detach()

    def _say(self, data: bytes) -> None:
        try:
            self._control.sendall(data)
        except OSError:
            self._die()

    def _die(self) -> NoReturn:
        """Ends as a worker whose coordinator is gone. Forks lead sessions of their own, and go on."""
        os.kill(0 if self._session.welcome.get("owned") else os.getpid(), signal.SIGKILL)
        os._exit(CoordinatorGone.code)  # Is not reached.


def refuse_threads() -> None:
    """Raises `Failure` if there is another thread."""
    python, libraries = other_threads()
    names = python + libraries
    if not names:
        return
    count = "another thread" if len(names) == 1 else f"{len(names)} other threads"
    message = (
        f"it has {count} (`{'`, `'.join(names)}`), whose locks would stay locked in a fork: "
        "start threads in the jobs, not while the state is loaded, or set `fork = false`"
    )
    if libraries:
        message += (
            f"; libraries in C have started {len(libraries)} of them: "
            '`env = { OPENBLAS_NUM_THREADS = "1", OMP_NUM_THREADS = "1" }` in the pool\'s configuration '
            "keeps NumPy from it"
        )
    raise Failure(message, code="threads")


def _seed() -> None:
    """Gives the next worker random numbers of its own. The interpreter does that for `random` in each fork."""
    numpy_random: Any = sys.modules.get("numpy.random")
    if numpy_random is not None:
        try:
            numpy_random.seed()
        except Exception:  # The program has set a generator of its own.
            pass
