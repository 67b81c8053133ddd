"""The guard: a thread that reads the control connection while the main thread runs jobs.

Its main task is to notice the coordinator's end. The end of file on this connection ends the worker
at once, even amid a job that never returns.
"""

from __future__ import annotations

import _thread
import json
import os
import signal
import threading

from . import _codec as codec
from . import _frames as wire
from ._errors import ProtocolError
from ._socket_io import DescriptorReceiver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket
    from typing import Callable, Dict, List

    from ._frames import Frame
    from ._session import Session
    from ._target import Target


class Guard:
    """Watches the coordinator. `ready` lets it send: before `Ready`, a worker says nothing on control."""

    def __init__(self, session: Session, control: Socket, target: Target) -> None:
        self._session = session
        self._control = control
        self._lock = threading.Lock()
        self._is_ready = False
        self._early: List[bytes] = []
        self._receiver = DescriptorReceiver(control)
        self._reader = wire.FrameReader(self._receiver.receive, wire.ON_CONTROL, wire.MAX_CONTROL_PAYLOAD)
        self._reader.on_descriptors = self._receiver.assign
        self._hear: Dict[int, Callable[[int, bytes], None]] = {
            wire.CANCEL: lambda sequence, _: session.board.cancel(sequence),
            wire.CREDIT: lambda sequence, header: session.board.add_credit(sequence, codec.read_credit(header)),
            wire.PING: lambda sequence, _: self._say(wire.frame(wire.PONG, sequence=sequence)),
            wire.DESCRIBE: lambda *_: self._say(description_frame(target)),
            wire.RECALL: lambda *_: session.outlet.flush_soon(),
            wire.SHARE: self._share,
            wire.SHUTDOWN: lambda *_: self._shut_down(),
        }

    def start(self) -> None:
        """Starts the thread. One of `threading` costs a fork of a template three times as much."""
        _thread.start_new_thread(self._run, ())

    def ready(self) -> None:
        """Sends what was asked for meanwhile. Call it after `Ready` was sent."""
        with self._lock:
            self._is_ready = True
            if self._early:
                self._control.sendall(b"".join(self._early))
                self._early.clear()

    def _run(self) -> None:
        try:
            self._watch()
        except ProtocolError as error:
            complain(str(error))
            os._exit(error.code)
        except OSError:
            pass  # As at the end of file.
        except Exception as error:
            complain(f"the guard failed: {error!r}")
        finally:
            # The coordinator is gone, or this thread is: a worker without a guard must not run.
            os.kill(0 if self._session.welcome.get("owned") else os.getpid(), signal.SIGKILL)

    def _watch(self) -> None:
        while True:
            found = self._reader.read()
            if found is None:
                return
            self._take(found)

    def _take(self, found: Frame) -> None:
        kind, _, _, sequence, header, _ = found
        try:
            self._hear[kind](sequence, header)
        finally:
            self._receiver.drop()

    def _say(self, data: bytes) -> None:
        with self._lock:
            if self._is_ready:
                self._control.sendall(data)
            else:
                self._early.append(data)

    def _share(self, number: int, header: bytes) -> None:
        arenas = self._session.arenas
        offer = wire.json_of(wire.SHARE, header)
        accepted = arenas is not None and arenas.share(number, offer, self._receiver.descriptors)
        answer = json.dumps({"accepted": accepted}).encode()
        self._say(wire.frame(wire.SHARED, answer, sequence=number))

    def _shut_down(self) -> None:
        self._session.board.shut_down()
        if self._session.jobs is not None:
            try:
                self._session.jobs.shutdown(0)  # SHUT_RD: a read for a job returns end of file.
            except OSError:
                pass


def description_frame(target: Target) -> bytes:
    """Returns the answer to `Describe`. A description that is too long leaves the schemas out."""
    text = json.dumps(target.description(), ensure_ascii=False).encode()
    if len(text) > wire.MAX_HEADER:
        text = json.dumps(target.introduction(), ensure_ascii=False).encode()
    return wire.frame(wire.DESCRIPTION, text)


def complain(reason: str) -> None:
    """Writes a sentence to standard error, without the buffers that another thread may hold."""
    printable = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in reason)
    try:
        os.write(2, f"procpool: {printable}\n".encode(errors="replace"))
    except OSError:
        pass
