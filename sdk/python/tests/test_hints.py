"""Type hints: the schema that they become, and the answers to what does not fit."""

from __future__ import annotations

import dataclasses
import enum
import sys
import typing
from typing import Annotated, Any, Dict, FrozenSet, List, Literal, Optional, Set, Tuple, TypedDict, Union

import pytest

from procpool._errors import StartError
from procpool._hints import Mismatch, shape_of
from procpool._values import to_json

NotRequired: Any = getattr(typing, "NotRequired", None)


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0
    tags: List[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Positive:
    value: int

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise ValueError("expected a positive number")


@dataclasses.dataclass
class Tree:
    children: List[Tree]


@dataclasses.dataclass
class Scaled:
    width: int
    factor: dataclasses.InitVar[int]
    unit: typing.ClassVar[str] = "px"

    def __post_init__(self, factor: int) -> None:
        self.width *= factor


class Pair(enum.Enum):
    ORIGIN = (0, 0)


class Handle(enum.Enum):
    FIRST = object()


class Size(TypedDict):
    width: int
    height: int


class Options(TypedDict, total=False):
    depth: int


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


INTEGER = {"type": "integer"}
STRING = {"type": "string"}


@pytest.mark.parametrize(
    ("hint", "schema"),
    [
        (int, INTEGER),
        (float, {"type": "number"}),
        (str, STRING),
        (bool, {"type": "boolean"}),
        (None, {"type": "null"}),
        (list, {"type": "array"}),
        (dict, {"type": "object"}),
        (tuple, {"type": "array"}),
        (List[int], {"type": "array", "items": INTEGER}),
        (List[Any], {"type": "array"}),
        (Set[str], {"type": "array", "items": STRING, "uniqueItems": True}),
        (Dict[str, int], {"type": "object", "additionalProperties": INTEGER}),
        (Tuple[int, str], {"type": "array", "prefixItems": [INTEGER, STRING], "minItems": 2, "maxItems": 2}),
        (Tuple[int, ...], {"type": "array", "items": INTEGER}),
        (Optional[int], {"anyOf": [INTEGER, {"type": "null"}]}),
        (Literal["a", 1, None], {"enum": ["a", 1, None]}),
        (Color, {"enum": ["red", "blue"]}),
        (Annotated[int, "seconds"], INTEGER),
        (
            Size,
            {
                "type": "object",
                "properties": {"width": INTEGER, "height": INTEGER},
                "required": ["height", "width"],
                "additionalProperties": False,
            },
        ),
        (Options, {"type": "object", "properties": {"depth": INTEGER}, "additionalProperties": False}),
        (
            Point,
            {
                "type": "object",
                "properties": {"x": INTEGER, "y": {"type": "number"}, "tags": {"type": "array", "items": STRING}},
                "required": ["x"],
                "additionalProperties": False,
            },
        ),
    ],
)
def test_schemas(hint: Any, schema: Any) -> None:
    assert shape_of(hint).schema == schema


@pytest.mark.parametrize("hint", [Any, object, Dict[int, str], complex, range, "nonsense", 3, type])
def test_unknown_hints_take_anything(hint: Any) -> None:
    shape = shape_of(hint)
    assert shape.schema is None
    assert shape.check is None


@pytest.mark.parametrize(
    ("hint", "value", "result"),
    [
        (int, 1 << 70, 1 << 70),
        (float, 1, 1.0),
        (Union[float, int], 1, 1),
        (Set[int], [1, 1], {1}),
        (FrozenSet[int], [1], frozenset([1])),
        (Tuple[int, str], [1, "a"], (1, "a")),
        (Tuple[int, ...], [1, 2, 3], (1, 2, 3)),
        (Tuple[()], [], ()),
        (tuple, [1], (1,)),
        (Optional[int], None, None),
        (Literal[1, True], True, True),
        (Color, "red", Color.RED),
        (Pair, [0, 0], Pair.ORIGIN),
        (Scaled, {"width": 2, "factor": 3}, Scaled(2, 3)),
        (Point, {"x": 1}, Point(1)),
        (List[Point], [{"x": 1, "y": 2}], [Point(1, 2.0)]),
        (Size, {"width": 1, "height": 2}, {"width": 1, "height": 2}),
        (Options, {}, {}),
        (Tree, {"children": [{"children": []}]}, Tree([Tree([])])),
    ],
)
def test_values_that_fit(hint: Any, value: Any, result: Any) -> None:
    check = shape_of(hint).check
    assert check is not None
    found = check(value)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("hint", "value", "problem"),
    [
        (int, 1.0, "expected an integer, found a number"),
        (int, True, "expected an integer, found a boolean"),
        (float, "1", "expected a number, found a string"),
        (float, 10**400, "expected a number, found an integer that is too large for one"),
        (float, float("inf"), "expected a number, found one that is too large"),
        (str, None, "expected a string, found null"),
        (List[int], [1, "a"], "[1]: expected an integer, found a string"),
        (List[int], {}, "expected an array, found an object"),
        (Set[Any], [[]], "unhashable"),
        (Dict[str, List[int]], {"a": [1, None]}, "a[1]: expected an integer, found null"),
        (Tuple[int, int], [1], "expected an array of 2, found an array of 1"),
        (Optional[int], "a", "expected an integer or null, found a string"),
        (Union[int, Point], {"x": "a"}, "x: expected an integer, found a string"),
        (Literal["a", "b"], "c", 'expected "a" or "b", found "c"'),
        (Literal[1], True, "expected 1, found true"),
        (Color, "green", 'expected "red" or "blue", found "green"'),
        (Point, [], "expected an object with the members x, y, tags, found an array"),
        (Point, {}, "the member `x` is missing"),
        (Point, {"x": 1, "z": 1}, "the member `z` is unknown; the members are x, y, tags"),
        (List[Point], [{"x": 1, "tags": [1]}], "[0].tags[0]: expected a string, found an integer"),
        (Positive, {"value": 0}, "expected a positive number"),
        (Size, {"width": 1}, "the member `height` is missing"),
        (Tree, {"children": [{"children": 3}]}, "children[0].children: expected an array, found an integer"),
    ],
)
def test_values_that_do_not_fit(hint: Any, value: Any, problem: str) -> None:
    check = shape_of(hint).check
    assert check is not None
    with pytest.raises(Mismatch) as caught:
        check(value)
    assert problem in str(caught.value)


@pytest.mark.parametrize("hint", [Handle, Literal[b"a", 1]])  # type: ignore[valid-type, unused-ignore]
def test_choices_that_no_json_can_be(hint: Any) -> None:
    with pytest.raises(StartError, match="and no JSON: no input can be it"):
        shape_of(hint)


def test_outputs_leave_out_what_belongs_to_the_class() -> None:
    assert to_json(Scaled(2, 3)) == '{"width":6}'


def test_unions_with_bars() -> None:
    if sys.version_info < (3, 10):
        pytest.skip("Python 3.9 has no `int | None`")
    assert shape_of(eval("int | None")).schema == {"anyOf": [INTEGER, {"type": "null"}]}


@pytest.mark.parametrize("text", ["NotRequired[int]", NotRequired])
def test_members_that_need_not_be_there(text: Any) -> None:
    if NotRequired is None:
        pytest.skip("`NotRequired` came with Python 3.11")
    limit = text if isinstance(text, str) else NotRequired[int]
    shape = shape_of(typing.TypedDict("Query", {"text": str, "limit": limit}))  # type: ignore[operator]
    assert shape.check is not None
    assert shape.check({"text": "a"}) == {"text": "a"}
    with pytest.raises(Mismatch, match="limit: expected an integer"):
        shape.check({"text": "a", "limit": "b"})


def test_pydantic_models() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Item", name=(str, ...), sizes=(List[int], []))
    shape = shape_of(model)
    assert shape.check is not None
    assert shape.schema is not None
    assert shape.schema["required"] == ["name"]
    assert shape.check({"name": "a"}).sizes == []
    with pytest.raises(Mismatch, match=r"sizes\[0\]: "):
        shape.check({"name": "a", "sizes": ["x"]})
