"""Values that JSON cannot carry, there and back: each has a sentence with the place and the way out."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import json
import pathlib
import uuid
from dataclasses import dataclass
from typing import Any, Callable, Dict, List

import pytest
from coordinator import Coordinator, job

from procpool._values import decode, encode

Play = Callable[..., Coordinator]
JSON = 2
KEY = "a key of type {}: keys must be texts in JSON, such as `str(key)`"


class Color(enum.Enum):
    RED = "red"


class Shade(enum.IntEnum):
    DARK = 1


@dataclass
class Point:
    x: Any


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no text")

    def __hash__(self) -> int:
        return 1


class Serializes:
    def model_dump(self, mode: str) -> Any:
        raise TypeError(f"of the program's own, in mode {mode}")


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def looped() -> Any:
    value: Dict[str, Any] = {"a": [1]}
    value["a"].append(value)
    return value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (object(), "object has no JSON; use lists, dicts, texts, numbers, a dataclass, or bytes alone"),
        ({"a": [1, decimal.Decimal("1.5")]}, "['a'][1]: Decimal has no JSON; use `str(value)` or `float(value)`"),
        ([fractions.Fraction(1, 3)], "[0]: Fraction has no JSON; use `str(value)` or `float(value)`"),
        (1j, "complex has no JSON; use `[value.real, value.imag]`"),
        ({"in": dt.timedelta(1)}, "['in']: timedelta has no JSON; use `value.total_seconds()`"),
        ([uuid.UUID(int=1)], "[0]: UUID has no JSON; use `str(value)`"),
        (pathlib.PurePosixPath("x"), "PurePosixPath has no JSON; use `str(value)`"),
        ([b"raw"], "[0]: bytes has no JSON; use them alone as the output, or as base64"),
        ({1: 2}.keys(), "dict_keys has no JSON; use `list(value)`"),
        (iter([1]), "list_iterator has no JSON; use `list(value)`"),
        (range(3), "range has no JSON; use `list(value)`"),
        (float("nan"), "nan is not JSON compliant: use `None`, or a text"),
        ([1.0, [float("-inf")]], "[1][0]: -inf is not JSON compliant: use `None`, or a text"),
        (Point([float("inf")]), "['x'][0]: inf is not JSON compliant"),
        ("a\ud800", "a text with the lone surrogate U+D800 at 1; surrogates not allowed in UTF-8: use bytes, or `text"),
        ({"name": "\udc80"}, "['name']: a text with the lone surrogate U+DC80 at 0"),
        ({"\udc80": 1}, "a key: a text with the lone surrogate U+DC80 at 0"),
        ({(1, 2): 3}, KEY.format("tuple")),
        ([{Color.RED: 3}], "[0]: " + KEY.format("Color")),
        ({b"a": 3}, KEY.format("bytes")),
        ({Hostile(): 3}, KEY.format("Hostile")),
        ({1: 2, "1": 3}, "the keys 1 and '1' are both '1' in JSON: use texts for all keys"),
        ([{}, {"b": {"true": 0, True: 1}}], "[1]['b']: the keys 'true' and True are both 'true' in JSON"),
        ({"null": 0, None: 1}, "the keys 'null' and None are both 'null' in JSON"),
        ({1.5: 0, "1.5": 1}, "the keys 1.5 and '1.5' are both '1.5' in JSON"),
        ({-1: 0, "-1": 1}, "the keys -1 and '-1' are both '-1' in JSON"),
        ({"a": 1, Shade.DARK: 0, "1": 1}, "and '1' are both '1' in JSON"),
        (Point({2: 0, "2": 1}), "['x']: the keys 2 and '2' are both '2' in JSON"),
        (nested(100_000), "it nests too deep for JSON: use a flat list of its parts"),
        (looped(), "['a'][1]: it contains itself"),
        (Serializes(), "of the program's own, in mode json"),
    ],
)
def test_what_has_no_json_says_where_it_is_and_what_to_use(value: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        encode(value)
    assert said in str(caught.value)


@pytest.mark.parametrize("value", [[10**5000], [-(10**5000)], [[{"n": 10**5000}]], [{10**5000: 1}]])
def test_an_integer_with_too_many_digits(value: List[Any]) -> None:
    try:
        json.dumps(10**5000)
    except ValueError:
        with pytest.raises(
            ValueError, match=r"an integer of 16610 bits, which has too many digits: use `hex\(value\)`"
        ):
            encode(*value)
    else:
        assert json.loads(bytes(encode(10**5000)[1])) == 10**5000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({1: 2, "2": 3, None: 4, False: 5}, '{"1":2,"2":3,"null":4,"false":5}'),
        ({1.5: [{"1": 2}], "1": {2: 3}}, '{"1.5":[{"1":2}],"1":{"2":3}}'),
        (10**20, "1" + "0" * 20),
        ([dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc), dt.date(2026, 1, 2)], None),
        ([{1}, frozenset({"1"})], '[[1],["1"]]'),
        ({"color": Color.RED, "shade": Shade.DARK}, '{"color":"red","shade":1}'),
        (nested(100), "[" * 101 + "]" * 101),
        ("\U0001f600é", '"\U0001f600é"'),
    ],
)
def test_what_has_json(value: Any, text: Any) -> None:
    encoding, data = encode(value)
    assert encoding == JSON
    assert bytes(data).decode() == (text or '["2026-01-02T00:00:00+00:00","2026-01-02"]')


def test_scalars_of_numpy() -> None:
    np = pytest.importorskip("numpy")
    values = [np.int64(1), np.float32(0.5), np.bool_(True), np.str_("a"), np.array([1, 2]), np.datetime64("2026-01-02")]
    assert json.loads(bytes(encode(values)[1])) == [1, 0.5, True, "a", [1, 2], "2026-01-02"]
    assert encode(np.float64(0.5)) == (JSON, b"0.5")
    with pytest.raises(ValueError, match=r"\[0\]\[1\]: nan is not JSON compliant"):
        encode([np.array([1, np.nan])])
    with pytest.raises(TypeError, match=r"\['a'\]: complex has no JSON"):
        encode({"a": np.complex64(1j)})
    with pytest.raises(TypeError, match="a key of type int64"):
        encode({np.int64(1): 2})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1e999", "the input has a number that is too large: 1e999"),
        ("-1e999", "the input has a number that is too large: -1e999"),
        ('{"a": [1, {"b": 1E+400}]}', "the input has a number that is too large: 1E+400"),
        ("[1" + "0" * 400 + ".5]", "the input has a number that is too large: 1" + "0" * 39 + "…"),
        ("1" + "0" * 250 + "e99", "the input has a number that is too large: 1" + "0" * 39 + "…"),
        ("NaN", "NaN is not JSON"),
        ("[Infinity]", "Infinity is not JSON"),
        ('{"a": -Infinity}', "-Infinity is not JSON"),
        ("[" * 100_000, "the input nests too deep"),
        ("[1", "the input is no JSON"),
    ],
)
def test_inputs_that_have_no_value(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"^the input") as caught:
        decode(JSON, text.encode())
    assert said in str(caught.value)


def test_an_input_with_too_many_digits() -> None:
    try:
        expected = int("1" * 5000)
    except ValueError:
        with pytest.raises(ValueError, match=r"the input has a number that cannot be read: .*5000 digits"):
            decode(JSON, b"1" * 5000)
    else:
        assert decode(JSON, b"1" * 5000) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),  # The last counts.
        ("1e308", 1e308),
        ("[1e-999, 2e000, 0e999]", [0.0, 2.0, 0.0]),
        ('["1e999", "code1000"]', ["1e999", "code1000"]),
        ('"\\ud800"', "\ud800"),
    ],
)
def test_inputs_that_have_one(text: str, value: Any) -> None:
    assert decode(JSON, text.encode()) == value


def test_numbers_that_are_too_large_are_bad_input(play: Play) -> None:
    with play("echo") as worker:
        worker.ready()
        for body in (b"1e999", b'{"a": [-1e999]}', b"NaN", b"[NaN]"):
            worker.sequence += 1
            frame = bytearray(job(worker.sequence, raw=body))
            frame[12] = JSON
            worker.jobs.sendall(frame)
            done = worker.next()
            assert done.status == 1, body
            assert b"the input has a number" in done.header


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("object", b"[0]: object has no JSON"),
        ("twins", b"the keys 1 and '1'"),
        ("surrogate", b"a text with the lone surrogate U+D800"),
    ],
)
def test_generators_that_yield_what_has_no_json(play: Play, name: str, said: bytes) -> None:
    with play("pieces") as worker:
        worker.ready()
        frames: List[Any] = []
        worker.jobs.sendall(job(1, name, credit=16))
        frames += worker.until_done()
        assert [frame.kind for frame in frames] == [0x23, 0x21]
        assert frames[-1].status == 6
        assert b"the chunk cannot be sent: " + said in frames[-1].header
        worker.sequence = 1
        worker.jobs.sendall(job(2, name))
        assert worker.next().status == 0  # Nobody reads the pieces, so nobody sends them.
