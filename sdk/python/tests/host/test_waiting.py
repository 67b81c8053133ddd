"""A thread that waits for the only job receives its answer itself, and everything else still reaches it."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import CancelledError, wait
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Callable, List

import host_jobs
import pytest

import procpool

Start = Callable[..., procpool.Executor]


def _waiting(future: Any, monkeypatch: Any) -> threading.Event:
    """Returns an event that is set when a thread waits at the connection of a future."""
    arrived = threading.Event()
    kind = type(future._request.connection)
    is_readable = kind.is_readable

    def arrive(connection: Any, seconds: Any) -> bool:
        arrived.set()
        return bool(is_readable(connection, seconds))

    monkeypatch.setattr(kind, "is_readable", arrive)
    return arrived


def _result_of(future: Any, results: List[Any]) -> threading.Thread:
    def take() -> None:
        try:
            results.append(future.result())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=take)
    thread.start()
    return thread


@pytest.fixture
def gate(tmp_path: Any) -> str:
    """A pipe that lets a job of `pass_gate` pass when somebody opens it to write."""
    path = str(tmp_path / "gate")
    os.mkfifo(path)
    return path


def _then(arrived: threading.Event, act: Callable[[], object]) -> threading.Thread:
    """Does something as soon as a thread waits."""

    def follow() -> None:
        assert arrived.wait(60)
        act()

    thread = threading.Thread(target=follow)
    thread.start()
    return thread


def _open(gate: str) -> None:
    with open(gate, "w"):
        pass


def test_the_thread_that_waits_receives(executor: Start, gate: str, monkeypatch: Any) -> None:
    calls = executor()
    future = calls.submit(host_jobs.pass_gate, gate, "here")
    receivers = []
    feed = procpool._client.Connection.feed

    def seen(connection: Any, flags: int = 0) -> Any:
        receivers.append(threading.current_thread())
        return feed(connection, flags)

    monkeypatch.setattr(procpool._client.Connection, "feed", seen)
    thread = _then(_waiting(future, monkeypatch), lambda: _open(gate))
    assert future.result() == "here"
    thread.join()
    assert receivers == [threading.current_thread()]


def test_jobs_that_are_submitted_meanwhile_do_not_wait_for_it(executor: Start, signpost: Any, monkeypatch: Any) -> None:
    calls = executor()
    first = calls.submit(host_jobs.block, signpost.path)
    worker = int(signpost.wait().split()[1])
    results: List[Any] = []
    arrived = _waiting(first, monkeypatch)
    thread = _result_of(first, results)
    assert arrived.wait(60)
    assert [calls.submit(pow, 2, number).result() for number in range(20)] == [2**number for number in range(20)]
    os.kill(worker, signal.SIGKILL)
    thread.join()
    assert isinstance(results[0], procpool.Crashed)


def test_the_time_to_wait_is_over_and_the_job_goes_on(executor: Start, gate: str) -> None:
    calls = executor()
    future = calls.submit(host_jobs.pass_gate, gate, "here")
    for _ in range(3):
        with pytest.raises(FutureTimeout):
            future.result(0.01)
    _open(gate)
    # Here the other thread receives again.
    assert wait([future]).done == {future}
    assert future.result() == "here"
    assert calls.submit(pow, 2, 3).result() == 8


def test_a_cancel_reaches_a_thread_that_waits(executor: Start, signpost: Any, monkeypatch: Any) -> None:
    calls = executor()
    future = calls.submit(host_jobs.block, signpost.path)
    signpost.wait()
    results: List[Any] = []
    arrived = _waiting(future, monkeypatch)
    thread = _result_of(future, results)
    assert arrived.wait(60)
    assert future.cancel()
    thread.join()
    assert isinstance(results[0], CancelledError)
    assert calls.submit(pow, 2, 3).result() == 8


def test_a_close_reaches_a_thread_that_waits(pool: Any, signpost: Any, monkeypatch: Any) -> None:
    jobs = pool("block")
    future = jobs.submit(signpost.path)
    signpost.wait()
    results: List[Any] = []
    arrived = _waiting(future, monkeypatch)
    thread = _result_of(future, results)
    assert arrived.wait(60)
    jobs._dispatcher.close()
    thread.join()
    assert isinstance(results[0], procpool.ServerGone)


def test_a_server_that_dies_reaches_a_thread_that_waits(executor: Start, signpost: Any, monkeypatch: Any) -> None:
    calls = executor()
    future = calls.submit(host_jobs.block, signpost.path)
    signpost.wait()
    results: List[Any] = []
    arrived = _waiting(future, monkeypatch)
    thread = _result_of(future, results)
    assert arrived.wait(60)
    server = calls._state.running()._server.pid
    assert server is not None
    os.kill(server, signal.SIGKILL)
    thread.join()
    assert isinstance(results[0], procpool.ServerGone)


def test_ctrl_c_leaves_the_job_alone(executor: Start, gate: str, monkeypatch: Any) -> None:
    calls = executor()
    future = calls.submit(host_jobs.pass_gate, gate, "here")
    arrived = _waiting(future, monkeypatch)

    is_raised = threading.Event()

    def raised(*_: Any) -> None:
        if not is_raised.is_set():
            is_raised.set()
            raise KeyboardInterrupt

    def signal_until_raised() -> None:
        # One that comes just before the system call interrupts nothing.
        while not is_raised.wait(0.05):
            signal.pthread_kill(waiter, signal.SIGUSR1)

    waiter = threading.get_ident()
    before = signal.signal(signal.SIGUSR1, raised)
    try:
        thread = _then(arrived, signal_until_raised)
        with pytest.raises(KeyboardInterrupt):
            future.result()
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    _open(gate)
    assert future.result() == "here"
    assert calls.submit(pow, 2, 3).result() == 8


def test_a_callback_may_wait_for_the_next_job(executor: Start, gate: str, monkeypatch: Any) -> None:
    calls = executor()
    seen = []
    future = calls.submit(host_jobs.pass_gate, gate, "here")
    future.add_done_callback(lambda _: seen.append(calls.submit(pow, 2, 3).result()))
    thread = _then(_waiting(future, monkeypatch), lambda: _open(gate))
    assert future.result() == "here"
    thread.join()
    assert seen == [8]
