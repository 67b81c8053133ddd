"""Type hints as JSON Schemas and as checks of what JSON brings.

A check takes a JSON value and returns what the parameter takes, or raises `Mismatch`. A hint that
this file does not know takes anything.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    Check = Callable[[Any], Any]
    Schema = Dict[str, Any]

_NAMES = {
    int: "an integer",
    float: "a number",
    str: "a string",
    bool: "a boolean",
    type(None): "null",
    list: "an array",
    dict: "an object",
}
_INFINITY = float("inf")
_SCHEMAS: Dict[Any, Schema] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}


class Mismatch(ValueError):
    """A value is not what its hint says."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem, path)
        self.problem = problem
        self.path = path

    def under(self, step: str) -> Mismatch:
        """Returns the same, seen from the value around it."""
        joint = "." if self.path and not self.path.startswith("[") else ""
        return Mismatch(self.problem, step + joint + self.path)

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


class Shape:
    """What is known of a hint: a schema, `None` if nothing is; a check, `None` if all values do."""

    __slots__ = ("check", "schema")

    def __init__(self, schema: Optional[Schema] = None, check: Optional[Check] = None) -> None:
        self.schema = schema
        self.check = check


def found(value: Any) -> str:
    """Returns how an error names a value's type."""
    return _NAMES.get(type(value), type(value).__name__)


def shape_of(hint: Any, pending: Optional[Dict[int, Shape]] = None) -> Shape:
    """Returns the shape of a hint. `pending` holds those around it, for types that refer to themselves."""
    if hint is None:
        hint = type(None)
    if hint is list or hint is dict:
        return Shape({"type": "array" if hint is list else "object"}, _exactly(hint))
    if isinstance(hint, type) and hint in _SCHEMAS:
        return Shape(_SCHEMAS[hint], _number if hint is float else _exactly(hint))
    if hint is tuple:
        return Shape({"type": "array"}, _sequence(None, tuple))
    pending = {} if pending is None else pending
    if id(hint) in pending:
        around = pending[id(hint)]
        return Shape({}, lambda value: around.check(value) if around.check else value)
    shape = pending[id(hint)] = Shape()
    known = _compound(hint, pending)
    del pending[id(hint)]
    if known is not None:
        shape.schema, shape.check = known.schema, known.check
    return shape


def _compound(hint: Any, pending: Dict[int, Shape]) -> Optional[Shape]:
    origin: Any = getattr(hint, "__origin__", None)
    args: Tuple[Any, ...] = getattr(hint, "__args__", ())
    if origin in (list, set, frozenset) and len(args) == 1:
        return _array(shape_of(args[0], pending), origin)
    if origin is dict and len(args) == 2 and args[0] is str:
        return _mapping(shape_of(args[1], pending))
    if origin is tuple and hasattr(hint, "__args__"):
        return _tuple(args, pending)
    name = getattr(origin, "_name", None) or type(hint).__name__
    if name in ("Union", "UnionType"):
        return _union([shape_of(arg, pending) for arg in args])
    if name == "Literal":
        return _literal(list(args), f"`{hint!r}`")
    if name in ("Required", "NotRequired", "ReadOnly"):
        return shape_of(args[0], pending)
    if hasattr(hint, "__metadata__"):  # Annotated
        return shape_of(origin, pending)
    if isinstance(hint, type):
        return _class(hint, pending)
    return None


def _class(hint: Any, pending: Dict[int, Shape]) -> Optional[Shape]:
    from . import _classes

    return _classes.shape_of_class(hint, pending)


def _exactly(kind: type) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not kind:
            raise Mismatch(f"expected {_NAMES[kind]}, found {found(value)}")
        return value

    return check


def _number(value: Any) -> float:
    if type(value) is float:
        if value in (_INFINITY, -_INFINITY):
            raise Mismatch("expected a number, found one that is too large")  # JSON has no infinity, but 1e999.
        return value
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise Mismatch("expected a number, found an integer that is too large for one") from None
    raise Mismatch(f"expected a number, found {found(value)}")


def _sequence(item: Optional[Check], make: Callable[[List[Any]], Any]) -> Check:
    def check(value: Any) -> Any:
        if type(value) is not list:
            raise Mismatch(f"expected an array, found {found(value)}")
        checked = value
        if item is not None:
            checked = []
            for index, element in enumerate(value):
                try:
                    checked.append(item(element))
                except Mismatch as error:
                    raise error.under(f"[{index}]") from None
        try:
            return make(checked)
        except TypeError as error:  # A set of lists.
            raise Mismatch(str(error)) from None

    return check


def _array(item: Shape, make: Callable[[List[Any]], Any]) -> Shape:
    schema: Schema = {"type": "array"}
    if item.schema:
        schema["items"] = item.schema
    if make is not list:
        schema["uniqueItems"] = True
    return Shape(schema, _sequence(item.check, make))


def _mapping(member: Shape) -> Shape:
    schema: Schema = {"type": "object"}
    if member.schema:
        schema["additionalProperties"] = member.schema
    inner = member.check

    def check(value: Any) -> Any:
        if type(value) is not dict:
            raise Mismatch(f"expected an object, found {found(value)}")
        if inner is None:
            return value
        checked = {}
        for name, element in value.items():
            try:
                checked[name] = inner(element)
            except Mismatch as error:
                raise error.under(name) from None
        return checked

    return Shape(schema, check)


def _tuple(args: Tuple[Any, ...], pending: Dict[int, Shape]) -> Shape:
    if len(args) == 2 and args[1] is ...:
        item = shape_of(args[0], pending)
        schema = {"type": "array", "items": item.schema} if item.schema else {"type": "array"}
        return Shape(schema, _sequence(item.check, tuple))
    shapes = [] if args == ((),) else [shape_of(arg, pending) for arg in args]
    length = len(shapes)

    def check(value: Any) -> Any:
        if type(value) is not list or len(value) != length:
            what = f"an array of {len(value)}" if type(value) is list else found(value)
            raise Mismatch(f"expected an array of {length}, found {what}")
        checked = []
        for index, (shape, element) in enumerate(zip(shapes, value)):
            try:
                checked.append(shape.check(element) if shape.check else element)
            except Mismatch as error:
                raise error.under(f"[{index}]") from None
        return tuple(checked)

    prefix = [shape.schema or {} for shape in shapes]
    return Shape({"type": "array", "prefixItems": prefix, "minItems": length, "maxItems": length}, check)


def _union(members: List[Shape]) -> Shape:
    checks = [member.check for member in members]
    if any(check is None for check in checks):
        return Shape({"anyOf": [member.schema or {} for member in members]})

    def check(value: Any) -> Any:
        problems = []
        for inner in checks:
            try:
                return inner(value) if inner else value
            except Mismatch as error:
                problems.append(error)
        # The error that got furthest says most.
        deepest = max(problems, key=lambda error: len(error.path))
        if deepest.path:
            raise deepest
        wanted = " or ".join(dict.fromkeys(_wanted(error.problem) for error in problems))
        raise Mismatch(f"expected {wanted}, found {found(value)}")

    # An integer stays one where a number would do, too.
    checks.sort(key=lambda inner: inner is _number)
    return Shape({"anyOf": [member.schema or {} for member in members]}, check)


def _wanted(problem: str) -> str:
    """Returns the `X` of `expected X, found Y`."""
    return problem.split("expected ", 1)[-1].rsplit(", found ", 1)[0]


def _literal(values: List[Any], name: str) -> Shape:
    from ._errors import StartError
    from ._values import decode_text, to_json

    plain = []
    for value in values:
        given = getattr(value, "value", value)
        try:
            plain.append(decode_text(to_json(given)))  # A tuple comes as an array.
        except (TypeError, ValueError):
            raise StartError(f"{given!r} is one of the values of {name}, and no JSON: no input can be it") from None

    def check(value: Any) -> Any:
        for choice, given in zip(plain, values):
            if type(choice) is type(value) and choice == value:
                return given
        shown = to_json(value)
        shown = shown if len(shown) < 100 else found(value)
        raise Mismatch(f"expected {' or '.join(map(to_json, plain))}, found {shown}")

    return Shape({"enum": plain}, check)
