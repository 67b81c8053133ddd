"""Free messages: both sides send whenever they like, and nothing connects one with another."""

from __future__ import annotations

import os
import sys

from . import _codec as codec
from . import _frames as wire
from ._errors import Failure, ProtocolError, WorkerExit
from ._target import Mark, Target
from ._values import decode, encode
from ._verdict import failure_of, message_of, print_traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator

    from ._session import Session


class Handler(Target):
    """A function that holds a conversation."""

    def __init__(self, handler: Callable[..., Any]) -> None:
        name = os.path.basename(sys.argv[0]) or "python"
        super().__init__(handler, Mark(name))

    def introduction(self) -> Dict[str, Any]:
        """Returns the fields of `Hello` that say what this worker is."""
        fields = super().introduction()
        fields.pop("schema_hash", None)
        return dict(fields, modes=["messages"])

    def description(self) -> Dict[str, Any]:
        """Returns the same: messages have no schemas."""
        return self.introduction()


class Port:
    """This worker's end of a conversation."""

    def __init__(self, session: Session, reader: wire.FrameReader) -> None:
        self._session = session
        self._reader = reader

    @property
    def worker_data(self) -> Any:
        """The data that the worker was given at its start, or `None`."""
        return self._session.worker_data

    def receive(self) -> Any:
        """Returns the next message: bytes, or a JSON value. Raises `EOFError` at the end."""
        while True:
            found = self._reader.read()
            if found is None:
                raise EOFError("the other side has no further messages")
            if found[0] == wire.REFUSED:
                raise wire.refused(found)
            if found[0] != wire.MESSAGE:
                raise ProtocolError(f"a frame of kind 0x{found[0]:02x} where a message was expected")
            if found[2] == wire.RAW:
                return found[5]
            try:
                return decode(found[2], found[5])
            except ValueError as error:
                self._report(Failure(str(error), code="bad_input"))

    def __iter__(self) -> Iterator[Any]:
        """Returns the messages until the end."""
        while True:
            try:
                yield self.receive()
            except EOFError:
                return

    def send(self, value: Any) -> None:
        """Sends a message: bytes, or any JSON value of at most `max_payload` bytes."""
        encoding, payload = encode(value)
        limit = self._session.max_payload
        if len(payload) > limit:
            raise ValueError(f"a message of {len(payload)} bytes; the maximum is {limit}")
        self._session.outlet.send(wire.frame(wire.MESSAGE, b"", bytes(payload), 0, encoding))

    def _report(self, failure: Failure) -> None:
        self._session.outlet.send_quietly(wire.frame(wire.MESSAGE_FAILED, codec.failure(*failure_of(failure))))


def converse(session: Session, target: Target, reader: wire.FrameReader) -> int:
    """Runs the handler until it returns. Returns the exit code."""
    port = Port(session, reader)
    try:
        target.call(port)
    except (EOFError, SystemExit):
        return 0
    except Failure as failure:
        port._report(failure)
        return 1
    except WorkerExit:
        raise
    except Exception as error:
        print_traceback(error)
        port._report(Failure(message_of(error), code=type(error).__name__))
        return 1
    return 0
