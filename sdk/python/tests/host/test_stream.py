"""Jobs that are read as they run."""

from __future__ import annotations

from typing import Any, Callable

import pytest

import procpool

Start = Callable[..., procpool.Pool]


def test_chunks_come_in_order_with_progress_and_the_output_last(pool: Start) -> None:
    with pool("count_up").stream(200) as numbers:
        assert (numbers.progress, numbers.output) == (None, None)
        assert list(numbers) == list(range(200))
        assert (numbers.progress, numbers.output) == ((200, 200), 200)
        assert list(numbers) == []
        assert numbers.job_id is not None


def test_bytes_come_as_bytes(pool: Start) -> None:
    chunks = pool("yield_bytes").stream(3)
    assert list(chunks) == [b"\0\0\0", b"\1\1\1", b"\2\2\2"]
    assert chunks.output == b"end"


def test_a_job_without_chunks_has_its_output(pool: Start) -> None:
    doubled = pool("double").stream(21)
    assert list(doubled) == []
    assert doubled.output == 42


def test_a_job_that_fails_raises_behind_its_chunks(pool: Start) -> None:
    chunks = pool("yield_then_fail").stream(7)
    assert next(chunks) == 7
    with pytest.raises(procpool.Failed) as failed:
        next(chunks)
    assert failed.value.code == "no_further"
    assert failed.value.job_id == chunks.job_id


def test_a_job_that_is_not_accepted_raises_at_once(pool: Start) -> None:
    jobs = pool("double")
    with pytest.raises(procpool.JobError):
        procpool.Pool.at(f"unix:{jobs._server.address().target}", "nowhere").stream(1)  # type: ignore[union-attr]


def test_leaving_a_stream_cancels_its_job(pool: Start, signpost: Any) -> None:
    jobs = pool("yield_for_ever")
    with jobs.stream(signpost.path) as chunks:
        assert signpost.wait() == "begun"
        assert next(chunks) == "again"
    assert signpost.wait() == "ended"
    assert list(chunks) == []


def test_a_worker_that_dies_ends_its_stream_alone(pool: Start) -> None:
    jobs = pool("outcome")
    with pytest.raises(procpool.Crashed):
        list(jobs.stream("kill"))
    assert list(jobs.stream("none")) == []
    jobs.close()
    with pytest.raises(RuntimeError):
        jobs.stream("kill")
