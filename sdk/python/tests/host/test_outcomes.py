"""Every outcome is an error of its own class, with the members of its problem."""

from __future__ import annotations

import pickle
import signal
from concurrent.futures import as_completed
from typing import Any, Callable

import pytest

import procpool

Start = Callable[..., procpool.Pool]


def error_of(call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    with pytest.raises(procpool.JobError) as caught:
        call(*args, **options)
    return caught.value


def test_bad_input(pool: Start) -> None:
    error = error_of(pool("double").run, "a")
    assert type(error) is procpool.InputRejected
    assert isinstance(error, procpool.BadInput)
    assert (error.outcome, error.may_have_run) == ("bad_input", False)
    assert "expected" in error.message


def test_failed(pool: Start) -> None:
    error = error_of(pool("outcome").run, "failed")
    assert type(error) is procpool.Failed
    assert (error.code, error.message, error.details) == ("no_words", "no words", {"words": 0})
    assert error.retryable
    assert len(error.job_id or "") == 32


def test_broke(pool: Start) -> None:
    workers = pool("outcome")
    [before] = workers.workers()
    error = error_of(workers.run, "broke")
    assert type(error) is procpool.Broke
    assert isinstance(error, procpool.Failed)
    assert (error.code, error.message) == ("IndexError", "list index out of range")
    assert [worker["pid"] for worker in workers.workers()] == [before["pid"]]


def test_panicked(pool: Start) -> None:
    error = error_of(pool("panicking").run, None)
    assert type(error) is procpool.Panicked
    assert "it is broken" in error.message
    assert "host_jobs.py:" in (error.location or "")


@pytest.mark.parametrize(
    ("what", "number", "code"),
    [("exit", None, 7), ("segfault", signal.SIGSEGV, None), ("kill", signal.SIGKILL, None)],
)
def test_crashed(pool: Start, what: str, number: Any, code: Any) -> None:
    workers = pool("outcome")
    error = error_of(workers.run, what)
    assert type(error) is procpool.Crashed
    assert (error.signal, error.exit_code, error.stage) == (number, code, "running")
    assert error.may_have_run
    assert error.retry_after is None
    assert workers.run("next") == "next"


def test_timed_out(pool: Start) -> None:
    workers = pool("outcome")
    error = error_of(workers.run, "spin", timeout=0.2)
    assert type(error) is procpool.TimedOut
    assert (error.limit, error.stage) == (0.2, "running")
    assert workers.run("next") == "next"


def test_protocol_broken(pool: Start) -> None:
    error = error_of(pool("outcome").run, "protocol")
    assert type(error) is procpool.ProtocolBroken
    assert error.violation


def test_output_too_large(pool: Start) -> None:
    error = error_of(pool("outcome", max_payload="100 kB").run, "large")
    assert type(error) is procpool.OutputTooLarge
    assert (error.size, error.limit) == (200_000, 100_000)


def test_poisoned(pool: Start) -> None:
    workers = pool("outcome", poison_deaths=1)
    first = error_of(workers.run, "exit")
    second = error_of(workers.run, "exit")
    assert type(first) is procpool.Crashed
    assert type(second) is procpool.Poisoned
    assert (second.deaths, second.stage) == (1, "queued")
    assert (second.remaining or 0) > 500
    assert not second.may_have_run


def test_refused(pool: Start) -> None:
    error = error_of(pool("echo", max_payload=1000).run, "x" * 2000)
    assert type(error) is procpool.Refused
    assert (error.reason, error.outcome, error.may_have_run) == ("body_too_large", "refused", False)


def test_a_refusal_while_the_input_is_still_sent(pool: Start) -> None:
    workers = pool("echo", max_payload="1 MiB")
    large = b"x" * (50 << 20)
    for _ in range(5):
        errors = [error_of(workers.run, large), workers.submit(large).exception()]
        assert [type(error) for error in errors] == [procpool.Refused] * 2
        assert workers.submit(1).result() == workers.run(1) == 1


def test_a_full_queue_says_when_to_come_back(pool: Start, signpost: Any) -> None:
    workers = pool("block", queue=1)
    running = workers.submit(signpost.path)
    signpost.wait()
    first = next(as_completed([workers.submit(signpost.path) for _ in range(2)]))
    error = first.exception()
    assert type(error) is procpool.Refused
    assert error.reason == "queue_full"
    assert error.retry_after is not None
    assert running.cancel()
    workers.close(cancel=True)


def test_outcomes_can_be_pickled(pool: Start) -> None:
    error = error_of(pool("outcome").run, "failed")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.job_id, copy.details) == (
        type(error),
        str(error),
        error.job_id,
        error.details,
    )


def test_an_outcome_of_a_later_server_is_a_job_error() -> None:
    from procpool._outcomes import error_of as make

    error = make({"type": "/problems/eaten", "detail": "a dog did it"}, None, None)
    assert type(error) is procpool.JobError
    assert (str(error), error.outcome, error.may_have_run) == ("a dog did it", "eaten", True)
    for kind, made in (("cancelled", procpool.JobCancelled), ("shut_down", procpool.ShutDown)):
        assert type(make({"type": f"/problems/{kind}"}, None, None)) is made
