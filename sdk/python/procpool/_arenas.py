"""Shared memory for large payloads: at most one arena for inputs and one for outputs.

WIRE.md, "Arenas". The guard takes those that the coordinator offers; the thread that runs the jobs
reads inputs in place, and writes outputs where the coordinator finds them.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sys
import threading

from ._errors import ProtocolError
from ._page import F_GET_SEALS, F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SHRINK
from ._values import Pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from ._values import Output

# Outputs of at least this length go through an arena.
SHARED_FROM = 256 << 10

_INPUT, _OUTPUT = "input", "output"


class Arena:
    """One piece of shared memory, mapped."""

    __slots__ = ("_address", "_idle", "map", "number")

    def __init__(self, number: int, descriptor: int, length: int, is_input: bool) -> None:
        needed = F_SEAL_SHRINK | F_SEAL_GROW | (F_SEAL_FUTURE_WRITE if is_input else 0)
        if fcntl.fcntl(descriptor, F_GET_SEALS) & needed != needed or os.fstat(descriptor).st_size != length:
            raise ValueError("memory that somebody could change or take away")
        self.number = number
        self.map = mmap.mmap(descriptor, length, access=mmap.ACCESS_READ if is_input else mmap.ACCESS_WRITE)
        # Interpreters that do not count references cannot tell: then every input counts as held.
        self._idle = sys.getrefcount(self.map) if hasattr(sys, "getrefcount") else -1
        # Where the memory begins, once a job has got a part of it to write its output to.
        self._address: Optional[int] = None

    def is_held(self) -> bool:
        """Returns whether anything still refers to the memory.

        A view of a mapping, and every slice and array over it, keeps one reference to the mapping in
        common. `memoryview.release` tells less: it succeeds while slices live on.
        """
        return self._idle < 0 or sys.getrefcount(self.map) > self._idle

    def lend(self, length: int) -> Optional[memoryview]:
        """Returns memory of zeros for an output, unless it is too short or somebody still has a part."""
        if length > len(self.map) or self.is_held():
            return None
        try:
            import ctypes
        except ImportError:  # Where the output lies could not be told.
            return None
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        ctypes.memset(self._address, 0, length)
        return memoryview(self.map)[:length]

    def offset_of(self, output: Output) -> Optional[int]:
        """Returns where an output lies in this memory, or `None` if it lies elsewhere."""
        if self._address is None or not isinstance(output, memoryview) or output.readonly:
            return None
        import ctypes

        offset = ctypes.addressof(ctypes.c_char.from_buffer(output)) - self._address
        return offset if 0 <= offset <= len(self.map) - len(output) else None

    def take(self, output: Output) -> Optional[int]:
        """Writes an output to this memory, unless it lies there. Returns its offset, or `None` if it cannot."""
        offset = self.offset_of(output)
        # A job before this one that has kept its buffer may write to it at any time.
        if offset is None and len(output) <= len(self.map) and (self._address is None or not self.is_held()):
            if isinstance(output, Pieces):
                output.write_to(self.map)
            else:
                self.map[: len(output)] = output
            return 0
        return offset


class Arenas:
    """Is shared by the guard and the thread that runs the jobs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The latest is last. The one before stays: a job that was sent earlier may refer to it.
        self._inputs: List[Arena] = []
        self._output: Optional[Arena] = None
        # The coordinator has not read the last output yet.
        self._is_unread = False

    def share(self, number: int, offer: Dict[str, Any], descriptors: List[int]) -> bool:
        """Takes or gives up an arena. Returns whether the coordinator can use it."""
        direction, length = offer.get("direction"), offer.get("length")
        if direction not in (_INPUT, _OUTPUT):
            raise ProtocolError(f"an arena for {direction!r}")
        is_input = direction == _INPUT
        arena = None
        if length is not None:
            if offer.get("born") or len(descriptors) != 1 or type(length) is not int:
                return False
            try:
                arena = Arena(number, descriptors[0], length, is_input)
            except (OSError, ValueError, OverflowError):
                return False
        with self._lock:
            if not is_input:
                self._output = arena
            elif arena is None:
                self._inputs = []
            else:
                self._inputs = [*self._inputs[-1:], arena]
        return True

    def find(self, reference: bytes) -> Optional[Arena]:
        """Returns the arena of an input, or `None` if this worker does not have it."""
        number, offset, length = (int.from_bytes(reference[at : at + 8], "little") for at in (0, 8, 16))
        with self._lock:
            for arena in self._inputs:
                if arena.number == number and offset + length <= len(arena.map):
                    return arena
        return None

    def taken(self) -> None:
        """Notes that the coordinator has read the last output."""
        self._is_unread = False

    def put(self, output: Output) -> Optional[bytes]:
        """Writes an output to the arena. Returns the reference to it, or `None` if it does not fit."""
        length = len(output)
        with self._lock:
            arena = self._output
            if arena is None or self._is_unread or length < SHARED_FROM:
                return None
            offset = arena.take(output)
            if offset is None:
                return None
            self._is_unread = True
        return b"".join(number.to_bytes(8, "little") for number in (arena.number, offset, length))

    def buffer(self, length: int) -> Optional[memoryview]:
        """Returns memory of zeros in the arena for an output, if that is worthwhile and the arena is free."""
        with self._lock:
            if self._output is None or self._is_unread or length < SHARED_FROM:
                return None
            return self._output.lend(length)


def view_of(arena: Arena, reference: bytes) -> memoryview:
    """Returns an input in its place. It can be read only."""
    offset, length = (int.from_bytes(reference[at : at + 8], "little") for at in (8, 16))
    return memoryview(arena.map)[offset : offset + length]
