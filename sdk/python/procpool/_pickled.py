"""What runs in the workers of `procpool.Executor`: any function that can be pickled.

`run` takes a pickled call and returns a pickled result, whose kind says how the call ended.
"""

from __future__ import annotations

import os
import pickle

from . import _main_module
from ._arenas import SHARED_FROM
from ._errors import Cancelled
from ._pickles import dump, joined, load
from ._serve import job
from ._values import Pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, List, Optional, Tuple

# Names the file that `_executor` writes for `initialize`.
START_FILE = "PROCPOOL_PICKLED"

# The kind of a result: how the call ended.
RETURNED, RAISED = 0, 1


def initialize() -> None:
    """Prepares the worker as `multiprocessing` does for `spawn`, then calls the initializer."""
    path = os.environ.pop(START_FILE, None)
    if path is None:
        raise RuntimeError("this worker belongs to a `procpool.Executor`, which starts it by itself")
    with open(path, "rb") as file:
        preparation, main, initializer = pickle.load(file)  # noqa: S301 - from a directory of this user alone
    from multiprocessing import spawn

    spawn.prepare(preparation)
    _main_module.define(main)
    if initializer is not None:
        function, arguments = pickle.loads(initializer)  # noqa: S301
        function(*arguments)


@job(name="pickled", init=initialize, logs=False)
def run(body: memoryview) -> bytes:
    """Runs a pickled call: a function, its arguments, its named arguments."""
    try:
        function, args, kwargs = load(body, bytearray)
    except Exception as error:
        return _raised(error, "the call cannot be unpickled in a worker")
    del body
    try:
        value = function(*args, **kwargs)
    except Cancelled:
        raise
    except BaseException as error:
        return _raised(error)
    try:
        parts = dump(value, RETURNED)
        # The worker can send either. The type is what others may rely on.
        is_small = len(parts) == 2 and len(parts[1]) < SHARED_FROM
        return joined(parts) if is_small else Pieces(parts)  # type: ignore[return-value]
    except Cancelled:
        raise
    except BaseException as error:
        if not isinstance(error, Exception):
            return _raised(error)
        what = f"the result of `{name_of(function)}`, of type {type(value).__name__}, cannot be pickled"
        return _raised(pickle.PicklingError(f"{what}: {error}"), cause=error)


def _raised(error: BaseException, note: Optional[str] = None, cause: Optional[BaseException] = None) -> bytes:
    """Returns an exception and its traceback. One that does not pickle is replaced by its text."""
    from traceback import format_exception

    shown = cause or error
    trace = "".join(format_exception(type(shown), shown, shown.__traceback__))
    if note is not None:
        error = pickle.UnpicklingError(f"{note}: {type(error).__name__}: {error}")
    try:
        parts = dump((error, trace), RAISED)
        # Many pickle and cannot be made anew: their `__init__` needs more than `args`.
        load(joined(parts))
    except Exception as reason:
        text = f"{type(error).__name__}: {error} (an exception that cannot be pickled: {reason})"
        parts = dump((pickle.PicklingError(text), trace), RAISED)
    return joined(parts)


def call_each(function: Callable[..., Any], calls: Iterable[Tuple[Any, ...]]) -> List[Any]:
    """Calls a function with each tuple of arguments: a chunk of `Executor.map`."""
    return [function(*args) for args in calls]


def name_of(function: Any) -> str:
    """Returns how to call a function in a message."""
    function = getattr(function, "func", function)
    name = getattr(function, "__qualname__", None) or getattr(function, "__name__", None)
    module = getattr(function, "__module__", None)
    if name is None:
        return type(function).__name__
    return str(name) if module in (None, "__main__", "__mp_main__", "builtins") else f"{module}.{name}"
