"""`procpool.Executor`: what ends a worker ends one future, and what pickles goes there and back."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, as_completed
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, Callable, List

import host_jobs
import pytest
from host_tools import ended, own_path

import procpool

Start = Callable[..., procpool.Executor]
HERE = os.path.dirname(os.path.abspath(__file__))


def test_calls(executor: Start) -> None:
    calls = executor()
    assert calls.submit(pow, 2, 100).result() == 2**100
    assert calls.submit(dict, [(1, 2)], three=4).result() == {1: 2, "three": 4}
    assert list(calls.map(pow, [1, 2, 3], [4, 5, 6])) == [1, 32, 729]
    assert list(calls.map(pow, range(10), range(10), chunksize=4)) == [pow(n, n) for n in range(10)]
    assert list(calls.map(abs, range(-5, 5), buffersize=2)) == [5, 4, 3, 2, 1, 0, 1, 2, 3, 4]


@pytest.mark.parametrize("what", ["segfault", "exit", "kill"])
def test_a_crash_fails_one_future(executor: Start, what: str) -> None:
    calls = executor()
    crash = calls.submit(host_jobs.outcome, what)
    others = [calls.submit(pow, 2, number) for number in range(50)]
    error = crash.exception()
    assert isinstance(error, procpool.Crashed)
    assert isinstance(error, BrokenProcessPool)
    assert [other.result() for other in others] == [2**number for number in range(50)]


def test_an_endless_loop_times_out_alone(executor: Start) -> None:
    calls = executor(timeout=0.3)
    loops = [calls.submit(host_jobs.spin) for _ in range(2)]
    others = [calls.submit(pow, 2, number) for number in range(20)]
    assert all(type(loop.exception()) is procpool.TimedOut for loop in loops)
    assert [other.result() for other in others] == [2**number for number in range(20)]


def test_a_worker_killed_amid_a_map_fails_one_future(executor: Start, signpost: Any) -> None:
    calls = executor()
    first = calls.map(pow, [2] * 500, range(500))
    futures = [calls.submit(pow, 2, number) for number in range(20)]
    victim = calls.submit(host_jobs.block, signpost.path)
    futures += [calls.submit(pow, 2, number) for number in range(20, 40)]
    second = calls.map(pow, [2] * 500, range(500), chunksize=7)
    os.kill(int(signpost.wait().split()[1]), signal.SIGKILL)
    error = victim.exception()
    assert isinstance(error, procpool.Crashed)
    assert error.signal == signal.SIGKILL
    assert sorted(future.result() for future in as_completed(futures)) == [2**number for number in range(40)]
    assert list(first) == list(second) == [2**number for number in range(500)]


@pytest.mark.parametrize("chunksize", [1, 7])
def test_kill_9_amid_a_map_fails_one_of_its_futures_and_no_other(
    executor: Start, signpost: Any, monkeypatch: Any, chunksize: int
) -> None:
    calls, victim = executor(), 101
    futures: List[Any] = []
    submit = calls._submit

    def record(*given: Any) -> Any:
        futures.append(submit(*given))
        return futures[-1]

    monkeypatch.setattr(calls, "_submit", record)
    numbers = range(300)
    results = calls.map(host_jobs.power_or_block, [signpost.path] * 300, [victim] * 300, numbers, chunksize=chunksize)
    os.kill(int(signpost.wait().split()[1]), signal.SIGKILL)
    errors = [future.exception() for future in futures]
    assert [at for at, error in enumerate(errors) if error is not None] == [victim // chunksize]
    error = errors[victim // chunksize]
    assert isinstance(error, procpool.Crashed)
    assert (error.signal, len(errors)) == (signal.SIGKILL, -(-300 // chunksize))
    before = victim // chunksize * chunksize
    found = [future.result() for future, error in zip(futures, errors) if error is None]
    if chunksize > 1:
        found = [number for chunk in found for number in chunk]
    expected = [2**number for number in numbers]
    assert found == expected[:before] + expected[before + chunksize :]
    # As with `ProcessPoolExecutor`, the map yields what comes before, and raises.
    assert list(islice(results, before)) == expected[:before]
    with pytest.raises(procpool.Crashed) as caught:
        next(results)
    assert caught.value is error


@pytest.mark.parametrize("how", ["spin", "C code"])
def test_calls_that_never_end(executor: Start, how: str) -> None:
    """C code that holds the interpreter's lock for ever cannot be interrupted: its process is killed."""
    calls = executor(max_workers=1, timeout=0.3, grace=0.1)
    before = calls.submit(host_jobs.pid).result()
    endless = calls.submit(host_jobs.spin) if how == "spin" else calls.submit(sum, range(1 << 60))
    assert type(endless.exception()) is procpool.TimedOut
    assert (calls.submit(host_jobs.pid).result() == before) == (how == "spin")


def test_calls_that_fork_print_and_leave_threads(executor: Start, capfd: Any) -> None:
    calls = executor(max_workers=1)
    before = calls.submit(host_jobs.pid).result()
    assert calls.submit(host_jobs.fork_and_return).result() == 0
    assert calls.submit(host_jobs.leave_thread).result() == before
    assert calls.submit(print, "printed").result() is None
    assert calls.submit(host_jobs.pid).result() == before
    calls.shutdown()
    assert capfd.readouterr().out == "printed\n"


def test_a_fork_bomb_is_bounded(executor: Start) -> None:
    calls = executor(max_workers=1, process_limit=20)
    try:
        assert calls.submit(host_jobs.fork_bomb).result() < 20
    except BrokenProcessPool as error:
        if "cgroup" not in str(error):
            raise
        pytest.skip(f"root needs a cgroup for `process_limit`: {error}")


def test_an_exception_comes_back_as_itself(executor: Start) -> None:
    error = executor().submit(host_jobs.raise_here, LookupError, "it", 2).exception()
    assert type(error) is LookupError
    assert error.args == ("it", 2)
    assert "raise kind(*args)" in str(error.__cause__)


def test_an_exception_that_cannot_come_back(executor: Start) -> None:
    error = executor().submit(host_jobs.stubborn).exception()
    assert type(error) is pickle.PicklingError
    assert "Stubborn: 1 and 2" in str(error)
    assert "raise Stubborn(1, 2)" in str(error.__cause__)


def test_sys_exit_is_an_exception(executor: Start) -> None:
    calls = executor(max_workers=1)
    before = calls.submit(host_jobs.pid).result()
    assert isinstance(calls.submit(sys.exit, 3).exception(), SystemExit)
    assert calls.submit(host_jobs.pid).result() == before


def test_what_does_not_pickle_is_named(executor: Start) -> None:
    calls = executor()
    lock = threading.Lock()
    for future, text in (
        (calls.submit(pow, 2, lock), "argument 2 of `pow`, of type lock, cannot be pickled"),
        (calls.submit(host_jobs.echo, value=lock), "argument `value` of `host_jobs.echo`, of type lock"),
        (calls.submit(lambda: 1), "the function `test_what_does_not_pickle_is_named.<locals>.<lambda>`"),
    ):
        error = future.exception(timeout=0)
        assert type(error) is pickle.PicklingError
        assert text in str(error).replace("test_executor.", "").replace("_thread.lock", "lock")
    error = calls.submit(host_jobs.lock_of).exception()
    assert type(error) is pickle.PicklingError
    assert "the result of `host_jobs.lock_of`, of type lock, cannot be pickled" in str(error)
    with pytest.raises(pickle.PicklingError, match="initializer"):
        executor(initializer=lambda: None)


def test_an_argument_that_workers_cannot_unpickle(executor: Start) -> None:
    error = executor().submit(id, Unfindable()).exception()
    assert type(error) is pickle.UnpicklingError
    assert "cannot be unpickled in a worker: ModuleNotFoundError" in str(error)


class Unfindable:
    def __reduce__(self) -> Any:
        return __import__, ("no_such_module",)


def test_arrays_there_and_back(executor: Start) -> None:
    numpy = pytest.importorskip("numpy")
    calls = executor()
    large = numpy.arange(2 << 20, dtype=numpy.float64)
    found = calls.submit(host_jobs.add_one, large).result()
    assert (found == large + 1).all()
    found += 1  # It is as writable as what was sent.
    frozen = numpy.arange(100_000)
    frozen.flags.writeable = False
    assert not calls.submit(host_jobs.is_writable, frozen).result()
    assert not calls.submit(host_jobs.echo, frozen).result().flags.writeable
    pair = calls.submit(host_jobs.echo, {"a": large[::2], "b": numpy.asfortranarray(large.reshape(1024, -1))}).result()
    assert (pair["a"] == large[::2]).all()
    assert (pair["b"] == large.reshape(1024, -1)).all()


def test_an_initializer_with_large_arguments(executor: Start) -> None:
    value = "x" * 1_000_000
    calls = executor(initializer=host_jobs.set_state, initargs=(value,))
    assert calls.submit(host_jobs.state).result() == value


def test_an_initializer_that_raises_breaks_the_executor(executor: Start) -> None:
    calls = executor(initializer=host_jobs.raise_here, initargs=(ValueError, "no state"))
    for _ in range(2):
        with pytest.raises(BrokenProcessPool, match="ValueError: no state") as caught:
            calls.submit(host_jobs.state)
        assert isinstance(caught.value, procpool.ServerError)


def test_workers_are_replaced(executor: Start) -> None:
    calls = executor(max_workers=1, max_tasks_per_child=2)
    first = calls.submit(host_jobs.pid).result()
    # The old worker serves until the new one is ready.
    while calls.submit(host_jobs.pid).result() == first:
        pass
    calls = executor(max_workers=1, max_tasks_per_child=1)
    assert len({calls.submit(host_jobs.pid).result() for _ in range(3)}) == 3


def test_a_cancel_ends_a_call_that_runs(executor: Start, signpost: Any) -> None:
    calls = executor(grace=10)
    future = calls.submit(host_jobs.wait_until_cancelled, signpost.path)
    assert signpost.wait() == "begun"
    assert future.cancel()
    assert signpost.wait() == "cancelled"
    with pytest.raises(CancelledError):
        future.result()


def test_shutdown(executor: Start, tmp_path: Any) -> None:
    calls = executor(max_workers=1)
    futures = [calls.submit(pow, 2, number) for number in range(50)]
    calls.shutdown(wait=False)
    with pytest.raises(RuntimeError, match="after shutdown"):
        calls.submit(pow, 1, 1)
    assert [future.result() for future in futures] == [2**number for number in range(50)]
    calls.shutdown()
    calls.shutdown()


def test_an_executor_that_nobody_has_ends_its_calls(signpost: Any) -> None:
    calls = procpool.Executor(max_workers=1)
    pid = calls.submit(host_jobs.pid).result()
    future = calls.submit(host_jobs.say, signpost.path, "ran")
    del calls
    assert signpost.wait() == "ran"
    assert future.result() is None
    assert ended(pid)


def test_shutdown_cancels_what_waits(executor: Start, signpost: Any) -> None:
    calls = executor(max_workers=1)
    running = calls.submit(host_jobs.wait_until_cancelled, signpost.path)
    waiting = [calls.submit(pow, 2, number) for number in range(20)]
    assert signpost.wait() == "begun"
    calls.shutdown(wait=False, cancel_futures=True)
    assert sum(future.cancelled() for future in waiting) >= 10
    assert not running.done()
    running.cancel()


def test_arguments_that_are_none() -> None:
    for number in (0, -1):
        with pytest.raises(ValueError, match="max_workers must be greater than 0"):
            procpool.Executor(number)
    with pytest.raises(ValueError, match="max_tasks_per_child"):
        procpool.Executor(max_tasks_per_child=0)
    with pytest.raises(TypeError, match="callable"):
        procpool.Executor(initializer=5)  # type: ignore[arg-type]
    import multiprocessing

    with pytest.raises(ValueError, match="as with `spawn`"):
        procpool.Executor(mp_context=multiprocessing.get_context("fork"))
    procpool.Executor(mp_context=multiprocessing.get_context("spawn")).shutdown()


def test_a_job_may_have_workers_of_its_own(executor: Start) -> None:
    calls = executor(max_workers=1)
    assert calls.submit(host_jobs.nested_pool).result() != calls.submit(host_jobs.pid).result()


def test_functions_of_the_main_module(tmp_path: Any) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import procpool\n"
        "class Point:\n"
        "    def __init__(self, x): self.x = x\n"
        "def move(point): return Point(point.x + 1)\n"
        "if __name__ == '__main__':\n"
        "    executor = procpool.Executor(1)\n"
        "    print(executor.submit(move, Point(4)).result().x)\n"
        "    executor.submit(print, 'at the end')\n"
    )
    environment = {**os.environ, **own_path()}
    done = subprocess.run([sys.executable, str(program)], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\nat the end\n", "")


def test_a_fork_that_ends_leaves_the_executor_alone() -> None:
    program = (
        "import os, sys, procpool\n"
        "executor = procpool.Executor(1, max_tasks_per_child=1)\n"
        "executor.submit(pow, 2, 2).result()\n"
        "if os.fork() == 0:\n"
        "    sys.exit(executor.submit(pow, 2, 3).result())\n"
        "print(os.waitstatus_to_exitcode(os.wait()[1]), [executor.submit(pow, 2, n).result() for n in range(4)])\n"
    )
    environment = {**os.environ, **own_path()}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "8 [1, 2, 4, 8]\n"), done.stderr


def test_a_main_module_without_its_guard(tmp_path: Any) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import procpool\n"
        "def double(x): return 2 * x\n"
        "print('above')\n"
        "with procpool.Executor(1) as executor:\n"
        "    print(executor.submit(double, 4).result())\n"
    )
    environment = {**os.environ, **own_path()}
    done = subprocess.run([sys.executable, str(program)], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.split()) == ["8", "above", "above"]


def test_a_main_module_that_was_named(tmp_path: Any) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "other.py").write_text("NUMBER = 5\n")
    (tmp_path / "package" / "program.py").write_text(
        "import procpool\n"
        "from .other import NUMBER\n"
        "def add(x): return x + NUMBER\n"
        "if __name__ == '__main__':\n"
        "    with procpool.Executor(1) as executor:\n"
        "        print(executor.submit(add, 4).result())\n"
    )
    environment = {**os.environ, **own_path()}
    command = [sys.executable, "-m", "package.program"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "9\n", "")
