"""Hints that are classes: dataclasses, typed dictionaries, enumerations, models of pydantic.

Is imported only for a function that has such a hint.
"""

from __future__ import annotations

import sys

from ._annotations import resolved
from ._hints import Mismatch, Shape, _literal, found, shape_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Optional, Set


def shape_of_class(hint: Any, pending: Dict[int, Shape]) -> Optional[Shape]:
    """Returns the shape of a class, or `None` if it says nothing about JSON."""
    if hasattr(hint, "__pydantic_validator__") and "pydantic" in sys.modules:
        return _pydantic(hint)
    if hasattr(hint, "__dataclass_fields__"):
        return _dataclass(hint, pending)
    if hasattr(hint, "__total__") and hasattr(hint, "__annotations__"):
        return _typed_dict(hint, pending)
    if hasattr(hint, "__members__"):
        return _literal(list(hint), f"`{hint.__name__}`")
    return None


def members(
    shapes: Dict[str, Shape], required: Set[str], build: Callable[[Dict[str, Any]], Any], is_open: bool = False
) -> Shape:
    """Returns the shape of an object with these members, which `build` takes."""
    schema: Dict[str, Any] = {
        "type": "object",
        "properties": {name: shape.schema or {} for name, shape in shapes.items()},
    }
    if required:
        schema["required"] = sorted(required)
    if not is_open:
        schema["additionalProperties"] = False

    def check(value: Any) -> Any:
        if type(value) is not dict:
            wanted = f" with the members {', '.join(shapes)}" if shapes else ""
            raise Mismatch(f"expected an object{wanted}, found {found(value)}")
        checked = {}
        for name, element in value.items():
            shape = shapes.get(name)
            if shape is None:
                if not is_open:
                    raise Mismatch(f"the member `{name}` is unknown; the members are {', '.join(shapes) or 'none'}")
                checked[name] = element
                continue
            try:
                checked[name] = shape.check(element) if shape.check else element
            except Mismatch as error:
                raise error.under(name) from None
        for name in required:
            if name not in checked:
                raise Mismatch(f"the member `{name}` is missing")
        return build(checked)

    return Shape(schema, check)


def _dataclass(hint: Any, pending: Dict[int, Shape]) -> Shape:
    import dataclasses

    hints = _all_hints(hint)
    own = {field.name for field in dataclasses.fields(hint) if field.init}
    fields, shapes = [], {}
    for name, field in hint.__dataclass_fields__.items():
        inner: Any = hints.get(name)
        is_for_init = isinstance(inner, dataclasses.InitVar)  # Of `__init__` alone.
        if name in own or is_for_init:
            fields.append(field)
            inner = inner.type if is_for_init else inner
            shapes[name] = shape_of(inner, pending) if name in hints else Shape()
    nothing = dataclasses.MISSING
    required = {field.name for field in fields if field.default is nothing and field.default_factory is nothing}

    def build(checked: Dict[str, Any]) -> Any:
        try:
            return hint(**checked)
        except (TypeError, ValueError) as error:  # Of `__post_init__`, which validates.
            raise Mismatch(str(error)) from None

    return members(shapes, required, build)


def _typed_dict(hint: Any, pending: Dict[int, Shape]) -> Shape:
    hints = _all_hints(hint)
    shapes = {name: shape_of(inner, pending) for name, inner in hints.items()}
    required = set(getattr(hint, "__required_keys__", hints))
    for name, inner in hints.items():
        # `__required_keys__` does not see through annotations that are texts.
        word = getattr(getattr(inner, "__origin__", None), "_name", None)
        if word in ("Required", "NotRequired"):
            (required.add if word == "Required" else required.discard)(name)
    return members(shapes, required, lambda checked: checked)


def _all_hints(hint: Any) -> Dict[str, Any]:
    """Returns the hints of a class and of its bases."""
    import typing

    try:
        return typing.get_type_hints(hint, include_extras=True)
    except Exception:
        return resolved(hint)


def _pydantic(hint: Any) -> Shape:
    import pydantic  # type: ignore[import-not-found, unused-ignore]

    adapter = pydantic.TypeAdapter(hint)

    def check(value: Any) -> Any:
        try:
            return adapter.validate_python(value)
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            mismatch = Mismatch(str(first["msg"]))
            for step in reversed(first["loc"]):
                mismatch = mismatch.under(f"[{step}]" if isinstance(step, int) else str(step))
            raise mismatch from None

    return Shape(adapter.json_schema(), check)
