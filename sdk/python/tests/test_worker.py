"""A worker and a coordinator that the test plays: frames that HTTP does not show."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import sys
from typing import Any, Callable, List

import pytest
from coordinator import HEAD, Coordinator, Frame, Memory, frame, job

Play = Callable[..., Coordinator]
OK, BAD_INPUT, FAILED, PANICKED, CANCELLED, TOO_LARGE, BROKE = range(7)
PROGRESS, CHUNK, HELD, LOG, RECALLED = 0x22, 0x23, 0x26, 0x27, 0x38
CREDIT, RECALL, DESCRIBE, SHUTDOWN = 0x31, 0x37, 0x35, 0x34
TAKEN, PAYLOAD_REF = 8, 4
ONE_EXTRA = b"\1"


def extras_of(done: Frame) -> Any:
    """The extras of a `Done` with the status Ok, whose run took less than 2³² ns."""
    header = done.header
    at = {0xFB: 4, 0xFC: 6, 0xFD: 10}.get(header[1], 2)
    count, at, found = header[at], at + 1, {}
    for _ in range(count):
        tag, length = header[at], header[at + 1]
        found[tag] = header[at + 2 : at + 2 + length]
        at += 2 + length
    assert at == len(header)
    return found


def test_hello_says_what_the_worker_can(play: Play) -> None:
    with play("word_count") as worker:
        hello = worker.ready()
        assert hello["job"] == "word-count"
        assert hello["encodings"] == ["json", "raw"]
        assert (hello["page"], hello["arenas"], hello["batches"]) == (True, "received", True)
        assert len(hello["schema_hash"]) == 16
        assert worker.run("a b a").value == {"a": 2, "b": 1}


def test_a_job_right_behind_the_welcome_is_answered_after_ready(play: Play) -> None:
    with play("word_count") as worker:
        worker.jobs.sendall(job(1, "a"))
        worker.ready()
        assert worker.next().value == {"a": 1}


def test_describe_and_ping_while_a_function_spins(play: Play) -> None:
    with play("spin") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, 3600))
        worker.ping()
        worker.tell(DESCRIBE)
        described = worker.next_control()
        assert described.kind == 0x36
        assert described.json["input"] == {"type": "number"}


def test_nothing_is_said_on_control_before_ready(play: Play, tmp_path: Any) -> None:
    with play("slow_start:Slow", env={"PROCPOOL_TEST_GATE": str(tmp_path / "gate")}) as worker:
        os.mkfifo(tmp_path / "gate")
        assert worker.exactly(worker.jobs, 16)
        assert worker.next().kind == 1
        worker.tell(0x32, sequence=5)
        worker.control.settimeout(0.2)
        with pytest.raises((TimeoutError, socket.timeout)):
            worker.next_control()
        worker.control.settimeout(30)
        (tmp_path / "gate").write_text("go")
        assert worker.next().kind == 0x10
        assert worker.next_control().kind == 0x33


# The page.


def test_jobs_that_wait_are_answered_in_order_and_counted(play: Play) -> None:
    with play("echo", page=True) as worker:
        worker.ready()
        assert worker.page is not None
        assert worker.page.number(16) == 0x6765706170656B21
        worker.jobs.sendall(b"".join(job(number, number) for number in range(1, 501)))
        written = 0
        for number in range(1, 501):
            done = worker.next()
            assert (done.sequence, done.value) == (number, number)
            written += HEAD.size + len(done.header) + len(done.payload)
        assert worker.page.number(0) == 500
        while worker.page.number(8) < written:
            pass  # It is counted after it was sent.
        assert worker.page.number(8) == written


def test_answers_that_were_not_sent_are_in_the_ring(play: Play) -> None:
    with play("echo_or_die", page=True) as worker:
        worker.ready()
        page = worker.page
        assert page is not None
        worker.jobs.sendall(b"".join(job(number, value) for number, value in enumerate([1, 2, "die", 4], 1)))
        assert worker.exit_code() == -signal.SIGKILL
        assert page.number(0) == 3
        sent = b""
        with contextlib.suppress(ConnectionError):
            while piece := worker.jobs.recv(65536):
                sent += piece
        total = page.number(8)
        ring = page.map[4096 + len(sent) : 4096 + total]
        kinds = []
        stream = sent + ring
        while stream:
            header, payload, kind, _, _, _, _, sequence = HEAD.unpack_from(stream)
            kinds.append((kind, sequence, stream[24 + header : 24 + header + payload]))
            stream = stream[24 + header + payload :]
        assert kinds == [(0x21, 1, b"1"), (0x21, 2, b"2")]


def test_jobs_that_were_asked_back_are_passed_over(play: Play) -> None:
    with play("spin", page=True) as worker:
        worker.ready()
        page = worker.page
        assert page is not None
        worker.jobs.sendall(job(1, 0) + job(2, 0.3) + job(3, 0) + job(4, 0))
        while page.number(0) < 2:
            pass
        page.store(24, 3)
        worker.tell(RECALL, sequence=3)
        frames = [worker.next() for _ in range(4)]
        assert [(each.kind, each.sequence) for each in frames] == [(0x21, 1), (0x21, 2), (RECALLED, 3), (0x21, 4)]


def test_a_recall_sends_what_waits(play: Play) -> None:
    with play("spin", page=True) as worker:
        worker.ready()
        assert worker.page is not None
        # The second job never ends: nothing but the recall sends the first answer.
        worker.jobs.sendall(job(1, 0) + job(2, 3600))
        while worker.page.number(0) < 2:
            pass
        worker.page.store(24, 1)
        worker.tell(RECALL, sequence=1)
        assert worker.next().sequence == 1


def test_a_page_that_is_none_is_done_without(play: Play) -> None:
    with play("echo", page=True, env={}) as worker:
        pass
    with play("echo") as worker:
        worker.ready()
        assert worker.run(1).value == 1


# Cancels.


def test_cancels_before_their_jobs(play: Play) -> None:
    with play("echo", page=True) as worker:
        worker.ready()
        worker.cancel(2)
        worker.cancel(4)
        worker.cancel(99)
        worker.ping()
        worker.jobs.sendall(b"".join(job(number, number) for number in range(1, 6)))
        assert [worker.next().status for _ in range(5)] == [OK, CANCELLED, OK, CANCELLED, OK]


@pytest.mark.parametrize("function", ["spin", "sleep", "asleep", "shielded"])
def test_a_cancel_interrupts_the_function_and_no_other_job(play: Play, function: str) -> None:
    with play(function) as worker:
        worker.ready()
        for number in range(1, 6):
            worker.jobs.sendall(job(2 * number - 1, 3600))
            worker.cancel(2 * number - 1)
            assert worker.next().status == CANCELLED
            worker.cancel(2 * number - 1)  # Late: it hits nobody.
            worker.jobs.sendall(job(2 * number, 0))
            assert worker.next().status == OK


def test_a_cancel_that_a_finalizer_swallows_is_raised_again(play: Play) -> None:
    with play("finalizes") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, 3600))
        assert worker.next().kind == PROGRESS
        worker.cancel(1)
        assert worker.next().status == CANCELLED
        worker.jobs.sendall(job(2, 0))
        assert worker.until_done()[-1].status == OK


def test_a_cancel_never_tears_a_frame(play: Play) -> None:
    with play("flood", page=True) as worker:
        worker.ready()
        for number in range(1, 60):
            worker.jobs.sendall(job(number, None, credit=250))
            assert worker.next().kind in (PROGRESS, CHUNK, LOG)
            worker.cancel(number)
            frames = worker.until_done()
            assert frames[-1].status == CANCELLED
            assert {each.sequence for each in frames} == {number}


def test_a_cancel_waits_until_a_frame_is_whole(play: Play) -> None:
    with play("many_chunks") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, 1 << 20, credit=16))
        head = worker.exactly(worker.jobs, HEAD.size)
        assert head is not None
        # Most of the frame does not fit between the two: the worker is amid it.
        worker.cancel(1)
        worker.ping()
        header, payload, *_ = HEAD.unpack(head)
        body = worker.exactly(worker.jobs, header + payload)
        assert body is not None
        assert set(body[-1000:]) == set(b"x")
        assert worker.until_done()[-1].status == CANCELLED


def test_stray_signals_raise_nothing(play: Play) -> None:
    with play("signalled") as worker:
        worker.ready()
        assert worker.run(0).status == OK


def test_a_function_that_is_not_interrupted_looks_itself(play: Play) -> None:
    with play("polite") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, 3600))
        worker.cancel(1)
        found = worker.next()
        assert found.status in (OK, CANCELLED)
        assert found.status == CANCELLED or found.value == "looked True"


def test_a_function_that_catches_everything_goes_on(play: Play) -> None:
    with play("stubborn") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, 0.2))
        worker.ping()
        worker.cancel(1)
        assert worker.next().status in (OK, CANCELLED)
        assert worker.run(0).status == OK if worker.sequence else True


# Streams.


def test_chunks_wait_for_credit(play: Play) -> None:
    with play("chunks") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, 5, credit=2))
        assert [worker.next().value for _ in range(2)] == [0, 1]
        worker.ping()
        worker.tell(CREDIT, b"\1", sequence=9)  # Of another job.
        worker.ping()
        worker.tell(CREDIT, b"\1", sequence=1)
        assert worker.next().value == 2
        worker.tell(CREDIT, b"\5", sequence=1)
        frames = worker.until_done()
        assert [each.value for each in frames] == [3, 4, "streamed"]


def test_waiting_for_credit_ends_with_a_cancel(play: Play) -> None:
    for function in ("chunks", "generate", "agenerate"):
        with play(function) as worker:
            worker.ready()
            worker.jobs.sendall(job(1, 5, credit=1))
            assert worker.next().kind == CHUNK
            worker.cancel(1)
            assert worker.next().status == CANCELLED


def test_generators_stream_and_return(play: Play) -> None:
    with play("generate") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, 2, credit=16))
        frames = worker.until_done()
        assert [each.kind for each in frames] == [CHUNK, CHUNK, CHUNK, 0x21]
        assert (frames[2].encoding, frames[2].payload) == (3, b"raw")
        assert frames[3].value == "all"


def test_asynchronous_generators_stream(play: Play) -> None:
    with play("agenerate") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, 40, credit=1))
        got = []
        while (found := worker.next()).kind == CHUNK:
            got.append(found.value)
            worker.tell(CREDIT, b"\1", sequence=1)
        assert got == list(range(40))
        assert found.value is None


def test_threads_do_not_wait_for_credit_of_jobs_that_have_ended(play: Play) -> None:
    with play("leaves_chunks") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, 0, credit=0))
        assert worker.next().value == []
        worker.sequence = 1
        assert worker.run(0).value == []


def test_chunks_that_nobody_reads_are_counted(play: Play) -> None:
    with play("chunks") as worker:
        worker.ready()
        done = worker.run(7)
        assert done.value == "streamed"
        assert extras_of(done) == {4: (7).to_bytes(8, "little")}


def test_a_chunk_that_is_too_large_breaks_its_job(play: Play) -> None:
    with play("large_chunk") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, 1 << 20, credit=16))
        assert len(worker.next().payload) == 1 << 20
        assert worker.next().status == OK
        worker.jobs.sendall(job(2, (1 << 20) + 1, credit=16))
        assert worker.next().status == BROKE


def test_of_many_reports_the_last_is_sent(play: Play) -> None:
    with play("progress") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, 1000))
        frames = worker.until_done()
        assert {each.kind for each in frames[:-1]} == {PROGRESS}
        assert frames[0].header == b"\1\1\xfb\xe8\3"
        assert frames[-2].header == b"\xfb\xe8\3\1\xfb\xe8\3"
        assert len(frames) < 1000


def test_contexts_of_jobs_that_have_ended_send_nothing(play: Play) -> None:
    with play("kept_context") as worker:
        worker.ready()
        for number in range(1, 4):
            worker.jobs.sendall(job(number, 0, credit=16))
            assert worker.next().value == "kept"


# Logs.


def test_log_frames_know_their_job(play: Play) -> None:
    with play("logs") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, "hello"))
        first, second, done = worker.until_done()
        assert (first.kind, first.flags, first.sequence) == (LOG, 1, 1)
        assert first.json == {"level": "warn", "message": "from logging: hello", "target": "thumbnails.cache"}
        assert second.json == {"level": "error", "message": "from the context: hello", "target": "here"}
        assert done.value == "logged"


def test_log_messages_are_cut(play: Play) -> None:
    with play("logs") as worker:
        worker.ready()
        for number, message in enumerate(["é" * 100_000, "\0" * 100_000], 1):
            worker.jobs.sendall(job(number, message))
            frames = worker.until_done()
            assert all(len(each.header) <= 65536 for each in frames)
            assert len(frames[0].json["message"].encode()) <= 16384
            assert frames[-1].status == OK


# Usage, batches.


def test_usage_is_measured_for_those_who_ask(play: Play) -> None:
    with play("burn") as worker:
        worker.ready()
        found = extras_of(worker.run(0.05, extras=b"\1\2\0"))
        assert int.from_bytes(found[2], "little") >= 50_000_000
        assert int.from_bytes(found[3], "little") > 1 << 20
        assert extras_of(worker.run(0)) == {}


def batch(*values: Any) -> bytes:
    pieces = [json.dumps(value).encode() for value in values]
    return b"".join(len(piece).to_bytes(4, "little") + piece for piece in pieces)


def answers(payload: bytes) -> List[Any]:
    found = []
    while payload:
        encoding, status, output = struct.unpack_from("<BII", payload)
        body = payload[9 + status : 9 + status + output]
        found.append((payload[9], json.loads(body) if encoding == 2 else body))
        payload = payload[9 + status + output :]
    return found


def test_batches(play: Play) -> None:
    with play("divide") as worker:
        worker.ready()
        done = worker.run(raw=batch(1, 0, "a", 2), extras=b"\1\4\1\2")
        assert (done.status, done.encoding) == (OK, 3)
        assert answers(done.payload) == [(OK, 1.0), (BROKE, b""), (BROKE, b""), (OK, 0.5)]


def test_a_batch_ends_early_when_its_answers_are_long(play: Play) -> None:
    with play("echo") as worker:
        worker.ready()
        done = worker.run(raw=batch(*["x" * 400_000] * 5), extras=b"\1\4\1\2")
        assert [len(value) for _, value in answers(done.payload)] == [400_000] * 3


def test_a_panic_in_a_batch_keeps_the_answers_before_it(play: Play) -> None:
    with play("panics") as worker:
        worker.ready()
        done = worker.run(raw=batch(1, 0, 2), extras=b"\1\4\1\2")
        assert done.status == PANICKED
        assert answers(done.payload) == [(OK, 1.0)]
        assert worker.exit_code() == 101


def test_a_cancel_ends_a_batch(play: Play) -> None:
    with play("sleep") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, raw=batch(0, 3600, 3600), extras=b"\1\4\1\2"))
        worker.cancel(1)
        assert worker.next().status == CANCELLED


# Arenas.


def in_arena(sequence: int, number: int, length: int, flags: int = 0) -> bytes:
    reference = struct.pack("<QQQ", number, 0, length)
    return job(sequence, raw=reference, flags=PAYLOAD_REF | flags)


def arena(data: bytes) -> Memory:
    memory = Memory(1 << 20, seals=0x6)
    memory.map[: len(data)] = data
    import fcntl

    with contextlib.suppress(OSError):
        fcntl.fcntl(memory.file, 1033, 0x10)
    return memory


def test_inputs_are_read_in_place(play: Play) -> None:
    with play("look") as worker:
        worker.ready()
        memory = arena(b"abc")
        assert worker.share(1, "input", memory)
        worker.jobs.sendall(in_arena(1, 1, 3))
        assert worker.next().value == [97, 99, 3, True]
        memory.map[:4] = b"wxyz"
        worker.jobs.sendall(in_arena(2, 1, 4))
        assert worker.next().value == [119, 122, 4, True]


@pytest.mark.parametrize("function", ["keep", "numpy_keep"])
def test_an_input_that_is_kept_is_held(play: Play, function: str) -> None:
    if function == "numpy_keep":
        pytest.importorskip("numpy")
    with play(function) as worker:
        worker.ready()
        assert worker.share(1, "input", arena(b"AAAA"))
        worker.jobs.sendall(in_arena(1, 1, 4))
        held, done = worker.next(), worker.next()
        assert (held.kind, held.sequence) == (HELD, 1)
        assert done.value == [65]
        # The coordinator writes to a new arena; what was kept stays as it was.
        assert worker.share(2, "input", arena(b"BBBB"))
        worker.jobs.sendall(in_arena(2, 2, 4))
        held, done = worker.next(), worker.next()
        assert (held.kind, held.sequence) == (HELD, 2)
        assert done.value == [65, 66]


def test_inputs_that_are_not_kept_are_not_held(play: Play) -> None:
    pytest.importorskip("numpy")
    for function in ("look", "numpy_sum", "length", "echo", "broken_look"):
        with play(function) as worker:
            worker.ready()
            assert worker.share(1, "input", arena(b"AAAA"))
            for number in range(1, 4):
                worker.jobs.sendall(in_arena(number, 1, 4))
                assert worker.next().kind == 0x21, function


def test_outputs_go_through_their_arena_when_it_is_free(play: Play) -> None:
    with play("same_bytes") as worker:
        worker.ready()
        given, returned = arena(b"x" * 500_000), Memory(1 << 20)
        assert worker.share(1, "input", given)
        assert worker.share(2, "output", returned)
        worker.jobs.sendall(in_arena(1, 1, 500_000))
        done = worker.next()
        assert done.flags & PAYLOAD_REF
        assert struct.unpack("<QQQ", done.payload) == (2, 0, 500_000)
        assert returned.map[:500_000] == b"x" * 500_000
        # Nobody has taken it yet.
        worker.jobs.sendall(in_arena(2, 1, 400_000))
        done = worker.next()
        assert not done.flags & PAYLOAD_REF
        assert done.payload == b"x" * 400_000
        worker.jobs.sendall(in_arena(3, 1, 300_000, TAKEN))
        done = worker.next()
        assert struct.unpack("<QQQ", done.payload) == (2, 0, 300_000)


def test_arenas_that_cannot_be_used_are_declined(play: Play) -> None:
    with play("look") as worker:
        worker.ready()
        assert not worker.share(1, "input", Memory(1 << 20, seals=0))
        assert not worker.share(2, "input", arena(b""), length=1 << 21)
        assert worker.share(3, "output", Memory(1 << 20))
        assert worker.share(4, "output", None)
        worker.jobs.sendall(in_arena(1, 1, 4))
        assert worker.exit_code() == 5


# Ends.


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("how", ["shutdown", "end of jobs"])
def test_ends_that_the_coordinator_asks_for(play: Play, how: str, busy: bool) -> None:
    with play("sleep") as worker:
        worker.ready()
        if busy:
            worker.jobs.sendall(job(1, 0.2))
            worker.ping()
        if how == "shutdown":
            worker.tell(SHUTDOWN)
        else:
            worker.jobs.shutdown(1)
        if busy:
            assert worker.next().value == "slept"
        assert worker.exit_code() == 0


@pytest.mark.parametrize("owned", [False, True])
def test_the_end_of_control_kills_the_worker_and_its_group(play: Play, owned: bool) -> None:
    with play("child", owned=owned) as worker:
        worker.ready()
        child = worker.run("3600").value
        worker.control.close()
        assert worker.exit_code() == -signal.SIGKILL
        descriptor = os.pidfd_open(child)
        try:
            import select

            ended = select.select([descriptor], [], [], 30 if owned else 0.3)[0] != []
            assert ended == owned
            if not ended:
                os.kill(child, signal.SIGKILL)
        finally:
            os.close(descriptor)


def test_left_over_threads_do_not_hold_up_the_end(play: Play) -> None:
    with play("leaves_thread") as worker:
        worker.ready()
        assert worker.run(False).value == "left"
        worker.tell(SHUTDOWN)
        assert worker.exit_code() == 0
        assert "left-over" in worker.stderr()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (frame(0x77), "kind 0x77"),
        (frame(0x30), "kind 0x30"),
        (HEAD.pack(70_000, 0, 0x20, 0, 0, 0, 0, 1), "70000"),
        (frame(0x20, b"short", b"1", 1), "ends early"),
        (job(0, 1), "sequence numbers rise"),
        (in_arena(1, 9, 4), "lies in no arena"),
    ],
)
def test_a_broken_protocol_ends_the_worker(play: Play, data: bytes, said: str) -> None:
    with play("echo") as worker:
        worker.ready()
        worker.jobs.sendall(data)
        assert worker.exit_code() == 5
        assert said in worker.stderr()


def test_a_broken_frame_on_control_ends_the_worker(play: Play) -> None:
    with play("spin") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, 3600))
        worker.tell(0x77)
        assert worker.exit_code() == 5


def test_unknown_frames_are_skipped_if_they_may_be(play: Play) -> None:
    with play("echo") as worker:
        worker.ready()
        worker.jobs.sendall(frame(0x999, b"x" * 100, b"y" * 100_000, flags=1))
        worker.control.sendall(frame(0x999, b"x" * 100, b"y" * 60_000, flags=1))
        assert worker.run("next").value == "next"
        worker.ping()


def test_refused(play: Play) -> None:
    with play("echo", welcome=False) as worker:
        worker.jobs.sendall(frame(3, b'{"reason": "contract", "detail": "expected job `fib`"}'))
        assert worker.exit_code() == 4
        assert "refused this worker (contract): expected job `fib`" in worker.stderr()


def test_refused_behind_the_welcome(play: Play) -> None:
    with play("echo") as worker:
        worker.jobs.sendall(frame(3, b'{"reason": "contract", "detail": "expected job `fib`"}'))
        assert worker.exit_code() == 4
        assert "refused this worker (contract): expected job `fib`" in worker.stderr()


def test_logs_of_the_start(play: Play) -> None:
    with play("slow_start:Chatty") as worker:
        assert worker.exactly(worker.jobs, 16)
        assert [worker.next().kind for _ in range(3)] == [1, LOG, 0x10]


def test_worker_data(play: Play) -> None:
    with play("context", worker_data=b'{"path": "model.bin"}') as worker:
        worker.ready()
        found = worker.run(0).value
        assert found["worker_data"] == {"path": "model.bin"}
        assert found["id"] == "000102030405060708090a0b0c0d0e0f"


def test_descriptors_are_closed_for_programs(play: Play) -> None:
    with play("descriptors", page=True) as worker:
        worker.ready()
        [listing] = worker.run(0).value
        assert listing == "3"  # Of `ls` itself.


def test_messages(play: Play) -> None:
    command = [sys.executable, "messages_worker.py"]
    with play("", command, welcome=False) as worker:
        fields = {"mode": "messages", "owned": True, "worker": "m-0", "pool": "m", "max_payload": 1 << 20}
        worker.jobs.sendall(frame(2, json.dumps(fields).encode()))
        assert worker.ready()["modes"] == ["messages"]
        worker.jobs.sendall(frame(0x24, b"", b'"ping"'))
        assert worker.next().value == "pong"
        worker.jobs.sendall(frame(0x24, b"", b"[1"))
        assert worker.next().kind == 0x25
        worker.jobs.sendall(frame(0x24, b"", b"raw", encoding=3))
        assert worker.next().payload == b"war"
        worker.tell(SHUTDOWN)
        assert worker.exit_code() == 0


def test_the_conformance_fixture(play: Play) -> None:
    with play("", [sys.executable, "conformance_fixture.py"], page=True) as worker:
        assert worker.ready()["job"] == "conformance"
        assert worker.run({"op": "echo", "value": ["é", None, 1.5]}).value == ["é", None, 1.5]
        assert worker.run({"op": "bytes", "length": 3}).payload == bytes(3)
        assert worker.run(raw=b"\0\1").payload == b"\0\1"
        assert worker.run({"op": "fail", "message": "no", "code": "c", "details": {"a": 1}}).status == FAILED
        assert worker.run({"op": "break"}).status == BROKE
        assert worker.run({"op": "nonsense"}).status == FAILED
        assert worker.run({"op": "spin", "ms": 1}).value == "spun"
        worker.jobs.sendall(job(8, {"op": "chunks", "count": 3}, credit=16))
        assert [each.value for each in worker.until_done()] == [0, 1, 2, "streamed"]
        worker.jobs.sendall(job(9, {"op": "panic"}))
        assert worker.next().status == PANICKED
        assert worker.exit_code() == 101


def test_forks_do_not_stream(play: Play) -> None:
    with play("forks_while_streaming") as worker:
        worker.ready()
        # The fork has no guard that would tell it of the credit that comes later.
        worker.jobs.sendall(job(1, 5, credit=1))
        for number in range(5):
            assert worker.next().value == number
            worker.tell(CREDIT, b"\1", sequence=1)
        assert worker.next().value == "streamed"
        worker.ping()


def test_no_version_in_common(play: Play) -> None:
    with play("echo", versions=(3, 4)) as worker:
        assert worker.exit_code() == 4
        assert "the coordinator speaks versions 3 to 4 of the wire" in worker.stderr()


def test_a_coordinator_that_closes_instead_of_welcome(play: Play) -> None:
    with play("echo", welcome=False) as worker:
        worker.jobs.shutdown(socket.SHUT_WR)
        assert worker.exit_code() == 4
        assert "instead of sending `Welcome`" in worker.stderr()


def test_a_pool_that_wants_messages(play: Play) -> None:
    with play("echo", welcome=False) as worker:
        fields = {"mode": "messages", "owned": True, "worker": "m-0", "pool": "m", "max_payload": 1 << 20}
        worker.jobs.sendall(frame(2, json.dumps(fields).encode()))
        assert worker.exit_code() == 4
        assert "messages" in worker.stderr()


def test_outputs_at_the_limit(play: Play) -> None:
    with play("outputs", max_payload=1_000_000) as worker:
        worker.ready()
        assert len(worker.run("fit").payload) == 1_000_000
        assert worker.run("unfit").status == TOO_LARGE
        worker.jobs.sendall(HEAD.pack(0, 1_000_001, 0x20, 0, 3, 0, 0, 9))
        assert worker.exit_code() == 5


def test_large_payloads_by_the_socket(play: Play) -> None:
    with play("echo") as worker:
        worker.ready()
        body = os.urandom(8 << 20)
        worker.sequence = (1 << 53) - 1
        assert worker.run(raw=body).payload == body


@pytest.mark.parametrize("number", [(1 << 31) - 1, (1 << 32) - 1, (1 << 53) - 1, (1 << 64) - 3])
def test_numbers_of_jobs_are_not_cut(play: Play, number: int) -> None:
    with play("sleep", page=True) as worker:
        worker.ready()
        worker.cancel(number + 1)
        worker.ping()
        worker.jobs.sendall(job(number, 0) + job(number + 1, 3600) + job(number + 2, 0))
        found = [worker.next() for _ in range(3)]
        assert [each.sequence for each in found] == [number, number + 1, number + 2]
        assert [each.status for each in found] == [OK, CANCELLED, OK]
        assert worker.page is not None
        assert worker.page.number(0) == number + 2


def test_extras_that_nobody_knows(play: Play) -> None:
    with play("context") as worker:
        worker.ready()
        sixteen = bytes([16]) + b"".join(bytes([100 + number, 1, 0]) for number in range(16))
        assert worker.run(0, extras=sixteen).value["traceparent"] is None
        assert worker.run(0, extras=b"\1\1\3abc").value["traceparent"] == "abc"
        both = worker.run(0, extras=b"\2\1\3abc\5\3a=1").value
        assert (both["traceparent"], both["tracestate"]) == ("abc", "a=1")
        worker.jobs.sendall(job(3, 0, extras=b"\x11" + b"\x64\0" * 17))
        assert worker.exit_code() == 5


def test_a_coordinator_that_leaves_while_the_worker_writes(play: Play) -> None:
    with play("outputs") as worker:
        worker.ready()
        worker.jobs.sendall(job(1, "large"))
        assert worker.exactly(worker.jobs, 24)
        worker.jobs.close()
        worker.control.close()
        assert worker.exit_code() in (3, -signal.SIGKILL)
