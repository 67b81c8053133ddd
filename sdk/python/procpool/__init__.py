"""Worker processes that crash alone: functions of Python behind the `procpool` coordinator.

A plain function is a worker: `python -m procpool module:function`, or `procpool.serve(function)`.
This file stays readable to old interpreters, so that they report their age and no syntax error.
"""

import sys

if sys.version_info < (3, 9):  # noqa: UP036 - the packaged metadata does not hold for a copied folder
    raise ImportError(
        "procpool needs Python 3.9 or later, and %s is Python %d.%d: name a newer interpreter in `command`"
        % ((sys.executable,) + tuple(sys.version_info[:2]))
    )

from ._context import Context, current
from ._errors import BadInput, Cancelled, Failure
from ._serve import job, messages, serve
from ._version import VERSION as __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._host import *  # noqa: F403
    from ._messages import Port

__all__ = [
    "BadInput",
    "Cancelled",
    "Context",
    "Failure",
    "Port",
    "__version__",
    "current",
    "job",
    "messages",
    "serve",
]

# Names that are imported when they are used: a worker that starts does without them.
_LATE = {"Port": "_messages"}


def __getattr__(name):  # type: ignore[no-untyped-def]
    """Imports what few workers use, and the host side: `Pool`, `Executor` and their errors."""
    import importlib

    module = "." + _LATE.get(name, "_host")
    if name.startswith("_") or (name not in _LATE and name not in importlib.import_module(module, __name__).__all__):
        raise AttributeError("module 'procpool' has no attribute %r" % name)
    value = getattr(importlib.import_module(module, __name__), name)
    globals()[name] = value
    return value
