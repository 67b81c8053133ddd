"""`ctx.buffer`: outputs that are written where the coordinator reads them."""

from __future__ import annotations

import struct
from typing import Any, Callable, List

import pytest
from coordinator import Coordinator, Memory, job
from server import Server

Serve = Callable[..., Server]
Play = Callable[..., Coordinator]
TAKEN, PAYLOAD_REF = 8, 4


def run(worker: Coordinator, how: str, memory: Memory) -> List[Any]:
    """Runs a job, whose output is all `A`. Returns its length, and its offset where it lies in the memory."""
    worker.sequence += 1
    worker.jobs.sendall(job(worker.sequence, how, flags=TAKEN))
    done = worker.next()
    assert done.status == 0, done
    if not done.flags & PAYLOAD_REF:
        assert set(done.payload) <= {0, ord("A")}
        return [len(done.payload)]
    number, offset, length = struct.unpack("<QQQ", done.payload)
    assert number == 1
    assert memory.map[offset : offset + length] == b"A" * length
    return [length, offset]


def test_an_output_lies_where_it_was_written(play: Play) -> None:
    pytest.importorskip("numpy")
    with play("buffered") as worker:
        worker.ready()
        memory = Memory(1 << 20)
        assert run(worker, "whole", memory) == [500_000]
        assert worker.share(1, "output", memory)
        for how, found in (
            ("whole", [500_000, 0]),
            ("end", [400_000, 100_000]),
            ("array", [400_000, 100_000]),
            ("elsewhere", [400_000, 0]),  # Copied: nobody has the buffer any longer.
            ("small", [3]),
            ("readonly", [500_000]),
            ("whole", [500_000, 0]),
        ):
            assert run(worker, how, memory) == found, how


def test_a_buffer_that_is_kept_is_written_to_by_no_other_job(play: Play) -> None:
    with play("buffered") as worker:
        worker.ready()
        memory = Memory(1 << 20)
        assert worker.share(1, "output", memory)
        assert run(worker, "kept", memory) == [500_000, 0]
        for how in ("whole", "elsewhere"):
            assert len(run(worker, how, memory)) == 1, how
        assert run(worker, "let go", memory) == [500_000, 0]  # Copied, too.
        assert run(worker, "whole", memory) == [500_000, 0]


def test_a_buffer_is_none_of_an_output_that_was_not_read(play: Play) -> None:
    with play("buffered") as worker:
        worker.ready()
        memory = Memory(1 << 20)
        assert worker.share(1, "output", memory)
        assert run(worker, "whole", memory) == [500_000, 0]
        worker.sequence += 1
        worker.jobs.sendall(job(worker.sequence, "zeros"))  # Nobody has taken the output before.
        assert worker.next().payload == bytes(500_000)
        assert memory.map[:500_000] == b"A" * 500_000


def test_outputs_of_a_batch_do_not_meet(play: Play) -> None:
    from test_worker import answers, batch

    with play("buffered") as worker:
        worker.ready()
        memory = Memory(1 << 20)
        assert worker.share(1, "output", memory)
        worker.sequence += 1
        done = worker.run(raw=batch("whole", "raises", "end"), extras=b"\1\4\1\2")
        assert done.flags & PAYLOAD_REF
        _, offset, length = struct.unpack("<QQQ", done.payload)
        found = answers(bytes(memory.map[offset : offset + length]))
        assert found == [(0, b"A" * 500_000), (6, b""), (0, b"A" * 400_000)]


def test_under_the_server(serve: Serve) -> None:
    with serve("buffered") as server:
        for how, length in [("whole", 500_000), ("end", 400_000), ("kept", 500_000), ("let go", 500_000)] * 3:
            assert server.post("buffered", how).body == b"A" * length


def test_lengths_that_are_none() -> None:
    from procpool import Context
    from procpool._session import Session

    context = Context(Session(), 1, (bytes(16), 1, None, 2, None, {}), 0)
    assert bytes(context.buffer(0)) == b""
    with pytest.raises(ValueError, match="length=-1: it is a number of bytes"):
        context.buffer(-1)
