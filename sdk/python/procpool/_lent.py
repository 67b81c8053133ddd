"""Memory that is lent to the server for one request: a large input goes there, and a large output comes there.

docs/http.md, "Lent memory". Through the socket, each byte would be copied three times as often. Pages
that are there already cost a fifth of fresh ones, so memory is used for one request after another.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
from time import monotonic

from ._page import F_SEAL_GROW, F_SEAL_SHRINK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Sequence

    from ._client import Answer, Buffer, Connection
    from ._futures import Request

# Requests of at least this length have memory lent. The server answers there from this length on, too.
LENT_FROM = 256 << 10
# No file of memory is shorter, so that requests of slightly different sizes share one.
_LEAST = 1 << 20
# Number of unused pieces of memory that are kept, and for how many seconds.
_KEPT = 2
_REST = 10.0
_F_ADD_SEALS, _F_SEAL_SEAL = 1033, 0x1


class Memory:
    """One piece of memory, which the server can read and write, but not make shorter."""

    __slots__ = ("_map", "descriptor", "length", "since")

    def __init__(self, length: int) -> None:
        self.length = length
        self.since = 0.0
        self.descriptor = os.memfd_create("procpool-lent", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, length)
        fcntl.fcntl(self.descriptor, _F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | _F_SEAL_SEAL)
        self._map = mmap.mmap(self.descriptor, length)

    def __del__(self) -> None:
        # The mapping ends by itself. The server may still have the memory open.
        descriptor = getattr(self, "descriptor", -1)
        if descriptor >= 0:
            os.close(descriptor)

    def fill(self, parts: Sequence[Buffer]) -> None:
        """Writes these parts to the beginning."""
        at = 0
        with memoryview(self._map) as view:
            for part in parts:
                end = at + len(part)
                view[at:end] = part
                at = end

    def take(self, length: int) -> bytearray:
        """Returns a copy of the beginning: the memory is for the next request."""
        with memoryview(self._map) as view, view[:length] as part:
            return bytearray(part)


class Memories:
    """The memory that a dispatcher lends. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unused: List[Memory] = []

    def send(self, connection: Connection, request: Request) -> bool:
        """Sends a request whose input lies in lent memory. Returns False if it has to go through the socket.

        Raises `OSError`.
        """
        memory = self._find(request.size) if connection.is_unix else None
        if memory is None:
            return False
        memory.fill(request.parts)
        request.memory = memory
        start = request.head[: request.head.rindex(b" ")]
        connection.send_lending(b"%s 0\r\nJob-Memory: %d\r\n\r\n" % (start, request.size), memory.descriptor)
        return True

    def take_answer(self, memory: Memory, answer: Answer) -> Answer:
        """Returns an answer with its output, which may be in the memory. The server is done with that.

        Where no answer came, the server may still be about to write: that memory is not used again.
        """
        length = answer.header(b"job-memory")
        if length is not None:
            answer = answer._replace(body=memory.take(int(length)))
        self.keep(memory)
        return answer

    def keep(self, memory: Memory) -> None:
        """Keeps memory that nobody uses any longer for another request."""
        memory.since = monotonic()
        with self._lock:
            self._unused.append(memory)
            del self._unused[:-_KEPT]

    def rest(self) -> Optional[float]:
        """Frees what was not used for a while. Returns the seconds until the next look, `None` if all is free."""
        if not self._unused:
            return None
        end = monotonic() - _REST
        with self._lock:
            self._unused = [memory for memory in self._unused if memory.since > end]
            return self._unused[0].since - end if self._unused else None

    def _find(self, length: int) -> Optional[Memory]:
        """Returns memory of at least this length, or `None` if the system has none."""
        with self._lock:
            for at in range(len(self._unused) - 1, -1, -1):
                # A much longer one is kept for others.
                if length <= self._unused[at].length <= 4 * max(length, _LEAST):
                    return self._unused.pop(at)
        try:
            return Memory(max(_LEAST, 1 << (length - 1).bit_length()))
        except (AttributeError, OSError, OverflowError, ValueError):
            return None
