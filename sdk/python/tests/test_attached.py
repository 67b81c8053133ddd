"""Workers that somebody else starts: `--attach SOCKET`, at a real server and at one that the test plays."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple

import pytest
from coordinator import HEAD, PATIENCE, frame, job
from server import HERE, Server

Serve = Callable[..., Server]
Start = Callable[..., "Attached"]


class Attached(subprocess.Popen[str]):
    """A worker that the test started."""

    def __init__(self, target: str, *arguments: str, env: Any = None) -> None:
        program = [target] if target.endswith(".py") else ["-m", "procpool", f"job_functions:{target}"]
        super().__init__(
            [sys.executable, *program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=HERE,
            env={**os.environ, "PYTHONPATH": str(HERE.parent), **(env or {})},
        )

    def ended(self) -> Tuple[int, str]:
        """Waits for the end. Returns exit code and standard error."""
        errors = self.communicate(timeout=PATIENCE)[1]
        return self.returncode, errors


@pytest.fixture
def start() -> Iterator[Start]:
    started: List[Attached] = []

    def begin(target: str, *arguments: str, **options: Any) -> Attached:
        started.append(Attached(target, *arguments, **options))
        return started[-1]

    yield begin
    for worker in started:
        worker.kill()
        worker.communicate()


def socket_of(server: Server, pool: str) -> str:
    return str(server.attach_dir / f"{pool}.sock")


def test_a_worker_that_somebody_else_started_runs_jobs(serve: Serve, start: Start) -> None:
    with serve("copied", attach=True) as server:
        worker = start("copied", "--attach", socket_of(server, "copied"))
        for size in (1, 5_000_000, 5_000_000, 5_000_000):
            body = os.urandom(size)
            assert server.post_bytes("copied", body).body == body[::-1]
        assert server.pid("copied") == worker.pid
        server.process.send_signal(signal.SIGTERM)
        code, said = worker.ended()
        assert code in (0, 3, -signal.SIGKILL), said


def test_a_deadline_costs_it_no_process(serve: Serve, start: Start) -> None:
    with serve("spin", attach=True, grace="30s") as server:
        worker = start("spin", "--attach", socket_of(server, "spin"))
        server.wait_for_worker("spin")
        assert server.post("spin", 3600, "?timeout=150ms").value["outcome"] == "timed_out"
        assert server.post("spin", 0).value == "spun"
        assert server.pid("spin") == worker.pid


def test_one_that_dies_costs_its_job_and_another_takes_its_place(serve: Serve, start: Start) -> None:
    with serve("echo_or_die", attach=True) as server:
        path = socket_of(server, "echo_or_die")
        first, second = start("echo_or_die", "--attach", path), start("echo_or_die", "--attach", path)
        assert server.post("echo_or_die", "die").value["outcome"] == "crashed"
        assert server.post("echo_or_die", 1).value == 1
        assert server.pid("echo_or_die") in {first.pid, second.pid}
        assert [first.poll(), second.poll()].count(None) == 1


def test_one_of_several_jobs(serve: Serve, start: Start) -> None:
    with serve("x", attach=True, job="length") as server:
        worker = start("serving_script.py", "several", "--attach", socket_of(server, "x"))
        assert server.post("x", "four").value == 4
        assert server.pid("x") == worker.pid


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_it_finish_its_job(serve: Serve, start: Start, stop: signal.Signals) -> None:
    with serve("gated", attach=True) as server:
        worker = start("gated", "--attach", socket_of(server, "gated"))
        gate = server.attach_dir / "gate"
        os.mkfifo(gate)
        answers: List[Any] = []
        caller = threading.Thread(target=lambda: answers.append(server.post("gated", str(gate))))
        caller.start()
        with open(gate, "w") as file:  # It is open when the job runs.
            worker.send_signal(stop)
            file.write("go")
        caller.join()
        assert answers[0].value == "go"
        assert worker.ended() == (0, "")


def test_a_stop_ends_one_that_is_idle_and_a_second_one_amid_its_job(serve: Serve, start: Start) -> None:
    with serve("spin", attach=True) as server:
        path = socket_of(server, "spin")
        idle = start("spin", "--attach", path)
        server.wait_for_worker("spin")
        idle.send_signal(signal.SIGTERM)
        assert idle.ended() == (0, "")
        busy = start("stopped_spin", "--attach", path)
        answer = server.post("spin", 3600)
        assert answer.value["outcome"] == "crashed", answer
        assert busy.ended()[0] == -signal.SIGTERM


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_one_that_stands_by(tmp_path: Path, start: Start, stop: signal.Signals) -> None:
    with Coordinator(tmp_path) as coordinator:
        worker = start("echo", "--attach", coordinator.path)
        for _ in range(2):
            coordinator.accept()
        worker.send_signal(stop)
        assert worker.ended() == (-stop, "")


class Coordinator:
    """The socket of a pool, which the test plays."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "pool.sock")
        (folder / "pool.sock.token").write_text("0123456789abcdef\n")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._listener.settimeout(PATIENCE)
        self._accepted: List[socket.socket] = []

    def __enter__(self) -> Coordinator:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in (self._listener, *self._accepted):
            connection.close()

    def accept(self) -> Tuple[socket.socket, Any]:
        """Returns the next connection, and how it introduces itself."""
        connection, _ = self._listener.accept()
        connection.settimeout(PATIENCE)
        self._accepted.append(connection)
        assert connection.recv(16, socket.MSG_WAITALL) == struct.pack("<8sHHI", b"PROCPOOL", 2, 2, 0)
        kind, header, payload, _ = read(connection)
        assert (kind, payload) == (4, b"")
        return connection, json.loads(header)


def read(connection: socket.socket) -> Tuple[int, bytes, bytes, int]:
    header, payload, kind, _, _, _, _, sequence = HEAD.unpack(connection.recv(HEAD.size, socket.MSG_WAITALL))
    return kind, *(connection.recv(length, socket.MSG_WAITALL) for length in (header, payload)), sequence


def test_how_it_introduces_itself(tmp_path: Path, start: Start) -> None:
    with Coordinator(tmp_path) as coordinator:
        worker = start("word_count", "--attach", coordinator.path)
        (jobs, first), (control, second) = coordinator.accept(), coordinator.accept()
        assert first == {"connection": "jobs", "token": "0123456789abcdef", "process": str(worker.pid)}
        assert second == {**first, "connection": "control"}
        welcome = {"mode": "jobs", "owned": False, "worker": "w-0", "pool": "w", "max_payload": 1 << 20}
        jobs.sendall(struct.pack("<8sHHI", b"PROCPOOL", 2, 2, 0) + frame(2, json.dumps(welcome).encode()))
        kind, hello, _, _ = read(jobs)
        assert (kind, json.loads(hello)["job"]) == (1, "word-count")
        assert read(jobs)[0] == 0x10
        control.sendall(frame(0x32, sequence=7))
        assert read(control)[::3] == (0x33, 7)
        jobs.sendall(job(1, "a b a"))
        assert json.loads(read(jobs)[2]) == {"a": 2, "b": 1}
        control.sendall(frame(0x34))
        assert worker.ended() == (0, "")


def test_one_that_nobody_owns_kills_no_group(tmp_path: Path, start: Start) -> None:
    """This test is in the worker's process group."""
    with Coordinator(tmp_path) as coordinator:
        worker = start("spin", "--attach", coordinator.path)
        (jobs, _), (control, _) = coordinator.accept(), coordinator.accept()
        welcome = {"mode": "jobs", "owned": False, "worker": "w-0", "pool": "w", "max_payload": 1 << 20}
        jobs.sendall(struct.pack("<8sHHI", b"PROCPOOL", 2, 2, 0) + frame(2, json.dumps(welcome).encode()))
        assert [read(jobs)[0] for _ in range(2)] == [1, 0x10]
        jobs.sendall(job(1, 3600))
        control.close()
        assert worker.ended() == (-signal.SIGKILL, "")


def test_a_refusal_is_said(tmp_path: Path, start: Start) -> None:
    with Coordinator(tmp_path) as coordinator:
        worker = start("echo", "--attach", coordinator.path)
        jobs, _ = coordinator.accept()
        refusal = frame(3, b'{"reason": "full", "detail": "64 workers wait already"}')
        jobs.sendall(struct.pack("<8sHHI", b"PROCPOOL", 2, 2, 0) + refusal)
        code, said = worker.ended()
        assert code == 4
        assert "refused this worker (full): 64 workers wait already" in said


def test_another_token_file(serve: Serve, start: Start, tmp_path: Path) -> None:
    with serve("echo", attach=True) as server:
        path = socket_of(server, "echo")
        copy, wrong = tmp_path / "copy", tmp_path / "wrong"
        copy.write_text(Path(path + ".token").read_text())
        wrong.write_text("00000000000000000000000000000000")
        code, said = start("echo", "--attach", path, env={"PROCPOOL_TOKEN_FILE": str(wrong)}).ended()
        assert code == 4
        assert "refused this worker (token)" in said
        Path(path + ".token").unlink()
        worker = start("echo", "--attach", path, env={"PROCPOOL_TOKEN_FILE": str(copy)})
        assert server.post("echo", 1).value == 1
        assert server.pid("echo") == worker.pid


@pytest.mark.parametrize(
    ("target", "socket_name", "code", "said"),
    [
        ("echo", "none.sock", 4, "failed to read the token of {}/none.sock: [Errno 2] No such file or directory: "),
        ("echo", "dead.sock", 4, "failed to attach at {}/dead.sock: [Errno 2] No such file or directory"),
        ("echo", "x" * 120, 4, "failed to attach at {}/xxx"),
        ("no_such", "dead.sock", 1, "`job_functions` has no `no_such`"),
        ("echo", None, 2, "`--attach` needs the pool's socket, as the last argument"),
    ],
)
def test_what_does_not_attach_says_why(
    tmp_path: Path, start: Start, target: str, socket_name: Any, code: int, said: str
) -> None:
    for name in ("dead.sock", "x" * 120):
        (tmp_path / f"{name}.token").write_text("0123456789abcdef")
    arguments = ["--attach", *([str(tmp_path / socket_name)] if socket_name else [])]
    found, errors = start(target, *arguments).ended()
    assert found == code, errors
    assert said.format(tmp_path) in errors
    assert "Traceback" not in errors
