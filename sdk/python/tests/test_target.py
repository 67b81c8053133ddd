"""Callables as jobs: parameters, names, and those that cannot be served."""

from __future__ import annotations

import dataclasses
import functools
import json
from typing import Any, Callable, Dict, List, Literal, Optional, Tuple

import job_functions
import pytest

import procpool
from procpool._context import Context
from procpool._errors import StartError
from procpool._frames import BINCODE, JSON, NONE, RAW
from procpool._session import Session
from procpool._target import Mark, Target

CONTEXT = Context(Session(), 1, (bytes(16), 1, None, 2, None, {}), 0)


def call(function: Any, value: Any) -> Any:
    target = Target(function, Mark.of(function))
    target.load(None)
    args, kwargs = target.arguments(JSON, json.dumps(value).encode(), CONTEXT)
    return target.call(*args, **kwargs)


@dataclasses.dataclass
class Size:
    width: int


def only_names(*, left: int, right: int = 2) -> int:
    return left - right


def only_positions(left: int, right: int = 2, /) -> int:
    return left - right


def only_defaults(left: int = 1, right: int = 2, /) -> int:
    return left - right


def mixed(left: int, /, middle: int, *, right: int) -> List[int]:
    return [left, middle, right]


def context_first(ctx: Context, value: int) -> int:
    return value if ctx is CONTEXT else -1


def context_by_hint(value: int, job: Context) -> int:
    return value if job is CONTEXT else -1


def by_position(ctx, /, value):  # type: ignore[no-untyped-def]
    return value


def own_ctx(ctx: int, other: int) -> int:
    return ctx + other


def names_within(values: Any) -> Any:
    return values


names_within.__annotations__["values"] = Optional[List["Size"]]


def literal_within(values: Any) -> Any:
    return values


literal_within.__annotations__["values"] = List[Literal["Size"]]


def wrapper(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return inner


class Scale:
    def __init__(self, factor: int = 2) -> None:
        self.factor = factor

    def __call__(self, value: int) -> int:
        return value * self.factor

    def method(self, value: int) -> int:
        return value + self.factor


@pytest.mark.parametrize(
    ("function", "value", "result"),
    [
        (job_functions.echo, [1, None], [1, None]),
        (job_functions.resize, {"width": 3}, [3, 1, "x"]),
        (job_functions.resize, {"width": 3, "height": 4, "name": "y"}, [3, 4, "y"]),
        (job_functions.rest, {"first": 1, "a": 2}, [1, {"a": 2}]),
        (job_functions.nothing, None, "done"),
        (job_functions.nothing, {}, "done"),
        (only_names, {"left": 3}, 1),
        (only_positions, {"left": 3}, 1),
        (only_defaults, {"right": 3}, -2),
        (mixed, {"left": 1, "middle": 2, "right": 3}, [1, 2, 3]),
        (context_first, 3, 3),
        (context_by_hint, 3, 3),
        (own_ctx, {"ctx": 1, "other": 2}, 3),
        (wrapper(context_first), 3, 3),
        (wrapper(job_functions.resize), {"width": 3}, [3, 1, "x"]),
        (functools.partial(job_functions.resize, height=7), {"width": 3}, [3, 7, "x"]),
        (Scale, 3, 6),
        (Scale(3), 3, 9),
        (Scale(3).method, 3, 6),
        (len, [1, 2], 2),
        (names_within, [{"width": 1}], [Size(1)]),
        (literal_within, ["Size"], ["Size"]),
    ],
)
def test_arguments(function: Any, value: Any, result: Any) -> None:
    assert call(function, value) == result


@pytest.mark.parametrize(
    ("function", "value", "problem"),
    [
        (job_functions.resize, {}, "the member `width` is missing"),
        (job_functions.resize, {"width": 1, "widht": 2}, "the member `widht` is unknown"),
        (job_functions.resize, {"width": 1, "height": "a"}, "height: expected an integer, found a string"),
        (job_functions.resize, 3, "expected an object with the members width, height, name, found an integer"),
        (job_functions.word_count, 3, "expected a string, found an integer"),
        (job_functions.nothing, 3, "the job takes no input; send `null`"),
        (Scale(3).method, "a", "expected an integer, found a string"),
        (wrapper(job_functions.resize), {"width": "a"}, "width: expected an integer"),
    ],
)
def test_bad_input(function: Any, value: Any, problem: str) -> None:
    with pytest.raises(procpool.BadInput) as caught:
        call(function, value)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "payload", "problem"),
    [
        (JSON, b"", "no JSON"),
        (JSON, b"[1", "no JSON"),
        (JSON, b"1 2", "no JSON"),
        (JSON, b"NaN", "NaN is not JSON"),
        (JSON, b"-Infinity", "-Infinity is not JSON"),
        (JSON, b"\xff", "not UTF-8"),
        (JSON, b"\xef\xbb\xbf1", "no JSON"),
        (JSON, "1".encode("utf-16"), "not UTF-8"),
        (JSON, b"[" * 100_000, "nests too deep"),
        (JSON, b"[" * 100_000 + b"]" * 100_000, "nests too deep"),
        (NONE, b"", "there is no input"),
        (BINCODE, b"\1", "bincode"),
    ],
)
def test_payloads_that_do_not_decode(encoding: int, payload: bytes, problem: str) -> None:
    target = Target(job_functions.echo, Mark())
    with pytest.raises(procpool.BadInput) as caught:
        target.arguments(encoding, payload, CONTEXT)
    assert problem in str(caught.value)


def test_bytes_are_for_functions_that_take_them() -> None:
    takes: List[Tuple[Any, int, str]] = [
        (job_functions.length, JSON, "expected raw bytes"),
        (job_functions.word_count, RAW, "expected JSON, found raw bytes"),
        (job_functions.resize, RAW, "expected JSON, found raw bytes"),
    ]
    for function, encoding, problem in takes:
        with pytest.raises(procpool.BadInput, match=problem):
            Target(function, Mark()).arguments(encoding, b"1", CONTEXT)
    assert Target(job_functions.echo, Mark()).arguments(RAW, b"1", CONTEXT) == ((b"1",), {})


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (3, "is no function"),
        (job_functions.Speechless, "has no `__call__`"),
        (job_functions.Needy, "`Needy` needs path"),
        (by_position, "is filled by its name"),
        (max, "failed to find the parameters of `max`"),
    ],
)
def test_callables_that_cannot_be_served(function: Any, problem: str) -> None:
    with pytest.raises(StartError) as caught:
        Target(function, Mark())
    assert problem in str(caught.value)


def test_bytes_among_several_parameters() -> None:
    def resize(width: int, body: bytes) -> bytes:
        return body[:width]

    with pytest.raises(StartError, match="`body` of `resize` takes bytes"):
        Target(resize, Mark())


def test_names() -> None:
    names: Dict[str, Any] = {
        "word-count": job_functions.word_count,
        "scale": Scale,
        "resize": functools.partial(job_functions.resize, height=2),
        "lambda": lambda value: value,
        "my-job": procpool.job(name="my-job")(wrapper(only_names)),
    }
    for name, function in names.items():
        assert Target(function, Mark.of(function)).name == name


def test_marks() -> None:
    @procpool.job(name="a", version=3, build="1.4.2")
    def marked(value: int) -> int:
        return value

    described = Target(marked, Mark.of(marked)).description()
    assert [described[field] for field in ("job", "contract", "build")] == ["a", 3, "1.4.2"]
    with pytest.raises(ValueError, match="exceptions='raise'"):
        procpool.job(exceptions="raise")
    with pytest.raises(ValueError, match="version=-1"):
        procpool.job(version=-1)


def test_one_schema_alone_makes_no_hash() -> None:
    def half(value: int):  # type: ignore[no-untyped-def]
        return value

    described = Target(half, Mark()).description()
    assert "schema_hash" not in described
    assert described["input"] == {"type": "integer"}
    assert "output" not in described


def test_worker_data_for_what_loads() -> None:
    class Model:
        def __init__(self, worker_data: Any) -> None:
            self.data = worker_data

        def __call__(self, value: int) -> Any:
            return [self.data, value]

    target = Target(Model, Mark())
    target.load({"path": "x"})
    assert target.call(1) == [{"path": "x"}, 1]


@pytest.mark.parametrize("given", [(-1,), (1.5,), ("3",), (1 << 64,), (1, -1), (1, "2")])
def test_progress_that_is_no_count(given: Any) -> None:
    with pytest.raises(ValueError, match="a whole number of units is needed"):
        CONTEXT.progress(*given)
