"""From a spawned process to a worker that is ready: handshake, page, guard, state, `Ready`."""

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
from ._calls import run_coroutine
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
    from typing import Any, Callable, Dict, Optional

    from ._frames import Frame
    from ._page import Page
    from ._target import Target

    # What a worker does when it is ready. Returns the exit code.
    Work = Callable[[Session, Target, wire.FrameReader], int]

# Seconds that a worker waits for the end of file on control after that on jobs: a coordinator that
# dies closes both, and the guard then ends the worker's children, too.
_SECOND_END = 1.0


def run_worker(make: Callable[[], Target], work: Optional[Work] = None) -> int:
    """Serves the coordinator that started this process. Returns the exit code, or raises `WorkerExit`."""
    sockets.keep_from_programs()
    try:
        jobs, control = sockets.connections()
    except OSError as error:
        raise HandshakeError(f"descriptor {sockets.CONTROL} is no connection to a coordinator: {error}") from None
    make = watched(make, control)
    session = Session(jobs, control)
    reader = wire.FrameReader(jobs.recv, wire.ON_JOBS)
    try:
        target = made(make)
        hello = target.introduction()
    except StartError as error:
        # Instead of `Hello`. If nobody listens, standard error says the same.
        session.outlet.send_quietly(wire.preamble() + _start_failed(Failure(str(error))))
        raise
    try:
        _greet(session, hello)
        found = _welcome(reader)
        session.welcome = welcome = wire.json_of(found[0], found[4])
        session.max_payload = reader.max_payload = int(welcome["max_payload"])
        page = _page(welcome)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise HandshakeError(f"failed to shake hands with the coordinator: {error!r}") from None
    session.arenas = Arenas()
    session.worker_data = worker_data(found)
    _process.settle(session, target.mark.interrupt)
    guard = Guard(session, control, target)
    guard.start()
    if welcome.get("mode") not in hello["modes"]:
        raise HandshakeError(f"the pool wants this worker for {welcome.get('mode')!r}; it is one for {hello['modes']}")
    _logs.install(session, target.mark.logs)
    failed = load(session, target)
    if failed is not None:
        session.outlet.send_quietly(_start_failed(failed))
        raise StartError(f"failed to initialise: {failure_of(failed)[1]}")
    _logs.install(session, target.mark.logs)
    session.board.page = page
    try:
        session.outlet.send_ready(wire.frame(wire.READY), page)
        guard.ready()
        code = (work or run_jobs)(session, target, reader)
    except OSError:
        session.board.await_shutdown(_SECOND_END)
        raise CoordinatorGone("the coordinator is gone") from None
    if code == 0:
        session.board.await_shutdown(_SECOND_END)
    return code


def made(make: Callable[[], Target]) -> Target:
    """Makes the target. Any error becomes a `StartError`."""
    try:
        if threading.current_thread() is not threading.main_thread():
            raise StartError("`procpool.serve` was called in a thread: call it on the main thread")
        return make()
    except StartError:
        raise
    except Exception as error:  # Of a type hint's own code, or of a wrong setting.
        print_traceback(error)
        raise StartError(f"{type(error).__name__}: {message_of(error)}") from None


def _greet(session: Session, hello: Dict[str, Any]) -> None:
    fields = dict(hello, page=True, arenas="received", encodings=["json", "raw"], batches=True)
    text = json.dumps(fields, ensure_ascii=False).encode()
    session.outlet.send(wire.preamble() + wire.frame(wire.HELLO, text))


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


def _page(welcome: Dict[str, Any]) -> Optional[Page]:
    """Takes the page, and closes the descriptors that are not used."""
    page = open_page(sockets.PAGE) if welcome.get("page") else None
    unused = []
    if welcome.get("page") or welcome.get("arenas"):
        unused.append(sockets.PAGE)
    if welcome.get("arenas"):
        unused += [sockets.INPUTS, sockets.OUTPUTS]
    for descriptor in unused:
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
            names = [each for each in vars(found) if not each.startswith("_") and callable(getattr(found, each))]
            has = f"it has {', '.join(names[:10])}" if names else "it has no functions"
            raise StartError(f"`{module_name}` has no `{path}`: {has}") from None
    return found
