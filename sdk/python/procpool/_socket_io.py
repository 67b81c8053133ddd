"""Descriptors 3 and 4: whether they are connections to a coordinator, and how bytes come in.

Uses `_socket`, which `socket` wraps: the wrapper costs a tenth of a start, and serves addresses.
"""

from __future__ import annotations

import _socket
import os
import sys

from ._frames import FORK, MAGIC, MAX_ATTACHMENTS, SHARE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

JOBS, CONTROL = 3, 4
MEMORY = (5, 6, 7)  # the page, and arenas for inputs and for outputs
_ANCILLARY = _socket.CMSG_SPACE(4 * MAX_ATTACHMENTS)
_CLOEXEC = getattr(_socket, "MSG_CMSG_CLOEXEC", 0)


def was_spawned() -> bool:
    """Returns whether a coordinator started this process: its preamble waits at descriptor 3."""
    try:
        connection = _socket.socket(fileno=os.dup(JOBS))
    except OSError:
        return False
    try:
        return connection.recv(len(MAGIC), _socket.MSG_PEEK | _socket.MSG_DONTWAIT) == MAGIC
    except OSError:
        return False
    finally:
        connection.close()


def keep_from_programs() -> None:
    """Marks the connections close-on-exec: a program that a job starts must not answer jobs."""
    os.set_inheritable(JOBS, False)
    os.set_inheritable(CONTROL, False)


def connections() -> Tuple[_socket.socket, _socket.socket]:
    """Returns both connections. Raises `OSError` if control is none."""
    jobs, control = _socket.socket(fileno=JOBS), _socket.socket(fileno=CONTROL)
    for connection in (jobs, control):
        # A program may have set a default timeout for its sockets.
        connection.settimeout(None)
    return jobs, control


class DescriptorReceiver:
    """Receives bytes, and the descriptors that come with them.

    One `recvmsg` brings the descriptors of at most one frame, with the frame's first byte.
    """

    def __init__(self, connection: _socket.socket) -> None:
        self._connection = connection
        self._arrived: List[int] = []
        # Those of the frame that was read last.
        self.descriptors: List[int] = []

    def receive(self, length: int) -> bytes:
        """Returns the next bytes, and none at the end of file."""
        data, ancillary, _, _ = self._connection.recvmsg(length, _ANCILLARY, _CLOEXEC)
        for level, kind, content in ancillary:
            if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
                whole = len(content) // 4 * 4
                self._arrived += [int.from_bytes(content[at : at + 4], sys.byteorder) for at in range(0, whole, 4)]
        return data

    def assign(self, kind: int, count: int) -> None:
        """Gives a frame its descriptors. Closes those of frames that have no use for any."""
        mine, self._arrived = self._arrived[:count], self._arrived[count:]
        self.descriptors += mine
        if kind not in (SHARE, FORK):
            self.drop()

    def drop(self) -> None:
        """Closes the descriptors of the frame that was read last."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = []
