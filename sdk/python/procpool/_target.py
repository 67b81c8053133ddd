"""A user's function as a job: its name, its schemas, and how a payload becomes its arguments."""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType

from ._annotations import resolved
from ._context import Context
from ._errors import BadInput, StartError
from ._frames import RAW
from ._hints import Shape, shape_of
from ._signature import NOTHING, signature_of
from ._values import decode, schema_hash
from ._version import SDK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Tuple

    from ._signature import Parameter, Signature
    from ._values import Buffer

    Arguments = Tuple[Tuple[Any, ...], Dict[str, Any]]

_BYTES = (bytes, bytearray, memoryview)
_MARK = "__procpool_job__"


class Mark:
    """Says what a job is called and how it is run: `@procpool.job(…)`."""

    __slots__ = ("build", "exceptions", "init", "interrupt", "logs", "name", "version")

    def __init__(
        self,
        name: Optional[str] = None,
        version: int = 1,
        build: Optional[str] = None,
        init: Optional[Callable[..., Any]] = None,
        exceptions: str = "broke",
        interrupt: bool = True,
        logs: Optional[bool] = None,
    ) -> None:
        if exceptions not in ("broke", "panic"):
            raise ValueError(f'exceptions={exceptions!r}: it is "broke" or "panic"')
        if not 0 <= version < 1 << 32:
            raise ValueError(f"version={version!r}: it is a number from 0 to {(1 << 32) - 1}")
        self.name = name
        self.version = version
        self.build = build
        self.init = init
        self.exceptions = exceptions
        self.interrupt = interrupt
        self.logs = logs

    @staticmethod
    def of(function: Any) -> Mark:
        """Returns the mark of a function, or one that says nothing."""
        mark = getattr(function, _MARK, None)
        return mark if isinstance(mark, Mark) else Mark()

    def put_on(self, function: Any) -> None:
        """Marks a function or a class."""
        try:
            setattr(function, _MARK, self)
        except (AttributeError, TypeError):
            raise TypeError(f"{function!r} cannot be marked as a job: wrap it in a function of your own") from None


class Target:
    """The function of a job. `load` makes its state, `arguments` decodes an input, `call` runs it."""

    def __init__(self, function: Any, mark: Mark) -> None:
        if not callable(function):
            raise StartError(f"{function!r} is no function: a job is a function, or a class with `__call__`")
        self.mark = mark
        self.name = mark.name or _name_of(function)
        self.call: Callable[..., Any] = function
        self._class = function if isinstance(function, type) else None
        if self._class is None:
            signature = signature_of(function, self.name)
        else:
            if not any("__call__" in vars(base) for base in self._class.__mro__):
                raise StartError(f"the class `{function.__name__}` has no `__call__`, the method that runs a job")
            _takes_worker_data(self._class, function.__name__)
            signature = signature_of(function.__call__, f"{function.__name__}.__call__")
            del signature.parameters[:1]  # self
        if mark.init is not None:
            _takes_worker_data(mark.init, "init")
        self._sort(signature, resolved(_hint_owner(function)))
        self._choose_arguments()

    def _sort(self, signature: Signature, hints: Dict[str, Any]) -> None:
        """Divides the parameters into those for the context and those for the input."""
        self._context_names: List[str] = []
        self._takes: List[Parameter] = []
        self._rest = signature.rest
        for parameter in signature.parameters:
            hint = parameter.hint = hints.get(parameter.name, NOTHING)
            if hint is not Context and not (parameter.name == "ctx" and hint is NOTHING):
                self._takes.append(parameter)
            elif parameter.only_by_position:
                raise StartError(
                    f"the parameter `{parameter.name}` of `{self.name}` is filled by its name: remove the `/` behind it"
                )
            else:
                self._context_names.append(parameter.name)
        returned = hints.get("return", NOTHING)
        is_typed = returned is not NOTHING and returned not in _BYTES
        self._returns = shape_of(returned) if is_typed else Shape()

    def _choose_arguments(self) -> None:
        takes = self._takes
        self.arguments: Callable[[int, Buffer, Context], Arguments]
        self._shape = Shape()
        if len(takes) > 1 or self._rest:
            self._shape = self._members()
            self.arguments = self._as_members
        elif not takes:
            self.arguments = self._as_nothing
        elif takes[0].hint in _BYTES:
            self.arguments = self._as_bytes
        else:
            if takes[0].hint is not NOTHING:
                self._shape = shape_of(takes[0].hint)
            self.arguments = self._as_value

    def _members(self) -> Shape:
        from ._classes import members

        raw = [parameter.name for parameter in self._takes if parameter.hint in _BYTES]
        if raw:
            raise StartError(f"the parameter `{raw[0]}` of `{self.name}` takes bytes, which a member of JSON cannot be")
        shapes = {each.name: Shape() if each.hint is NOTHING else shape_of(each.hint) for each in self._takes}
        required = {each.name for each in self._takes if each.default is NOTHING}
        return members(shapes, required, lambda checked: checked, self._rest)

    def _bind(self, values: Tuple[Any, ...], named: Dict[str, Any], context: Context) -> Arguments:
        for name in self._context_names:
            named[name] = context
        return values, named

    def _as_nothing(self, encoding: int, payload: Buffer, context: Context) -> Arguments:
        if len(payload):
            try:
                value = decode(encoding, payload)
            except ValueError as error:
                raise BadInput(str(error)) from None
            if value is not None and value != {}:
                raise BadInput("the job takes no input; send `null`")
        return self._bind((), {}, context)

    def _as_bytes(self, encoding: int, payload: Buffer, context: Context) -> Arguments:
        if encoding != RAW:
            raise BadInput("expected raw bytes (application/octet-stream), found JSON")
        kind = self._takes[0].hint
        return self._one(payload if type(payload) is kind else kind(payload), context)

    def _as_value(self, encoding: int, payload: Buffer, context: Context) -> Arguments:
        check = self._shape.check
        if encoding == RAW and check is None:
            return self._one(bytes(payload), context)
        try:
            value = decode(encoding, payload)
            return self._one(value if check is None else check(value), context)
        except ValueError as error:
            raise BadInput(str(error)) from None

    def _one(self, value: Any, context: Context) -> Arguments:
        parameter = self._takes[0]
        if parameter.only_by_name or (self._context_names and not parameter.only_by_position):
            return self._bind((), {parameter.name: value}, context)
        return self._bind((value,), {}, context)

    def _as_members(self, encoding: int, payload: Buffer, context: Context) -> Arguments:
        try:
            value = decode(encoding, payload)
            named = self._shape.check(value) if self._shape.check else value
        except ValueError as error:
            raise BadInput(str(error)) from None
        first = [each for each in self._takes if each.only_by_position]
        return self._bind(tuple([named.pop(each.name, each.default) for each in first]), named, context)

    def load(self, worker_data: Any) -> Any:
        """Makes the state. Returns what `init` returned, which may have to be awaited."""
        result = None
        if self.mark.init is not None:
            result = _load(self.mark.init, "init", worker_data)
        if self._class is not None:
            self.call = _load(self._class, self._class.__name__, worker_data)
        return result

    def introduction(self) -> Dict[str, Any]:
        """Returns the fields of `Hello` that say what this job is."""
        fields: Dict[str, Any] = {"job": self.name, "contract": self.mark.version}
        given, returned = self._shape.schema, self._returns.schema
        if given is not None and returned is not None:
            fields["schema_hash"] = schema_hash(given, returned)
        fields.update(modes=["jobs"], sdk=SDK)
        if self.mark.build is not None:
            fields["build"] = str(self.mark.build)
        return fields

    def description(self) -> Dict[str, Any]:
        """Returns the same with the schemas: the answer to `Describe` and to `--describe`."""
        fields = self.introduction()
        if self._shape.schema is not None:
            fields["input"] = self._shape.schema
        if self._returns.schema is not None:
            fields["output"] = self._returns.schema
        return fields


def _name_of(function: Any) -> str:
    """Returns the name of a job that has none of its own: `word_count` and `WordCount` are `word-count`."""
    owner = getattr(function, "func", function)  # of a `functools.partial`
    name = getattr(owner, "__name__", type(owner).__name__)
    if name == "<lambda>":
        return "lambda"
    if isinstance(owner, FunctionType):
        return str(name).replace("_", "-")
    words = [f"-{letter.lower()}" if letter.isupper() else letter for letter in name]
    return "".join(words).lstrip("-").replace("_", "-")


def _hint_owner(function: Any) -> Any:
    """Returns the function whose annotations describe this callable."""
    if isinstance(function, type):
        function = function.__call__
    for _ in range(100):
        inner = getattr(function, "__wrapped__", None) or getattr(function, "__func__", None)
        inner = inner or getattr(function, "func", None)
        if inner is None:
            break
        function = inner
    is_function = isinstance(function, (FunctionType, BuiltinFunctionType))
    return function if is_function else type(function).__call__


def _takes_worker_data(load: Callable[..., Any], name: str) -> bool:
    """Returns whether a function that makes the state takes one argument, or raises `StartError`."""
    if isinstance(load, type):
        if not any("__init__" in vars(base) for base in load.__mro__[:-1]):
            return False
        parameters = signature_of(load.__init__, name).parameters[1:]  # type: ignore[misc]
    else:
        parameters = signature_of(load, name).parameters
    needed = [each for each in parameters if each.default is NOTHING]
    if any(each.name != "worker_data" or each.only_by_name for each in needed):
        names = ", ".join(each.name for each in needed)
        raise StartError(f"`{name}` needs {names}: what makes the state takes nothing, or `worker_data` alone")
    return bool(needed)


def _load(load: Callable[..., Any], name: str, worker_data: Any) -> Any:
    return load(worker_data) if _takes_worker_data(load, name) else load()
