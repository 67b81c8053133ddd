"""The frames of the wire: how they are written, judged and read.

Knows no jobs and no sockets: `FrameReader` takes a function that returns the next bytes.
"""

from __future__ import annotations

import json
from struct import Struct

from ._errors import HandshakeError, ProtocolError
from ._version import HIGHEST_WIRE, LOWEST_WIRE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, FrozenSet, Optional, Tuple

    # kind, flags, encoding, sequence, header, payload
    Frame = Tuple[int, int, int, int, bytes, bytes]

MAGIC = b"PROCPOOL"
PREAMBLE = Struct("<8sHHI")
HEAD = Struct("<IIHHBBHQ")

MAX_HEADER = 65536
MAX_CONTROL_PAYLOAD = 65536
MAX_CHUNK = 1 << 20
MAX_ATTACHMENTS = 16
_NO_LIMIT = (1 << 32) - 1

IGNORABLE, END, PAYLOAD_REF, TAKEN = 1, 2, 4, 8
NONE, BINCODE, JSON, RAW = 0, 1, 2, 3

HELLO, WELCOME, REFUSED, ATTACH = 0x01, 0x02, 0x03, 0x04
READY, START_FAILED = 0x10, 0x11
JOB, DONE, PROGRESS, CHUNK, MESSAGE, MESSAGE_FAILED = 0x20, 0x21, 0x22, 0x23, 0x24, 0x25
HELD, LOG = 0x26, 0x27
CANCEL, CREDIT, PING, PONG, SHUTDOWN, DESCRIBE, DESCRIPTION = 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36
RECALL, RECALLED, SHARE, SHARED, FORK, FORK_FAILED = 0x37, 0x38, 0x39, 0x3A, 0x3B, 0x3C
RECORDING = 0x40

ON_JOBS = frozenset((WELCOME, REFUSED, JOB, MESSAGE))
ON_CONTROL = frozenset((CANCEL, CREDIT, PING, SHUTDOWN, DESCRIBE, RECALL, SHARE))
ON_TEMPLATE = frozenset((FORK, PING, DESCRIBE, SHUTDOWN))  # the control connection of one
IN_FILES = frozenset((WELCOME, JOB, RECORDING))
_WITH_DESCRIPTORS = frozenset((WELCOME, JOB, MESSAGE, SHARE, FORK))

# Bytes that are asked for at once. A frame that is longer is read in pieces of its own.
_READ = 65536
_PIECE = 1 << 20


def frame(
    kind: int, header: bytes = b"", payload: bytes = b"", flags: int = 0, encoding: int = NONE, sequence: int = 0
) -> bytes:
    """Returns a frame as bytes."""
    return HEAD.pack(len(header), len(payload), kind, flags, encoding, 0, 0, sequence) + header + payload


def preamble() -> bytes:
    """Returns this side's preamble."""
    return PREAMBLE.pack(MAGIC, LOWEST_WIRE, HIGHEST_WIRE, 0)


def json_of(kind: int, header: bytes) -> Dict[str, Any]:
    """Decodes a header message that is a JSON object."""
    try:
        value = json.loads(header.decode())
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the header message of kind 0x{kind:02x} is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ProtocolError(f"the header message of kind 0x{kind:02x} is no JSON object")
    return value


def refused(found: Frame) -> HandshakeError:
    """Returns the error of a worker that got a `Refused`."""
    fields = json_of(found[0], found[4])
    return HandshakeError(f"the coordinator refused this worker ({fields.get('reason')}): {fields.get('detail')}")


class FrameReader:
    """Reads the frames of one connection, for one thread.

    `receive(length)` returns at most `length` bytes, and none at the end of file. `kinds` are those
    that may come; others are errors, unless they are flagged `IGNORABLE`.
    """

    __slots__ = ("_at", "_buffer", "_kinds", "_receive", "max_payload", "on_descriptors")

    def __init__(self, receive: Callable[[int], bytes], kinds: FrozenSet[int], max_payload: int = _NO_LIMIT) -> None:
        self._receive = receive
        self._kinds = kinds
        self._buffer = b""
        self._at = 0
        self.max_payload = max_payload
        # Is told the kind and the number of descriptors of each frame that came with some.
        self.on_descriptors: Optional[Callable[[int, int], None]] = None

    def preamble(self) -> None:
        """Reads the other side's preamble and compares the versions."""
        while len(self._buffer) < PREAMBLE.size:
            if not self._fill():
                raise HandshakeError("the coordinator closed the connection before its preamble")
        magic, lowest, highest, _ = PREAMBLE.unpack_from(self._buffer)
        self._at = PREAMBLE.size
        if magic != MAGIC:
            raise HandshakeError("the other side of descriptor 3 is no procpool coordinator")
        if lowest > HIGHEST_WIRE or highest < LOWEST_WIRE:
            raise HandshakeError(
                f"the coordinator speaks versions {lowest} to {highest} of the wire, and this worker "
                f"version {HIGHEST_WIRE}: install a procpool package of the server's version"
            )

    def read(self) -> Optional[Frame]:
        """Returns the next frame, or `None` at the end of file. A frame that is cut off is dropped."""
        while True:
            found = self.buffered()
            if found is not None:
                return found
            if len(self._buffer) - self._at >= HEAD.size:
                header, payload = HEAD.unpack_from(self._buffer, self._at)[:2]
                if header + payload > _READ:
                    return self._large(header, payload)
            if not self._fill():
                return None

    def buffered(self) -> Optional[Frame]:
        """Returns the next frame if all of it has been read already."""
        while True:
            buffer, at = self._buffer, self._at
            begin = at + 24
            if begin > len(buffer):
                return None
            header, payload, kind, flags, encoding, descriptors, reserved, sequence = HEAD.unpack_from(buffer, at)
            known = self._judge(header, payload, kind, flags, encoding, descriptors, reserved)
            middle = begin + header
            end = middle + payload
            if end > len(buffer):
                return None
            self._at = end
            if descriptors and self.on_descriptors is not None:
                self.on_descriptors(kind, descriptors)
            if known:
                return kind, flags, encoding, sequence, buffer[begin:middle], buffer[middle:end]

    def _judge(
        self, header: int, payload: int, kind: int, flags: int, encoding: int, descriptors: int, reserved: int
    ) -> bool:
        """Returns whether the kind is known; raises if the frame is wrong. Nothing is allocated yet."""
        if header > MAX_HEADER or payload > self.max_payload:
            raise ProtocolError(
                f"a frame of kind 0x{kind:02x} has {header} and {payload} bytes; "
                f"the limits are {MAX_HEADER} and {self.max_payload}"
            )
        if kind not in self._kinds:
            if flags & IGNORABLE:
                return False
            raise ProtocolError(f"a frame of kind 0x{kind:02x}, which is not known on this connection")
        if flags or reserved or descriptors or encoding > RAW or (payload and not encoding):
            if flags & ~15 or reserved or encoding > RAW or (payload and not encoding):
                raise ProtocolError(f"a frame of kind 0x{kind:02x} with a header that is wrong")
            if flags & PAYLOAD_REF and (kind != JOB or payload != 24):
                raise ProtocolError(f"a frame of kind 0x{kind:02x} with a wrong reference to an arena")
            if descriptors > (MAX_ATTACHMENTS if kind in _WITH_DESCRIPTORS else 0):
                raise ProtocolError(f"a frame of kind 0x{kind:02x} with {descriptors} descriptors")
        return True

    def _fill(self) -> bool:
        data = self._receive(_READ)
        if not data:
            return False
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0
        return True

    def _large(self, header: int, payload: int) -> Optional[Frame]:
        """Reads a frame that is longer than the buffer. It was judged already."""
        while len(self._buffer) - self._at < HEAD.size + header:
            if not self._fill():
                return None
        _, _, kind, flags, encoding, descriptors, _, sequence = HEAD.unpack_from(self._buffer, self._at)
        if descriptors and self.on_descriptors is not None:
            self.on_descriptors(kind, descriptors)
        begin = self._at + HEAD.size
        middle = begin + header
        message, pieces = self._buffer[begin:middle], [self._buffer[middle : middle + payload]]
        missing = payload - len(pieces[0])
        self._buffer, self._at = self._buffer[middle + len(pieces[0]) :], 0
        if kind == WELCOME:
            self._widen(message, payload)
        while missing:
            piece = self._receive(min(missing, _PIECE))
            if not piece:
                return None
            pieces.append(piece)
            missing -= len(piece)
        if kind not in self._kinds:
            return self.read()
        return kind, flags, encoding, sequence, message, b"".join(pieces)

    def _widen(self, welcome: bytes, payload: int) -> None:
        """Holds the payload of a `Welcome` to the limit that the `Welcome` itself announces."""
        limit = json_of(WELCOME, welcome).get("max_payload")
        if isinstance(limit, int) and payload > limit:
            raise ProtocolError(f"worker data of {payload} bytes, and `max_payload` is {limit}")
