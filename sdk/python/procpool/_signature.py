"""The parameters of a callable, without `inspect` where it is a plain function.

`inspect` costs several milliseconds of each start.
"""

from __future__ import annotations

from types import FunctionType, MethodType

from ._errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List

# Stands for a default or a hint that is not there.
NOTHING: Any = object()


class Parameter:
    """A parameter that a job's input can fill."""

    __slots__ = ("default", "hint", "name", "only_by_name", "only_by_position")

    def __init__(self, name: str, default: Any, only_by_position: bool, only_by_name: bool) -> None:
        self.name = name
        self.default = default
        self.only_by_position = only_by_position
        self.only_by_name = only_by_name
        self.hint: Any = NOTHING


class Signature:
    """The parameters of a callable. `rest` is true if it takes members of any name (`**rest`)."""

    __slots__ = ("parameters", "rest")

    def __init__(self, parameters: List[Parameter], rest: bool) -> None:
        self.parameters = parameters
        self.rest = rest


def signature_of(call: Callable[..., Any], name: str) -> Signature:
    """Returns the signature of a callable, which errors call `name`."""
    function, bound = call, 0
    if type(function) is MethodType:
        function, bound = function.__func__, 1
    if type(function) is not FunctionType or hasattr(function, "__wrapped__"):
        return _inspected(call, name)
    code = function.__code__
    count = code.co_argcount
    if bound > count:
        return _inspected(call, name)
    names = code.co_varnames[: count + code.co_kwonlyargcount]
    given = function.__defaults__ or ()
    defaults = dict(zip(names[count - len(given) : count], given))
    defaults.update(function.__kwdefaults__ or {})
    parameters = [
        Parameter(each, defaults.get(each, NOTHING), at < code.co_posonlyargcount, at >= count)
        for at, each in enumerate(names)
        if at >= bound
    ]
    return Signature(parameters, bool(code.co_flags & 8))


def _inspected(call: Callable[..., Any], name: str) -> Signature:
    import inspect

    try:
        found = inspect.signature(call).parameters.values()
    except (TypeError, ValueError) as error:
        raise StartError(
            f"failed to find the parameters of `{name}`: {error}; wrap it in a function of your own"
        ) from None
    parameters = [
        Parameter(
            each.name,
            NOTHING if each.default is each.empty else each.default,
            each.kind is each.POSITIONAL_ONLY,
            each.kind is each.KEYWORD_ONLY,
        )
        for each in found
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    return Signature(parameters, any(each.kind is each.VAR_KEYWORD for each in found))
