"""The running job, as its function sees it."""

from __future__ import annotations

import time
from contextvars import ContextVar

from . import _codec as codec
from ._errors import Cancelled
from ._frames import CHUNK, MAX_CHUNK, frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Optional

    from ._codec import Job
    from ._session import Session

_MAX_CONTENT_TYPE = 255
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class Context:
    """The running job. A parameter `ctx` gets it, and `procpool.current()` returns it anywhere.

    It belongs to its job: after the job's end its methods send nothing.
    """

    __slots__ = (
        "_content_type",
        "_credit",
        "_deadline",
        "_dropped",
        "_is_cancelled",
        "_job",
        "_sequence",
        "_session",
        "_wake",
    )

    def __init__(self, session: Session, sequence: int, job: Job, begin: int) -> None:
        self._session = session
        self._sequence = sequence
        self._job = job
        self._deadline = None if job[2] is None else begin + job[2]
        self._credit = job[4]
        self._is_cancelled = False
        self._dropped = 0
        self._content_type: Optional[str] = None
        # Is called by the guard on a cancel, instead of the interrupt: ends a task of asyncio.
        self._wake: Optional[Callable[[], None]] = None

    @property
    def id(self) -> str:
        """The job's id, as 32 hexadecimal digits: that of the server's log and of `Job-Id`."""
        return self._job[0].hex()

    @property
    def attempt(self) -> int:
        """Number of times that the job was handed to a worker; 1 for the first."""
        return self._job[1]

    @property
    def remaining(self) -> Optional[float]:
        """Seconds until the deadline, or `None`. For planning: the pool enforces the deadline."""
        return None if self._deadline is None else (self._deadline - time.monotonic_ns()) / 1e9

    @property
    def traceparent(self) -> Optional[str]:
        """The caller's W3C `traceparent`, or `None`."""
        return self._text(codec.TRACEPARENT)

    @property
    def tracestate(self) -> Optional[str]:
        """The `tracestate` beside it, or `None`."""
        return self._text(codec.TRACESTATE)

    def _text(self, tag: int) -> Optional[str]:
        raw = self._job[5].get(tag)
        return None if raw is None else raw.decode("utf-8", "replace")

    @property
    def worker_data(self) -> Any:
        """The data that the pool gives to every worker: a JSON value or bytes, or `None`."""
        return self._session.worker_data

    @property
    def cancelled(self) -> bool:
        """Whether the job was cancelled or its deadline passed."""
        return self._is_cancelled

    def check(self) -> None:
        """Raises `Cancelled` if the job was cancelled or its deadline passed."""
        if self._is_cancelled:
            raise Cancelled("the job was cancelled")

    @property
    def streaming(self) -> bool:
        """Whether somebody reads the chunks of this job."""
        return self._credit is not None

    def progress(self, done: int, total: Optional[int] = None) -> None:
        """Reports how far the job is, in units of its own. Of many reports, the latest is sent.

        Raises `ValueError` for what is no whole number from 0 to 2⁶⁴ - 1.
        """
        header = codec.progress(_units(done, "done"), None if total is None else _units(total, "total"))
        with self._session.interrupts:
            self._session.outlet.progress(self._sequence, header)

    def chunk(self, value: Any) -> None:
        """Sends a piece of output: bytes, or any JSON value, of at most 1 MiB.

        Waits while the reader is 16 pieces behind, and raises `Cancelled` if the job is cancelled
        meanwhile. Drops the piece, and counts it, if nobody reads.
        """
        if self._credit is None or self._session.is_forked:
            self._dropped += 1
            return
        data = encoded_chunk(value, self._sequence)
        with self._session.interrupts:
            if self._session.board.take_credit(self):
                self._session.outlet.send_for(self._sequence, data)

    def buffer(self, length: int) -> memoryview:
        """Returns memory of `length` zeros for a large output: fill it and return it, or an array over it.

        From 256 KiB on it lies in the memory that the worker shares with the pool, and the output is
        not copied. It belongs to this job: who keeps it costs later outputs their place there.
        """
        if length < 0:
            raise ValueError(f"length={length!r}: it is a number of bytes, 0 or more")
        arenas = self._session.arenas
        shared = None if arenas is None else arenas.buffer(length)
        return memoryview(bytearray(length)) if shared is None else shared

    def log(self, message: str, level: str = "info", target: Optional[str] = None) -> None:
        """Writes a line to the server's log, with the job's id.

        `level` is `error`, `warn`, `info`, `debug` or `trace`. `target` names a part of the program.
        """
        from ._logs import log_frame

        data = log_frame(level, str(message), target, self._sequence)
        with self._session.interrupts:
            self._session.outlet.send_for(self._sequence, data)

    @property
    def content_type(self) -> Optional[str]:
        """Content type of a raw output over HTTP: `ctx.content_type = "image/png"`."""
        return self._content_type

    @content_type.setter
    def content_type(self, value: str) -> None:
        kind, slash, subtype = value.partition("/")
        if not (slash and kind and subtype and len(value) <= _MAX_CONTENT_TYPE and _TOKEN.issuperset(kind + subtype)):
            raise ValueError(f'{value!r} is no content type: use "type/subtype", without parameters')
        self._content_type = value


def _units(value: Any, name: str) -> int:
    """Returns a count of units: an integer of Python, or of a library such as NumPy."""
    try:
        count: int = value.__index__()
        if 0 <= count < 1 << 64:
            return count
    except AttributeError:
        pass
    raise ValueError(f"{name}={value!r}: a whole number of units is needed, from 0 to 2⁶⁴ - 1")


def encoded_chunk(value: Any, sequence: int) -> bytes:
    """Returns the frame of a chunk, or raises `ValueError` if it is too large."""
    from ._values import encode

    try:
        encoding, payload = encode(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"the chunk cannot be sent: {error}") from None
    if len(payload) > MAX_CHUNK:
        raise ValueError(f"a chunk of {len(payload)} bytes; the maximum is {MAX_CHUNK}: send several")
    return frame(CHUNK, b"", bytes(payload), 0, encoding, sequence)


running: ContextVar[Context] = ContextVar("procpool_job")


def current() -> Context:
    """Returns the job that runs here. Raises `LookupError` where none does, as in a thread of its own."""
    try:
        return running.get()
    except LookupError:
        raise LookupError(
            "no job runs here; a thread that a job starts has no job, unless `contextvars.copy_context().run` starts it"
        ) from None
