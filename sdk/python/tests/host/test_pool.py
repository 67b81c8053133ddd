"""`procpool.Pool`: values, futures, maps, asyncio, threads, cancels."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from typing import Any, Callable, List

import pytest

import procpool

Start = Callable[..., procpool.Pool]


@pytest.mark.parametrize("value", ["to be", 1, 1.5, None, True, [], {"a": [None, {}]}, "žluťoučký \x00"])
def test_json_there_and_back(pool: Start, value: Any) -> None:
    assert pool("echo").run(value) == value


def test_a_long_text_there_and_back(pool: Start) -> None:
    text = "žluťoučký" * 50_000
    assert pool("echo").run(text) == text


@pytest.mark.parametrize("length", [0, 1, 70_000, 5_000_000])
def test_bytes_there_and_back(pool: Start, length: int) -> None:
    body = os.urandom(length)
    workers = pool("reverse")
    for given in (body, bytearray(body), memoryview(body)):
        found = workers.run(given)
        assert type(found) is bytes
        assert found == body[::-1]
        assert workers.submit(given).result() == body[::-1]


def test_a_value_that_is_neither_bytes_nor_json(pool: Start) -> None:
    workers = pool("echo")
    for value, kind in ((object(), TypeError), (float("nan"), ValueError)):
        with pytest.raises(kind, match="the input of a job is bytes or JSON"):
            workers.run(value)
    assert workers.status()["counters"]["accepted"] == 0


def test_a_map_is_in_order_and_takes_what_it_needs(pool: Start) -> None:
    workers = pool("echo", workers=2)
    taken = []

    def numbers() -> Any:
        for number in itertools.count():
            taken.append(number)
            yield number

    outputs: Any = workers.map(numbers(), window=5)
    assert list(itertools.islice(outputs, 20)) == list(range(20))
    assert len(taken) <= 25
    outputs.close()
    assert list(workers.map([])) == []


def test_a_map_that_fails_cancels_the_jobs_ahead(pool: Start, signpost: Any) -> None:
    workers = pool("wait_until_cancelled", workers=2, grace=10)

    def values() -> Any:
        yield 5
        yield signpost.path
        assert signpost.wait() == "begun"

    with pytest.raises(procpool.InputRejected):
        next(workers.map(values()))
    assert signpost.wait() == "cancelled"


def test_a_map_with_errors_goes_on(pool: Start) -> None:
    outputs = list(pool("double").map([1, "two", 3], return_errors=True))
    assert (outputs[0], outputs[2]) == (2, 6)
    assert type(outputs[1]) is procpool.InputRejected


def test_a_cancel_ends_a_job_that_runs(pool: Start, signpost: Any) -> None:
    workers = pool("wait_until_cancelled", grace=10)
    future = workers.submit(signpost.path)
    assert signpost.wait() == "begun"
    assert future.running()
    assert future.cancel()
    assert future.cancelled()
    assert not future.running()
    assert signpost.wait() == "cancelled"
    with pytest.raises(CancelledError):
        future.result()
    assert wait([future]).done == {future}
    assert future.cancel()


def test_a_cancel_comes_too_late(pool: Start) -> None:
    future = pool("echo").submit(1)
    assert future.result() == 1
    assert not future.cancel()


def test_an_interrupted_run_cancels_its_job(pool: Start, signpost: Any) -> None:
    import signal

    workers = pool("wait_until_cancelled", grace=10)

    def interrupt() -> None:
        assert signpost.wait() == "begun"
        os.kill(os.getpid(), signal.SIGINT)

    # A shell that starts the tests in the background has them ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    helper = threading.Thread(target=interrupt)
    helper.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            workers.run(signpost.path)
    finally:
        signal.signal(signal.SIGINT, before)
    helper.join()
    assert signpost.wait() == "cancelled"


def test_many_tasks_of_asyncio(pool: Start) -> None:
    workers = pool("echo", workers=2)

    async def main() -> Any:
        return await asyncio.gather(*(workers.arun(number) for number in range(200)))

    assert asyncio.run(main()) == list(range(200))


def test_a_cancelled_task_cancels_its_job(pool: Start, signpost: Any) -> None:
    workers = pool("wait_until_cancelled", grace=10)

    async def main() -> None:
        task = asyncio.create_task(workers.arun(signpost.path))
        assert await asyncio.get_running_loop().run_in_executor(None, signpost.wait) == "begun"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert signpost.wait() == "cancelled"


def test_errors_reach_tasks(pool: Start) -> None:
    workers = pool("double")
    with pytest.raises(procpool.InputRejected):
        asyncio.run(workers.arun("two"))


def test_threads_share_a_pool(pool: Start) -> None:
    workers = pool("echo", workers=2)

    def some(start: int) -> bool:
        return all(workers.run(number) == number for number in range(start, start + 50))

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(some, range(0, 800, 50)))


def test_two_pools(pool: Start) -> None:
    first, second = pool("double"), pool("echo")
    assert (first.run(2), second.run(2)) == (4, 2)
    first.close()
    assert second.run(3) == 3


def test_a_pool_of_a_server_that_is_there(pool: Start) -> None:
    own = pool("double")
    address = own._client._address(False)
    with procpool.Pool.at(f"unix:{address.target}", "pool") as other:
        assert other.run(4) == 8
        assert [each["pid"] for each in other.workers()] == [each["pid"] for each in own.workers()]
    with procpool.Pool.at(f"unix:{address.target}", "no such pool") as unknown:
        with pytest.raises(procpool.Refused, match="no such pool") as caught:
            unknown.run(1)
        assert caught.value.reason == "unknown_pool"
    assert own.run(1) == 2


def test_a_pool_over_tcp(serve: Any) -> None:
    with serve("echo") as server, procpool.Pool.at(f"http://{server.address}", "echo") as workers:
        assert workers.run({"over": "tcp"}) == {"over": "tcp"}
        assert list(workers.map(range(10))) == list(range(10))


def test_nobody_listens(tmp_path: Any) -> None:
    nowhere = procpool.Pool.at(f"unix:{tmp_path}/none.sock", "pool")
    calls: List[Callable[[int], Any]] = [nowhere.run, lambda value: nowhere.submit(value).result()]
    for call in calls:
        with pytest.raises(procpool.ServerGone) as caught:
            call(1)
        assert not caught.value.may_have_run


@pytest.mark.parametrize("url", ["127.0.0.1:3000", "https://127.0.0.1:3000", "unix:relative", "http://host/path", ""])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="unix:/"):
        procpool.Pool.at(url, "pool")


def test_status(pool: Start) -> None:
    workers = pool("echo", workers=2)
    workers.run(1)
    assert workers.status()["jobs"]["ok"] == 1
    assert len(workers.workers()) == 2


def test_a_closed_pool_says_so(pool: Start) -> None:
    workers = pool("echo")
    future = workers.submit(1)
    workers.close()
    assert future.result() == 1
    for call in (workers.run, workers.submit):
        with pytest.raises(RuntimeError, match=r"closed|shutdown"):
            call(1)
    workers.close()


def test_leaving_by_an_exception_cancels(signpost: Any, pool: Start) -> None:
    workers = pool("wait_until_cancelled", grace=10)
    futures = []

    def leave() -> None:
        with workers:
            futures.append(workers.submit(signpost.path))
            assert signpost.wait() == "begun"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        leave()
    assert signpost.wait() == "cancelled"
    assert futures[0].cancelled()


def test_a_timeout_of_one_job(pool: Start) -> None:
    workers = pool("outcome", timeout=None)
    with pytest.raises(procpool.TimedOut):
        workers.run("spin", timeout="100ms")
    wrong: Any
    for wrong in (-1, "soon", [1]):
        with pytest.raises((ValueError, TypeError, procpool.JobError)):
            workers.run("x", timeout=wrong)
