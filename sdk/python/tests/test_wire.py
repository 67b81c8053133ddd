"""The code of the wire against the blocks and tables of WIRE.md."""

from __future__ import annotations

import json
import re
from typing import Any, Callable, List

import pytest
from wire_document import HEX, HEX_LINES, JSON, SCHEMAS, kinds, limits

from procpool import _board, _codec, _frames, _page, _values
from procpool._errors import HandshakeError, ProtocolError
from procpool._frames import FrameReader, frame


def reader_of(data: bytes, kinds: Any = _frames.ON_JOBS, step: int = 1 << 20, limit: int = 1 << 26) -> FrameReader:
    position = [0]

    def receive(length: int) -> bytes:
        piece = data[position[0] : position[0] + min(length, step)]
        position[0] += len(piece)
        return piece

    return FrameReader(receive, kinds, limit)


def test_the_document_is_read() -> None:
    assert len(HEX) > 20
    assert len(JSON) > 5
    assert len(SCHEMAS) == 5


def test_kinds_are_those_of_the_table() -> None:
    names = {name: re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper() for name in kinds()}
    ours = {name: getattr(_frames, name) for name in names.values() if hasattr(_frames, name)}
    table = {names[name]: number for name, number in kinds().items()}
    assert ours == table


def test_limits_are_those_of_the_table() -> None:
    table = limits()
    assert _frames.MAX_HEADER == table["MAX_HEADER"] == table["MAX_JSON"]
    assert table["MAX_CONTROL_PAYLOAD"] == _frames.MAX_CONTROL_PAYLOAD
    assert table["MAX_CHUNK"] == _frames.MAX_CHUNK
    assert table["MAX_ATTACHMENTS"] == _frames.MAX_ATTACHMENTS
    assert table["MAX_TEXT"] == _codec.MAX_TEXT
    assert table["MAX_EXTRAS"] == _codec.MAX_EXTRAS
    assert table["MAX_EARLY_CANCELS"] == _board.MAX_EARLY_CANCELS


def test_the_preamble() -> None:
    assert _frames.preamble() == HEX["preamble"]
    reader = reader_of(HEX["preamble"])
    reader.preamble()
    assert reader.read() is None


@pytest.mark.parametrize(
    ("versions", "wrong"), [(b"\1\0\1\0", "versions 1 to 1"), (b"\3\0\4\0", "versions 3 to 4"), (b"\1\0\2\0", "")]
)
def test_versions_have_to_meet(versions: bytes, wrong: str) -> None:
    reader = reader_of(b"PROCPOOL" + versions + bytes(4))
    if not wrong:
        reader.preamble()
        return
    with pytest.raises(HandshakeError, match=wrong):
        reader.preamble()


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("frame-ready", frame(_frames.READY)),
        ("frame-pong", frame(_frames.PONG, sequence=7)),
        (
            "frame-done",
            frame(_frames.DONE, _codec.OK + _codec.varint(1500) + b"\0", b"102334155", _frames.END, _frames.JSON, 1),
        ),
    ],
)
def test_frames_that_a_worker_writes(name: str, ours: bytes) -> None:
    assert ours == HEX[name]


def test_frames_that_a_worker_reads() -> None:
    found = reader_of(HEX["frame-job"]).read()
    assert found is not None
    kind, flags, encoding, sequence, header, payload = found
    assert (kind, flags, encoding, sequence, payload) == (_frames.JOB, 0, _frames.JSON, 1, b"40")
    assert header == HEX["job"]
    for name in ("frame-cancel", "frame-ping", "frame-shutdown"):
        assert reader_of(HEX[name], _frames.ON_CONTROL).read() is not None


@pytest.mark.parametrize("step", [1, 7, 24, 1 << 20])
def test_frames_arrive_in_any_pieces(step: int) -> None:
    stream = (
        HEX["frame-job"] + frame(0x999, b"x", b"y" * 70_000, 1, 2) + frame(_frames.JOB, b"h", b"z" * 200_000, 0, 3, 2)
    )
    reader = reader_of(stream + HEX["frame-job"][:-1], step=step)
    sequences = []
    while (found := reader.read()) is not None:
        sequences.append((found[3], len(found[5])))
    assert sequences == [(1, 2), (2, 200_000)]  # What is cut off at the end is dropped.


def test_numbers() -> None:
    values = [0, 250, 251, 65535, 65536, 4294967295, 4294967296, 18446744073709551615]
    assert [_codec.varint(value) for value in values] == HEX_LINES["varints"]
    assert [_codec.Reader(line).varint() for line in HEX_LINES["varints"]] == values
    # Longer than it needs to be, but no wider than its type.
    assert _codec.Reader(b"\xfb\1\0").varint() == 1
    assert _codec.Reader(b"\xfc\1\0\0\0").varint((1 << 32) - 1) == 1
    for wrong, maximum in ((b"\xfc\1\0\0\0", 0xFFFF), (b"\xfe", 1 << 63), (b"\xff", 1 << 63), (b"\xfb\1", 0xFFFF)):
        with pytest.raises(ProtocolError):
            _codec.Reader(wrong).varint(maximum)


def test_jobs() -> None:
    job_id = bytes(range(16))
    assert _codec.read_job(HEX["job"]) == (job_id, 1, 30_000_000_000, 2, 16, {})
    assert _codec.read_job(HEX["job-with-extra"]) == (job_id, 2, None, 1, None, {1: b"abc"})


@pytest.mark.parametrize("remaining", [0, 250, 251, 65535, 65536, 4294967295, 4294967296, (1 << 64) - 1])
@pytest.mark.parametrize("attempt", [1, 250, 251, 70_000])
def test_jobs_in_their_short_forms(remaining: int, attempt: int) -> None:
    header = bytes(16) + _codec.varint(attempt) + b"\1" + _codec.varint(remaining) + b"\2\0\0"
    assert _codec.read_job(header) == (bytes(16), attempt, remaining, 2, None, {})


def test_job_headers_that_are_too_short_or_too_long() -> None:
    for name in ("job", "job-with-extra"):
        with pytest.raises(ProtocolError):
            _codec.read_job(HEX[name][:-1])
        with pytest.raises(ProtocolError):
            _codec.read_job(HEX[name] + b"\0")
    with pytest.raises(ProtocolError):
        _codec.read_job(HEX["job-with-extra"][:-6] + _codec.varint(17) + b"\1\0" * 17)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("done-ok", _codec.OK + _codec.varint(1500) + b"\0"),
        ("done-bad-input", _codec.bad_input("no") + _codec.varint(0) + b"\0"),
        ("done-failed", _codec.failed("too_large", "n is 94", {"limit": 93}) + _codec.varint(800) + b"\0"),
        ("done-panicked", _codec.panicked("boom", "src/main.rs:7:5") + _codec.varint(900) + b"\0"),
        ("done-cancelled", _codec.CANCELLED + _codec.varint(70_000) + b"\0"),
        ("done-too-large", _codec.too_large(100_000_000, 64 << 20) + _codec.varint(5_000_000_000) + b"\0"),
        ("done-broke", _codec.broke("KeyError", "no such key") + _codec.varint(600) + b"\0"),
        (
            "done-with-extras",
            _codec.OK
            + _codec.varint(1500)
            + _codec.extras_of({1: b"image/png", 2: (1000).to_bytes(8, "little"), 3: (12 << 20).to_bytes(8, "little")}),
        ),
        ("failure", _codec.failure("failed", "nope", None, True)),
        ("progress", _codec.progress(3, 10)),
        ("progress-of-unknown-total", _codec.progress(251, None)),
    ],
)
def test_messages_that_a_worker_writes(name: str, ours: bytes) -> None:
    if name == "done-failed":  # Details are JSON, whose white space is the writer's.
        ours = ours.replace(b'\x0d{"limit": 93}', b'\x0c{"limit":93}')
    assert ours == HEX[name]


def test_credit() -> None:
    assert _codec.read_credit(HEX["credit"]) == 8
    with pytest.raises(ProtocolError):
        _codec.read_credit(HEX["credit"] + b"\0")


def test_texts_are_cut_at_a_character_and_details_are_whole_or_absent() -> None:
    cut = _codec.text("x" + "é" * 20_000)
    assert cut == b"\xfb\xff\x3f" + ("x" + "é" * 8191).encode()
    assert _codec.failure("a", "b", "x" * 20_000).endswith(b"\0\0")
    assert _codec.failure("a", "b", float("nan")).endswith(b"\0\0")
    assert _codec.failure("a", "b", ["x"]).endswith(b'\1\5["x"]\0')
    assert _codec.text("\ud800") == b"\1?"


@pytest.mark.parametrize("name", list(SCHEMAS))
def test_schema_hashes(name: str) -> None:
    given, returned, expected = SCHEMAS[name]
    assert _values.canonical(json.loads(given)) == given.encode()
    assert _values.canonical(json.loads(returned)) == returned.encode()
    assert _values.schema_hash(json.loads(given), json.loads(returned)) == expected


def head(**fields: int) -> bytes:
    names = ("header", "payload", "kind", "flags", "encoding", "descriptors", "reserved", "sequence")
    values = {"kind": _frames.JOB, **fields}
    return _frames.HEAD.pack(*(values.get(name, 0) for name in names))


@pytest.mark.parametrize(
    "wrong",
    [
        head(header=_frames.MAX_HEADER + 1),
        head(payload=(1 << 26) + 1, encoding=2),
        head(kind=0x77),
        head(kind=_frames.CANCEL),
        head(kind=0x77, flags=_frames.IGNORABLE, payload=(1 << 26) + 1),
        head(flags=16),
        head(flags=_frames.PAYLOAD_REF, payload=23, encoding=2),
        head(kind=_frames.MESSAGE, flags=_frames.PAYLOAD_REF, payload=24, encoding=2),
        head(encoding=4),
        head(payload=1),
        head(reserved=1),
        head(descriptors=17),
        head(kind=_frames.REFUSED, descriptors=1),
    ],
)
def test_wrong_heads_are_refused_before_anything_follows(wrong: bytes) -> None:
    with pytest.raises(ProtocolError):
        reader_of(wrong).read()


def test_a_batch_is_read_and_written_as_documented() -> None:
    from procpool._batch import run_batch

    class Judge:
        def __init__(self) -> None:
            self.seen: List[bytes] = []

        def judge(self, encoding: int, payload: bytes, *_: object) -> Any:
            self.seen.append(bytes(payload))
            if payload == b"7":
                return _codec.OK, _frames.JSON, b"13", 1
            return _codec.failed("failed", "nope", None, True), _frames.NONE, b"", 2

    class Context:
        _is_cancelled = False

    judge: Any = Judge()
    context: Any = Context()
    status, kind, answers, spent = run_batch(judge, 2, HEX["batch-inputs"], context, 1 << 20)
    assert judge.seen == [b"7", b"40"]
    assert (status, kind, answers, spent) == (_codec.OK, _frames.RAW, HEX["batch-answers"], 3)
    for cut in (1, 3, 6):
        assert run_batch(judge, 2, HEX["batch-inputs"][:cut], context, 1 << 20)[0][0] == 1


def test_hello_and_description_have_the_documented_fields() -> None:
    from procpool._target import Mark, Target

    def double(n: int) -> int:
        return n * 2

    described = Target(double, Mark("double", 3, "1.4.2")).description()
    assert set(described) <= set(JSON["description"])
    assert set(Target(double, Mark()).introduction()) <= set(JSON["hello"])
    assert described["contract"] == 3
    assert described["build"] == "1.4.2"


@pytest.mark.parametrize("make", [_page.MappedPage, _page.FilePage])
def test_both_pages_write_the_same(make: Callable[[int], _page.Page]) -> None:
    from coordinator import PAGE_LENGTH, Memory

    memory = Memory(PAGE_LENGTH)
    page = make(memory.file)
    assert memory.number(16) == 0x6765706170656B21
    assert page.claims(1, 0)
    assert memory.number(0) == 1
    memory.store(24, 3)
    assert not page.claims(3, 1)
    assert memory.number(0) == 1
    assert page.claims(4, 1)
    page.put(65536 * 2 - 3, b"abcdef")
    assert memory.map[69632 - 3 :] == b"abc"
    assert memory.map[4096 : 4096 + 3] == b"def"
    page.written(70_000)
    assert memory.number(8) == 70_000


def test_a_page_that_is_none_is_left_alone() -> None:
    from coordinator import PAGE_LENGTH, Memory

    assert _page.open_page(Memory(PAGE_LENGTH).file) is None
    assert _page.open_page(Memory(PAGE_LENGTH - 1).file) is None
    unsealed = Memory(PAGE_LENGTH, seals=0)
    unsealed.map[32:48] = b"procpool page 2\n"
    assert _page.open_page(unsealed.file) is None
    assert _page.open_page(1000) is None
