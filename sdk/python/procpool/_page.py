"""The page: memory that outlives this process and tells which job it had begun.

WIRE.md, "The page". A number is written by one store of eight bytes, never byte by byte, since a
kill could tear it. `memoryview.cast("Q")` stores that way; `struct.pack_into` does not.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Union

    Page = Union["MappedPage", "FilePage"]

RING_AT, RING = 4096, 65536
LENGTH = RING_AT + RING
MAGIC, MAGIC_AT = b"procpool page 2\n", 32
FOUND = 0x6765706170656B21

# Places of the numbers, counted in numbers.
_BEGUN, _WRITTEN, _FOUND, _RECALLED = 0, 1, 2, 3

F_GET_SEALS = 1034
F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE = 0x2, 0x4, 0x10

# A processor on which the operations of a lock are a full fence, and stores keep their order.
_IS_ORDERED = os.uname().machine in ("x86_64", "i686")


def open_page(descriptor: int) -> Optional[Page]:
    """Returns the page at a descriptor, marked as found, or `None` if something else is there."""
    try:
        seals = fcntl.fcntl(descriptor, F_GET_SEALS)
        if not seals & F_SEAL_SHRINK or os.fstat(descriptor).st_size < LENGTH:
            return None
        if os.pread(descriptor, len(MAGIC), MAGIC_AT) != MAGIC:
            return None
        return MappedPage(descriptor) if _IS_ORDERED else FilePage(descriptor)
    except (OSError, ValueError):
        return None


class MappedPage:
    """The page in mapped memory, where a number costs no system call."""

    __slots__ = ("_fence", "_map", "_numbers")

    def __init__(self, descriptor: int) -> None:
        self._map = mmap.mmap(descriptor, LENGTH)
        self._numbers = memoryview(self._map)[:32].cast("Q")
        self._fence = threading.Lock()
        self._numbers[_FOUND] = FOUND

    def claims(self, sequence: int, last: int) -> bool:
        """Records that a job begins. Returns `False` if it was asked back, and was not begun then."""
        numbers = self._numbers
        numbers[_BEGUN] = sequence
        # Between the write and the read there has to be a fence.
        with self._fence:
            recalled = numbers[_RECALLED]
        if sequence > recalled:
            return True
        numbers[_BEGUN] = last
        return False

    def put(self, at: int, data: bytes) -> None:
        """Copies an answer into the ring, as the bytes of output from `at` on."""
        begin = at % RING
        first = RING - begin
        if len(data) <= first:
            self._map[RING_AT + begin : RING_AT + begin + len(data)] = data
        else:
            self._map[RING_AT + begin : LENGTH] = data[:first]
            self._map[RING_AT : RING_AT + len(data) - first] = data[first:]

    def written(self, total: int) -> None:
        """Records the number of bytes of output that stand in the ring or were sent."""
        self._numbers[_WRITTEN] = total


class FilePage:
    """The page by system calls, which are ordered on every processor."""

    __slots__ = ("_file",)

    def __init__(self, descriptor: int) -> None:
        self._file = os.dup(descriptor)
        self._store(_FOUND, FOUND)

    def _store(self, place: int, number: int) -> None:
        os.pwrite(self._file, number.to_bytes(8, "little"), 8 * place)

    def claims(self, sequence: int, last: int) -> bool:
        """Records that a job begins. Returns `False` if it was asked back, and was not begun then."""
        self._store(_BEGUN, sequence)
        recalled = int.from_bytes(os.pread(self._file, 8, 8 * _RECALLED), "little")
        if sequence > recalled:
            return True
        self._store(_BEGUN, last)
        return False

    def put(self, at: int, data: bytes) -> None:
        """Copies an answer into the ring, as the bytes of output from `at` on."""
        begin = at % RING
        first = RING - begin
        os.pwrite(self._file, data[:first], RING_AT + begin)
        if len(data) > first:
            os.pwrite(self._file, data[first:], RING_AT)

    def written(self, total: int) -> None:
        """Records the number of bytes of output that stand in the ring or were sent."""
        self._store(_WRITTEN, total)
