"""A coordinator that says what a test wants, frame by frame, to a worker that it spawns.

Parses with code of its own, so that an error of the package does not hide itself.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

HERE = Path(__file__).parent
HEAD = struct.Struct("<IIHHBBHQ")
PATIENCE = 30.0
JOB_ID = bytes(range(16))

PAGE_LENGTH = 69632
F_ADD_SEALS = 1033
SHRINK_AND_GROW, FUTURE_WRITE = 0x6, 0x10


class Frame(NamedTuple):
    """A frame that the worker sent."""

    kind: int
    flags: int
    encoding: int
    sequence: int
    header: bytes
    payload: bytes

    @property
    def json(self) -> Dict[str, Any]:
        value = json.loads(self.header)
        assert isinstance(value, dict)
        return value

    @property
    def value(self) -> Any:
        assert self.encoding == 2, self
        return json.loads(self.payload)

    @property
    def status(self) -> int:
        assert self.kind == 0x21, self
        return self.header[0]


def frame(
    kind: int, header: bytes = b"", payload: bytes = b"", sequence: int = 0, flags: int = 0, encoding: int = 0
) -> bytes:
    encoding = encoding or (2 if payload else 0)
    return HEAD.pack(len(header), len(payload), kind, flags, encoding, 0, 0, sequence) + header + payload


def job_header(credit: Optional[int] = None, extras: bytes = b"\0") -> bytes:
    assert credit is None or credit < 251
    return JOB_ID + b"\1\0\2" + (b"\0" if credit is None else bytes([1, credit])) + extras


def job(
    sequence: int,
    value: Any = None,
    credit: Optional[int] = None,
    raw: Optional[bytes] = None,
    extras: bytes = b"\0",
    flags: int = 0,
) -> bytes:
    payload = json.dumps(value).encode() if raw is None else raw
    header = job_header(credit, extras)
    return frame(0x20, header, payload, sequence, flags, 2 if raw is None else 3)


class Memory:
    """Sealed shared memory, as the coordinator makes it."""

    def __init__(self, length: int, seals: int = SHRINK_AND_GROW) -> None:
        self.file = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.file, length)
        self.map = mmap.mmap(self.file, length)
        fcntl.fcntl(self.file, F_ADD_SEALS, seals)

    def number(self, at: int) -> int:
        return int.from_bytes(self.map[at : at + 8], "little")

    def store(self, at: int, number: int) -> None:
        self.map[at : at + 8] = number.to_bytes(8, "little")


class Coordinator:
    """Two connections and a process. `with` kills the process at the end."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        page: bool = False,
        template: bool = False,
        max_payload: int = 64 << 20,
        owned: bool = True,
        welcome: bool = True,
        worker_data: bytes = b"",
        versions: Tuple[int, int] = (2, 2),
        env: Optional[Dict[str, str]] = None,
    ) -> None:
        self.jobs, jobs = socket.socketpair()
        self.control, control = socket.socketpair()
        self.page = Memory(PAGE_LENGTH) if page else None
        if self.page:
            self.page.map[32:48] = b"procpool page 2\n"
        for mine in (self.jobs, self.control):
            mine.settimeout(PATIENCE)
        self.jobs.sendall(struct.pack("<8sHHI", b"PROCPOOL", *versions, 0))
        if welcome:
            fields = {"mode": "jobs", "owned": owned, "worker": "t-0", "pool": "t", "max_payload": max_payload}
            if page:
                fields["page"] = True
            if template:
                fields["template"] = True
            self.jobs.sendall(frame(2, json.dumps(fields).encode(), worker_data))
        descriptors = [jobs.fileno(), control.fileno(), *([self.page.file] if self.page else [])]
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "born.py"), ",".join(map(str, descriptors)), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=descriptors,
            start_new_session=True,
            cwd=HERE,
            env={**os.environ, "PYTHONPATH": str(HERE.parent), **(env or {})},
        )
        jobs.close()
        control.close()
        self.sequence = 0

    def __enter__(self) -> Coordinator:
        return self

    def __exit__(self, *_: object) -> None:
        self.control.close()
        self.jobs.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def read(self, connection: socket.socket) -> Optional[Frame]:
        """Returns the next frame, or `None` at the end of file."""
        head = self.exactly(connection, HEAD.size)
        if head is None:
            return None
        header, payload, kind, flags, encoding, descriptors, reserved, sequence = HEAD.unpack(head)
        assert (descriptors, reserved) == (0, 0)
        pieces = [self.exactly(connection, length) for length in (header, payload)]
        assert pieces[0] is not None
        assert pieces[1] is not None
        return Frame(kind, flags, encoding, sequence, pieces[0], pieces[1])

    def exactly(self, connection: socket.socket, length: int) -> Optional[bytes]:
        data = b""
        while len(data) < length:
            piece = connection.recv(length - len(data))
            if not piece:
                return None
            data += piece
        return data

    def next(self) -> Frame:
        """Returns the next frame on jobs."""
        found = self.read(self.jobs)
        assert found is not None, self.stderr()
        return found

    def next_control(self) -> Frame:
        found = self.read(self.control)
        assert found is not None, self.stderr()
        return found

    def ready(self) -> Dict[str, Any]:
        """Reads preamble, `Hello` and `Ready`. Returns the `Hello`."""
        assert self.exactly(self.jobs, 16) == struct.pack("<8sHHI", b"PROCPOOL", 2, 2, 0)
        hello = self.next()
        assert hello.kind == 1, hello
        ready = self.next()
        assert ready.kind == 0x10, ready
        return hello.json

    def run(self, value: Any = None, **options: Any) -> Frame:
        """Runs a job and returns its `Done`. Other frames before it are an error."""
        self.sequence += 1
        self.jobs.sendall(job(self.sequence, value, **options))
        done = self.next()
        assert (done.kind, done.sequence) == (0x21, self.sequence), done
        return done

    def until_done(self) -> List[Frame]:
        """Returns all frames up to the next `Done`."""
        frames = [self.next()]
        while frames[-1].kind != 0x21:
            frames.append(self.next())
        return frames

    def tell(self, kind: int, header: bytes = b"", sequence: int = 0) -> None:
        """Sends a frame on control."""
        self.control.sendall(frame(kind, header, sequence=sequence))

    def cancel(self, sequence: int) -> None:
        self.tell(0x30, sequence=sequence)

    def ping(self) -> None:
        """Returns when the guard has heard everything that was told before."""
        self.tell(0x32, sequence=77)
        while (found := self.next_control()).kind != 0x33:
            pass
        assert found.sequence == 77

    def share(self, number: int, direction: str, memory: Optional[Memory], length: Optional[int] = None) -> bool:
        """Offers an arena, and returns whether it was accepted."""
        fields: Dict[str, Any] = {"direction": direction}
        if memory is not None:
            fields["length"] = len(memory.map) if length is None else length
        header = json.dumps(fields).encode()
        head = HEAD.pack(len(header), 0, 0x39, 0, 0, 1 if memory else 0, 0, number)
        descriptors = [memory.file] if memory else []
        socket.send_fds(self.control, [head + header], descriptors)
        answer = self.next_control()
        assert (answer.kind, answer.sequence) == (0x3A, number)
        return bool(answer.json["accepted"])

    def fork(self, sequence: int = 1, page: bool = False, arenas: bool = False) -> Fork:
        """Has a template fork a worker."""
        return Fork(self, sequence, page, arenas)

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE)

    def stderr(self) -> str:
        """Returns all of standard error, when the process has ended."""
        return self.process.communicate(timeout=PATIENCE)[1].decode(errors="replace")


class Fork(Coordinator):
    """A worker that a template forks. Its process is a child of the test's own."""

    def __init__(self, template: Coordinator, sequence: int, page: bool, arenas: bool) -> None:
        self.jobs, jobs = socket.socketpair()
        self.control, control = socket.socketpair()
        self.jobs.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.page = Memory(PAGE_LENGTH) if page else None
        self.sequence = 0
        self.pid = 0
        self._code: Optional[int] = None
        fields: Dict[str, Any] = {"mode": "jobs", "owned": True, "worker": "t-1", "pool": "t", "max_payload": 64 << 20}
        fields.update({"page": True} if page else {}, **({"arenas": True} if arenas else {}))
        for mine in (self.jobs, self.control):
            mine.settimeout(PATIENCE)
        self.jobs.sendall(struct.pack("<8sHHI", b"PROCPOOL", 2, 2, 0) + frame(2, json.dumps(fields).encode()))
        self.output, output = os.pipe()
        self.errors, errors = os.pipe()
        given = [output, errors, jobs.fileno(), control.fileno()]
        memory = []
        if self.page:
            self.page.map[32:48] = b"procpool page 2\n"
            memory.append(os.dup(self.page.file))
        elif arenas:
            memory.append(os.dup(output))
        if arenas:
            memory += [Memory(1 << 20).file, Memory(1 << 20).file]
        head = HEAD.pack(0, 0, 0x3B, 0, 0, len(given + memory), 0, sequence)
        socket.send_fds(template.control, [head], given + memory)
        for each in (output, errors, *memory):
            os.close(each)
        jobs.close()
        control.close()

    def __enter__(self) -> Fork:
        return self

    def exactly(self, connection: socket.socket, length: int) -> Optional[bytes]:
        """Learns the process id from who has sent the preamble."""
        if self.pid or connection is not self.jobs:
            return super().exactly(connection, length)
        data, ancillary, _, _ = connection.recvmsg(length, 256)
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                self.pid = struct.unpack("iii", content)[0]
        return data

    def __exit__(self, *_: object) -> None:
        self.control.close()
        self.jobs.close()
        if self.pid and self._code is None:
            os.kill(self.pid, signal.SIGKILL)
            self.exit_code()
        os.close(self.output)
        os.close(self.errors)

    def exit_code(self) -> int:
        if self._code is None:
            status = os.waitpid(self.pid, 0)[1]
            self._code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return self._code

    def stdout(self) -> str:
        """Returns all of standard output, when the process has ended."""
        self.exit_code()
        return _all_of(self.output)

    def stderr(self) -> str:
        return _all_of(self.errors) if self.pid == 0 or self._code is not None else ""


def _all_of(descriptor: int) -> str:
    pieces = []
    while piece := os.read(descriptor, 65536):
        pieces.append(piece)
    return b"".join(pieces).decode(errors="replace")
