"""Memory that is lent to the server for large calls: who uses it when, and when it is used again."""

from __future__ import annotations

import os
import pickle
from typing import Any, Callable, List

import host_jobs
import pytest

import procpool
from procpool import _lent

Start = Callable[..., procpool.Executor]
LARGE = 1 << 20


def unused(executor: procpool.Executor) -> List[_lent.Memory]:
    return executor._state.running().dispatcher.memories._unused


def test_a_result_is_not_changed_by_the_next_call(executor: Start) -> None:
    calls = executor()
    first = calls.submit(host_jobs.echo, bytearray(b"1" * LARGE)).result()
    memory = unused(calls)[0]
    second = calls.submit(host_jobs.echo, bytearray(b"2" * LARGE)).result()
    assert unused(calls) == [memory]
    assert (first, second) == (b"1" * LARGE, b"2" * LARGE)


def test_buffers_beside_the_pickle_come_back_as_they_were(executor: Start) -> None:
    buffers: List[Any] = [bytearray(b"x" * LARGE), b"y" * LARGE]
    packed = [pickle.PickleBuffer(buffer) for buffer in buffers]
    assert executor().submit(host_jobs.sizes, *packed).result() == [(LARGE, False), (LARGE, True)]


def test_calls_at_the_same_time_have_memory_of_their_own(executor: Start) -> None:
    calls = executor()
    values = [bytearray(bytes([number]) * (LARGE + number)) for number in range(20)]
    assert list(calls.map(host_jobs.echo, values)) == values
    assert 1 <= len(unused(calls)) <= 2


def test_a_small_input_and_a_large_output(executor: Start) -> None:
    assert executor().submit(bytes, LARGE).result() == bytes(LARGE)


def test_an_output_that_is_longer_than_its_memory(executor: Start) -> None:
    value = bytearray(b"z" * LARGE)
    assert executor().submit(host_jobs.twice, value).result() == value * 2


def test_memory_of_a_call_that_was_given_up_is_not_used_again(executor: Start, signpost: Any) -> None:
    calls = executor()
    running = calls.submit(host_jobs.block, signpost.path, bytearray(LARGE))
    signpost.wait()
    assert running.cancel()
    assert unused(calls) == []
    assert calls.submit(host_jobs.echo, bytearray(LARGE)).result() == bytes(LARGE)


def test_a_crash_amid_a_large_call_harms_no_other(executor: Start) -> None:
    calls = executor()
    values = [bytearray(bytes([number]) * LARGE) for number in range(8)]
    futures = [calls.submit(host_jobs.echo, value) for value in values[:4]]
    crash = calls.submit(host_jobs.crash_with, bytearray(LARGE))
    futures += [calls.submit(host_jobs.echo, value) for value in values[4:]]
    assert isinstance(crash.exception(), procpool.Crashed)
    assert [future.result() for future in futures] == values


@pytest.mark.parametrize("missing", [OSError, None])
def test_without_memory_calls_go_through_the_socket(
    executor: Start, monkeypatch: pytest.MonkeyPatch, missing: Any
) -> None:
    if missing is None:
        monkeypatch.delattr(os, "memfd_create")
    else:

        def refuse(*_: Any) -> int:
            raise missing("no memory")

        monkeypatch.setattr(os, "memfd_create", refuse)
    calls = executor()
    assert calls.submit(host_jobs.echo, bytearray(LARGE)).result() == bytes(LARGE)
    assert unused(calls) == []


def test_memory_that_rests_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(_lent, "monotonic", lambda: now)
    memories = _lent.Memories()
    assert memories.rest() is None
    memories.keep(_lent.Memory(LARGE))
    now += 4
    memories.keep(_lent.Memory(LARGE))
    assert memories.rest() == 6
    now += 6
    assert memories.rest() == 4
    assert len(memories._unused) == 1
    now += 4
    assert memories.rest() is None


def test_memory_cannot_be_made_shorter() -> None:
    memory = _lent.Memory(LARGE)
    for length in (0, LARGE - 1, LARGE + 1):
        with pytest.raises(PermissionError):
            os.ftruncate(memory.descriptor, length)
