"""HTTP/1.1 to a server, over TCP or a Unix socket: connections that are kept, and answers of known length.

`http.client` takes three times as long for an answer, most of it for headers that nobody asks for.
"""

from __future__ import annotations

import json
import math
import os
import select
import socket
import struct
import threading
import time
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple, Union, cast
from urllib.parse import urlsplit

from ._outcomes import JobError, ServerError, ServerGone, error_of

Buffer = Union[bytes, bytearray, memoryview]

# Bytes of an answer's head that are read at most.
_MAX_HEAD = 65536
# Requests of at most this length are joined before they are sent: a copy costs less than a vector.
_JOINED = 65536
# Seconds after which a kept connection is not used again. The server closes idle ones after
# `keep_alive_timeout`, 75 s: a request must not meet that.
_KEEP = 30.0
# A close that resets the connection tells the server at once that nobody waits for the answer.
_RESET = struct.pack("ii", 1, 0)
_MOST_PARTS = 1000


class Address(NamedTuple):
    """Where a server listens, and how requests to it begin."""

    family: int
    target: Union[str, Tuple[str, int]]
    host: str

    @classmethod
    def of(cls, url: str) -> Address:
        """Reads `http://HOST:PORT` or `unix:/PATH`. Raises `ValueError` for anything else."""
        if url.startswith("unix:"):
            path = url[len("unix:") :]
            if not os.path.isabs(path):
                raise ValueError(f"`{url}` is not the absolute path of a socket, such as unix:/run/procpool.sock")
            return cls(socket.AF_UNIX, path, "localhost")
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(f"`{url}` is no server: write http://127.0.0.1:3000 or unix:/run/procpool.sock")
        family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
        return cls(family, (parts.hostname, parts.port or 80), parts.netloc.rpartition("@")[2])

    def connect(self) -> socket.socket:
        """Returns a new connection. Raises `OSError`."""
        if self.family == socket.AF_UNIX:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.settimeout(None)
                connection.connect(self.target)
            except BaseException:
                connection.close()
                raise
            return connection
        connection = socket.create_connection(cast("Tuple[str, int]", self.target))
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


class Answer(NamedTuple):
    """An answer: its head in lower case, and its body."""

    head: bytes
    body: Buffer

    @property
    def status(self) -> int:
        """The status, such as 200."""
        return int(self.head[9:12])

    @property
    def is_json(self) -> bool:
        """Whether the body is the output of a job as JSON."""
        return b"\r\ncontent-type: application/json" in self.head

    def header(self, name: bytes) -> Optional[str]:
        """Returns the value of a header, whose name is in lower case."""
        found = _header(self.head, name)
        return None if found is None else found.decode("latin-1")

    def error(self) -> JobError:
        """Returns the error that this answer stands for."""
        try:
            problem = json.loads(bytes(self.body))
            if type(problem) is not dict:
                raise ValueError("no object")
        except ValueError:
            text = bytes(self.body[:200]).decode("utf-8", "replace")
            problem = {"status": self.status, "detail": f"an answer that is not procpool's: {self.status} {text}"}
        wait = self.header(b"retry-after")
        return error_of(problem, float(wait) if wait and wait.isdigit() else None, self.header(b"job-id"))


def _header(head: bytes, name: bytes) -> Optional[bytes]:
    start = head.find(b"\r\n" + name + b":")
    if start < 0:
        return None
    start += len(name) + 3
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()


class Connection:
    """One connection: a request goes out, then its answer comes in."""

    __slots__ = (
        "_body",
        "_data",
        "_filled",
        "_head",
        "_poll",
        "idle_since",
        "is_answered",
        "is_unix",
        "receiving",
        "socket",
    )

    def __init__(self, address: Address) -> None:
        self.socket = address.connect()
        self.idle_since = 0.0
        # Whether the answer came before the request was sent whole.
        self.is_answered = False
        # Held by the thread that receives here, where two may.
        self.receiving = threading.Lock()
        self.is_unix = address.family == socket.AF_UNIX
        self._data = b""
        self._head = b""
        self._body: Optional[memoryview] = None
        self._filled = 0
        self._poll = select.poll()
        self._poll.register(self.socket, select.POLLIN)

    def send_lending(self, head: bytes, descriptor: int) -> None:
        """Sends a request without a body, and lends the memory at this descriptor. Raises `OSError`."""
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", descriptor))
        sent = self.socket.sendmsg([head], [rights])
        if sent < len(head):
            self.socket.sendall(head[sent:])

    def send(self, head: bytes, parts: Sequence[Buffer]) -> None:
        """Sends a request whose body is these parts. Raises `OSError`."""
        if not parts:
            self.socket.sendall(head)
        elif sum(map(len, parts)) <= _JOINED:
            self.socket.sendall(b"".join((head, *parts)))
        else:
            self._send_parts([memoryview(head), *(memoryview(part) for part in parts)])

    def _send_parts(self, parts: List[memoryview]) -> None:
        while parts:
            sent = self.socket.sendmsg(parts[:_MOST_PARTS])
            while parts and sent >= len(parts[0]):
                sent -= len(parts.pop(0))
            if sent:
                parts[0] = parts[0][sent:]

    def receive(self) -> Answer:
        """Waits for the answer. Raises `OSError` or `EOFError`."""
        answer = None
        while answer is None:
            answer = self.feed()
        return answer

    def feed(self, flags: int = 0) -> Optional[Answer]:
        """Receives what there is, with flags of `recv`. Returns the answer when it is whole."""
        if self._body is None:
            data = self.socket.recv(_MAX_HEAD, flags)
            if not data:
                raise EOFError("the server closed the connection")
            if self._data:
                data = self._data + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > _MAX_HEAD:
                    raise ServerError("the head of an answer exceeds 64 KiB: this is no server of procpool")
                self._data = data
                return None
            self._data = b""
            head = data[:end].lower()
            length = _length(head)
            start = end + 4
            if len(data) - start >= length:
                return Answer(head, data[start : start + length])
            self._head = head
            self._body = memoryview(bytearray(length))
            self._filled = len(data) - start
            self._body[: self._filled] = data[start:]
        received = self.socket.recv_into(self._body[self._filled :], 0, flags)
        if not received:
            raise EOFError("the server closed the connection within an answer")
        self._filled += received
        if self._filled < len(self._body):
            return None
        body, self._body = self._body, None
        return Answer(self._head, body)

    def is_readable(self, seconds: Optional[float]) -> bool:
        """Waits until there is something to receive. Returns False if the time was over before."""
        return bool(self._poll.poll(None if seconds is None else max(0, math.ceil(seconds * 1000))))

    def is_old(self) -> bool:
        """Returns whether a connection was kept for so long that the server may be about to close it."""
        return time.monotonic() - self.idle_since > _KEEP

    def is_stale(self) -> bool:
        """Returns whether a connection that was kept must not be used again."""
        # Nothing was asked, so whatever can be read is the end.
        return self.is_old() or bool(self._poll.poll(0))

    def hang_up(self) -> None:
        """Shows the receiver the end, which then closes this connection."""
        try:
            if not self.is_unix:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.socket.shutdown(socket.SHUT_RD)
        except OSError:
            pass

    def close(self) -> None:
        """Closes the connection. A job that it still waits for is cancelled."""
        self.socket.close()


def _length(head: bytes) -> int:
    found = _header(head, b"content-length")
    if found is None or not found.isdigit():
        raise ServerError("an answer without a length: name the server itself, not a proxy before it")
    return int(found)


class Client:
    """Connections to one server, for any number of threads.

    `address` is called for each new connection, so that a server that was started anew is found: with
    True if nobody listened at the address before.
    """

    def __init__(self, address: Callable[[bool], Address], most: int) -> None:
        self._address = address
        self._idle: List[Connection] = []
        self._places = threading.BoundedSemaphore(most)
        self._most = most

    def connect(self) -> Connection:
        """Returns a new connection. Raises `ServerGone` if nobody listens."""
        try:
            try:
                return Connection(self._address(False))
            except (ConnectionRefusedError, FileNotFoundError):
                return Connection(self._address(True))
        except OSError as error:
            raise ServerGone.because(f"nobody answers at the server's address: {error}", may_have_run=False) from None

    def exchange(self, head: bytes, parts: Sequence[Buffer] = ()) -> Answer:
        """Sends a request and waits for its answer. An exception meanwhile cancels the job."""
        with self._places:
            connection = self._kept() or self.connect()
            try:
                try:
                    connection.send(head, parts)
                except OSError:
                    # A server that refuses a long request may have closed the connection behind its answer.
                    answer = connection.receive()
                    connection.close()
                    return answer
                answer = connection.receive()
            except (OSError, EOFError) as error:
                connection.close()
                raise ServerGone.because(str(error), may_have_run=True) from None
            except BaseException:
                connection.hang_up()
                connection.close()
                raise
            if b"\r\nconnection: close" in answer.head:
                connection.close()
            else:
                connection.idle_since = time.monotonic()
                self._idle.append(connection)
            return answer

    def _kept(self) -> Optional[Connection]:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if not connection.is_stale():
                return connection
            connection.close()

    def get(self, path: str, host: str = "localhost") -> Any:
        """Returns the JSON value that the server has at a path."""
        answer = self.exchange(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("ascii"))
        if answer.status != 200:
            raise answer.error()
        return json.loads(bytes(answer.body))

    def close(self) -> None:
        """Closes the connections that no job uses."""
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                break

    def forget(self) -> None:
        """Begins anew in a fork: the connections are the parent's."""
        self.close()
        self._places = threading.BoundedSemaphore(self._most)
