"""The header messages of the wire that are not JSON: numbers, texts, `Job`, `Done`, `Failure`.

WIRE.md, "Header messages" and "Messages", has the tables. Knows no frames and no connections.
"""

from __future__ import annotations

import json
from struct import Struct

from ._errors import ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Tuple

    Extras = Dict[int, bytes]
    Job = Tuple[bytes, int, Optional[int], int, Optional[int], Extras]

MAX_TEXT = 16384
MAX_EXTRAS = 16

# Extras of a job, and of its end.
TRACEPARENT, WANTS_USAGE, BATCH, TRACESTATE = 1, 2, 4, 5
CONTENT_TYPE, PROCESSOR_TIME, PEAK_MEMORY, CHUNKS_DROPPED = 1, 2, 3, 4

OK, CANCELLED = b"\0", b"\4"
_BAD_INPUT, _FAILED, _PANICKED, _TOO_LARGE, _BROKE = b"\1", b"\2", b"\3", b"\5", b"\6"

_U16, _U32, _U64 = (1 << 16) - 1, (1 << 32) - 1, (1 << 64) - 1
_NOTHING: Extras = {}
# The two commonest forms of `Job`: a deadline of four or of eight bytes, no listener, no extras.
_SHORT_DEADLINE, _LONG_DEADLINE = Struct("<16sBBBIBBB"), Struct("<16sBBBQBBB")


def varint(number: int) -> bytes:
    """Encodes an unsigned number of at most 64 bits in its shortest form."""
    if number < 251:
        return bytes((number,))
    if number <= _U16:
        return b"\xfb" + number.to_bytes(2, "little")
    if number <= _U32:
        return b"\xfc" + number.to_bytes(4, "little")
    return b"\xfd" + number.to_bytes(8, "little")


def cut(string: str, limit: int = MAX_TEXT) -> bytes:
    """Encodes a text, cut to `limit` bytes at the boundary of a character."""
    raw = string.encode("utf-8", "replace")
    return raw if len(raw) <= limit else raw[:limit].decode("utf-8", "ignore").encode()


def text(string: str) -> bytes:
    """Encodes a string of a header message, cut to 16 KiB."""
    raw = cut(string)
    return varint(len(raw)) + raw


def option(value: Any, encode: Callable[[Any], bytes]) -> bytes:
    """Encodes a value that may be `None`."""
    return b"\0" if value is None else b"\1" + encode(value)


def failure(code: str, message: str, details: Any = None, retryable: bool = False) -> bytes:
    """Encodes a `Failure`. Details that are no JSON, or longer than 16 KiB, are left out."""
    encoded = None
    if details is not None:
        try:
            encoded = json.dumps(details, allow_nan=False, ensure_ascii=False, default=str)
            if len(encoded.encode()) > MAX_TEXT:
                encoded = None
        except Exception:  # Of `str` of the program's own objects, too.
            encoded = None
    return text(code) + text(message) + option(encoded, text) + (b"\1" if retryable else b"\0")


def bad_input(message: str) -> bytes:
    """Encodes the status `BadInput`."""
    return _BAD_INPUT + text(message)


def failed(code: str, message: str, details: Any = None, retryable: bool = False) -> bytes:
    """Encodes the status `Failed`."""
    return _FAILED + failure(code, message, details, retryable)


def broke(code: str, message: str) -> bytes:
    """Encodes the status `Broke`."""
    return _BROKE + failure(code, message)


def panicked(message: str, location: Optional[str]) -> bytes:
    """Encodes the status `Panicked`."""
    return _PANICKED + text(message) + option(location, text)


def is_panicked(status: bytes) -> bool:
    """Returns whether the worker gets no further job after this status."""
    return status[:1] == _PANICKED


def too_large(size: int, limit: int) -> bytes:
    """Encodes the status `TooLarge`."""
    return _TOO_LARGE + varint(size) + varint(limit)


def extras_of(given: Extras) -> bytes:
    """Encodes the extras of `Done`."""
    pieces = [varint(len(given))]
    for tag, value in given.items():
        pieces += varint(tag), varint(len(value)), value
    return b"".join(pieces)


def progress(done: int, total: Optional[int]) -> bytes:
    """Encodes `Progress`."""
    return varint(done) + option(total, varint)


class Reader:
    """Reads a header message. A byte more than it takes is an error, which `end` raises."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, length: int) -> bytes:
        """Returns the next bytes."""
        end = self._at + length
        if end > len(self._data):
            raise ProtocolError("a header message ends early")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def varint(self, maximum: int = _U64) -> int:
        """Returns the next number. A longer form is accepted, if it is no wider than the type."""
        first = self.take(1)[0]
        if first < 251:
            return first
        if first > 253:
            raise ProtocolError(f"0x{first:02x} begins no number")
        width = (2, 4, 8)[first - 251]
        if (1 << 8 * width) - 1 > maximum:
            raise ProtocolError("a number that is wider than its type")
        return int.from_bytes(self.take(width), "little")

    def is_there(self) -> bool:
        """Returns whether the value of an option follows."""
        tag = self.take(1)[0]
        if tag > 1:
            raise ProtocolError("an option that is neither there nor absent")
        return tag == 1

    def end(self) -> None:
        """Checks that nothing follows."""
        if self._at != len(self._data):
            raise ProtocolError("bytes after a header message")


def read_job(header: bytes) -> Job:
    """Decodes `Job`: id, attempt, remaining nanoseconds, reply, credit, extras."""
    if len(header) in (26, 30):
        form, mark = (_SHORT_DEADLINE, 0xFC) if len(header) == 26 else (_LONG_DEADLINE, 0xFD)
        public, attempt, has_deadline, width, remaining, reply, credit, extras = form.unpack(header)
        if attempt < 251 and has_deadline == 1 and width == mark and not credit and not extras:
            return public, attempt, remaining, reply, None, _NOTHING
    return _read_any_job(Reader(header))


def _read_any_job(reader: Reader) -> Job:
    public, attempt = reader.take(16), reader.varint(_U32)
    remaining = reader.varint() if reader.is_there() else None
    reply = reader.take(1)[0]
    credit = reader.varint(_U32) if reader.is_there() else None
    count = reader.varint()
    if count > MAX_EXTRAS:
        raise ProtocolError(f"a job with {count} extras; the maximum is {MAX_EXTRAS}")
    extras = {}
    for _ in range(count):
        tag = reader.varint(_U16)
        extras[tag] = reader.take(reader.varint())
    reader.end()
    if len(extras.get(BATCH, b"-")) != 1 or extras.get(WANTS_USAGE):
        raise ProtocolError("an extra with a value that it cannot have")
    return public, attempt, remaining, reply, credit, extras


def read_credit(header: bytes) -> int:
    """Decodes `Credit`."""
    reader = Reader(header)
    chunks = reader.varint(_U32)
    reader.end()
    return chunks
