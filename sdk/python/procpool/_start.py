"""From a new process to a worker that is ready: handshake, page, guard, state, `Ready`."""

from __future__ import annotations

import json
import os
import sys
import threading
from types import CoroutineType

from . import _codec as codec
from . import _frames as wire
from . import _logs, _process
from . import _socket_io as sockets
from ._arenas import Arenas
from ._calls import close_loop, run_coroutine
from ._choice import chosen, distinct
from ._errors import CoordinatorGone, Failure, HandshakeError, ProtocolError, StartError
from ._guard import Guard
from ._jobs import run_jobs
from ._page import open_page
from ._session import Session
from ._values import decode
from ._verdict import failure_of, message_of, print_traceback
from ._watch import watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket
    from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

    from ._frames import Frame
    from ._page import Page
    from ._target import Target
    from ._template import Born

    # What a worker does when it is ready. Returns the exit code.
    Work = Callable[[Session, Target, wire.FrameReader], int]

# Seconds that a worker waits for the end of file on control after that on jobs: a coordinator that
# dies closes both, and the guard then ends the worker's children, too.
_SECOND_END = 1.0


def run_worker(make: Callable[[], List[Target]], work: Optional[Work] = None) -> int:
    """Serves the coordinator that started this process. Returns the exit code, or raises `WorkerExit`."""
    sockets.keep_from_programs()
    try:
        jobs, control = sockets.connections()
    except OSError as error:
        raise HandshakeError(f"descriptor {sockets.CONTROL} is no connection to a coordinator: {error}") from None
    session = Session(jobs, control)
    try:
        targets = made(watched(make, control))
    except StartError as error:
        # Instead of `Hello`. If nobody listens, standard error says the same.
        session.outlet.send_quietly(wire.preamble() + _start_failed(Failure(str(error))))
        raise
    return _work(session, jobs, control, targets, work, sockets.MEMORY)


def run_attached(make: Callable[[], List[Target]], path: str, work: Optional[Work] = None) -> int:
    """Serves the pool that has this socket. Returns the exit code, or raises `WorkerExit`.

    The program is imported before: a worker that stands by is ready sooner, and one that cannot be
    imported takes no place.
    """
    from ._attached import attach

    targets = made(make)
    _process.end_by_stops()
    jobs, control = attach(path)
    session = Session(jobs, control)
    session.is_attached = True
    return _work(session, jobs, control, targets, work, ())


def _work(
    session: Session,
    jobs: Socket,
    control: Socket,
    targets: List[Target],
    work: Optional[Work],
    memory: Sequence[int],
) -> int:
    reader = wire.FrameReader(jobs.recv, wire.ON_JOBS)
    target, page = _meet(session, reader, targets, memory, b"" if session.is_attached else wire.preamble())
    _process.settle(session, target.mark.interrupt)
    if session.welcome.get("template"):
        born = _grow(session, jobs, control, target)
        if born is None:
            return 0
        # From here on, this process is a fork. The template has sent the preamble for it.
        jobs, control, memory = born
        reader = wire.FrameReader(jobs.recv, wire.ON_JOBS)
        _, page = _meet(session, reader, [target], memory, b"")
        guard = Guard(session, control, target)
        guard.start()
    else:
        guard = Guard(session, control, target)
        guard.start()
        _load(session, target)
    session.board.page = page
    try:
        session.outlet.send_ready(wire.frame(wire.READY), page)
        guard.ready()
        code = (work or run_jobs)(session, target, reader)
    except OSError:
        if session.is_stopped:
            return 0
        session.board.await_shutdown(_SECOND_END)
        raise CoordinatorGone("the coordinator is gone") from None
    if code == 0 and not session.is_stopped:
        session.board.await_shutdown(_SECOND_END)
    return code


def made(make: Callable[[], List[Target]]) -> List[Target]:
    """Makes the program's jobs. Any error becomes a `StartError`."""
    try:
        if threading.current_thread() is not threading.main_thread():
            raise StartError("`procpool.serve` was called in a thread: call it on the main thread")
        return distinct(make())
    except StartError:
        raise
    except Exception as error:  # Of a type hint's own code, or of a wrong setting.
        print_traceback(error)
        raise StartError(f"{type(error).__name__}: {message_of(error)}") from None


def _hello(target: Target) -> bytes:
    fields = dict(target.introduction(), page=True, arenas="received", encodings=["json", "raw"], batches=True)
    if _process.can_fork():
        fields["forks"] = True
    return wire.frame(wire.HELLO, json.dumps(fields, ensure_ascii=False).encode())


def _meet(
    session: Session, reader: wire.FrameReader, targets: List[Target], memory: Sequence[int], preamble: bytes
) -> Tuple[Target, Optional[Page]]:
    """Exchanges `Hello` and `Welcome`. Returns the job, and the page if there is one in this memory.

    The only job of a program is introduced at once. Of several, the coordinator has to name one, and
    an attached worker has no place before it is welcome.
    """
    is_sure = len(targets) == 1 and not session.is_attached
    try:
        if is_sure or preamble:
            session.outlet.send(preamble + (_hello(targets[0]) if is_sure else b""))
        found = _welcome(reader)
        session.welcome = welcome = wire.json_of(found[0], found[4])
        session.max_payload = reader.max_payload = int(welcome["max_payload"])
        page = _page(welcome, memory)
        target = _chosen(session, targets)
        if not is_sure:
            session.outlet.send(_hello(target))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise HandshakeError(f"failed to shake hands with the coordinator: {error!r}") from None
    session.arenas = Arenas()
    session.worker_data = worker_data(found)
    modes = target.introduction()["modes"]
    if welcome.get("mode") not in modes:
        raise HandshakeError(f"the pool wants this worker for {welcome.get('mode')!r}; it is one for {modes}")
    return target, page


def _chosen(session: Session, targets: List[Target]) -> Target:
    try:
        return chosen(targets, session.welcome)
    except StartError as error:
        session.outlet.send_quietly(_start_failed(Failure(str(error), code="job")))
        raise HandshakeError(str(error)) from None


def _grow(session: Session, jobs: Socket, control: Socket, target: Target) -> Optional[Born]:
    """Loads the state and forks workers. Returns what a new worker has in each, and `None` at the end."""
    try:
        from ._template import Template

        template = Template(session, jobs, control, target)
    except ImportError as error:  # An interpreter without `ctypes`.
        raise _said(session, Failure(f"it cannot fork workers: {error}; set `fork = false`")) from None

    def work() -> None:
        _load(session, target)
        try:
            # A fork has a loop of its own: the loop's selector is a descriptor that all forks would share.
            close_loop()
        except Exception as error:
            raise _said(session, Failure(f"tasks that the state has started do not end: {error}")) from None

    try:
        template.load(work)
        session.outlet.send(wire.frame(wire.READY))
        return template.serve()
    except OSError:
        raise CoordinatorGone("the coordinator is gone") from None
    finally:
        # An interpreter that closes them itself at its end warns of it, and Python 3.9 crashes then.
        template.release()


def _welcome(reader: wire.FrameReader) -> Frame:
    reader.preamble()
    found = reader.read()
    if found is None:
        raise HandshakeError("the coordinator closed the connection instead of sending `Welcome`")
    if found[0] == wire.REFUSED:
        raise wire.refused(found)
    if found[0] != wire.WELCOME:
        raise ProtocolError(f"a frame of kind 0x{found[0]:02x} where `Welcome` was expected")
    return found


def _page(welcome: Dict[str, Any], memory: Sequence[int]) -> Optional[Page]:
    """Takes the page, which is the first of these descriptors, and closes those that are not used."""
    page = open_page(memory[0]) if welcome.get("page") and memory else None
    count = 3 if welcome.get("arenas") else 1 if welcome.get("page") else 0
    for descriptor in memory[:count]:
        try:
            os.close(descriptor)
        except OSError:
            pass
    return page


def worker_data(found: Frame) -> Any:
    """Returns the worker data that came with a `Welcome`."""
    encoding, payload = found[2], found[5]
    if encoding == wire.JSON and payload:
        try:
            return decode(encoding, payload)
        except ValueError as error:
            raise ProtocolError(f"worker data: {error}") from None
    # As bincode they are opaque; the pool then starts this worker again, with JSON.
    return payload if encoding == wire.RAW else None


def _load(session: Session, target: Target) -> None:
    """Makes the state, or tells the coordinator why that failed and raises `StartError`."""
    _logs.install(session, target.mark.logs)
    failed = load(session, target)
    if failed is not None:
        raise _said(session, failed)
    _logs.install(session, target.mark.logs)


def _said(session: Session, failure: Failure) -> StartError:
    session.outlet.send_quietly(_start_failed(failure))
    return StartError(f"failed to initialise: {failure.message}")


def load(session: Session, target: Target) -> Optional[Failure]:
    """Makes the state. Returns why that failed, or `None`."""
    try:
        result = target.load(session.worker_data)
        if type(result) is CoroutineType:
            run_coroutine(result)
    except Failure as failure:
        return failure
    except StartError as error:
        return Failure(str(error))
    except BaseException as error:
        print_traceback(error)
        return Failure(f"{type(error).__name__}: {message_of(error)}")
    return None


def _start_failed(failure: Failure) -> bytes:
    return wire.frame(wire.START_FAILED, codec.failure(*failure_of(failure)))


def import_target(name: str) -> Any:
    """Returns what `module:function` names. Raises `StartError` with the reason."""
    module_name, colon, path = name.partition(":")
    if not colon or not module_name or not path:
        raise StartError(f"`{name}` names no function: write `module:function`")
    if module_name.endswith(".py") or "/" in module_name:
        raise StartError(
            f"`{module_name}` is a file: name its module, and let the pool's `current_dir` be the module's directory"
        )
    try:
        __import__(module_name)
        found: Any = sys.modules[module_name]
    except BaseException as error:
        print_traceback(error)
        raise StartError(f"failed to import `{module_name}`: {type(error).__name__}: {message_of(error)}") from None
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            members = getattr(found, "__dict__", {}).items()
            functions = [(name, each) for name, each in members if not name.startswith("_") and callable(each)]
            own = [name for name, each in functions if getattr(each, "__module__", None) == module_name]
            names = own or [name for name, _ in functions]  # A package may have imported all of its own.
            has = f"it has {', '.join(names[:10])}" if names else "it has no functions"
            raise StartError(f"`{module_name}` has no `{path}`: {has}") from None
    return found
