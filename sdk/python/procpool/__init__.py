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

__all__ = [
    "BadInput",
    "Cancelled",
    "Context",
    "Failure",
    "__version__",
    "current",
    "job",
    "messages",
    "serve",
]
