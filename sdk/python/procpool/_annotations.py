"""Reads annotations, also those that are texts, without `typing` where nothing needs it."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict


def resolved(owner: Any) -> Dict[str, Any]:
    """Returns the type hints of a function or a class. Those that cannot be resolved are left out."""
    try:
        hints: Dict[str, Any] = dict(getattr(owner, "__annotations__", None) or {})
    except Exception:  # Python 3.14 evaluates them here, and names may be missing.
        return {}
    names = getattr(owner, "__globals__", None)
    if names is None:
        module = sys.modules.get(getattr(owner, "__module__", None) or "")
        names = getattr(module, "__dict__", {})
    for name, hint in list(hints.items()):
        if isinstance(hint, str):
            try:
                hints[name] = eval(hint, names)  # noqa: S307 - the annotations are the program's own code
            except Exception:
                del hints[name]
        elif hint is None:
            hints[name] = type(None)
        elif _holds_names(hint):
            hints[name] = _all_resolved(owner).get(name, hint)
    return hints


def _holds_names(hint: Any) -> bool:
    """Returns whether a hint holds another one as a text: `List["Node"]`."""
    if getattr(getattr(hint, "__origin__", None), "_name", None) == "Literal":
        return False
    inner = getattr(hint, "__args__", None)
    return type(inner) is tuple and any(
        isinstance(each, str) or type(each).__name__ == "ForwardRef" or _holds_names(each) for each in inner
    )


def _all_resolved(owner: Any) -> Dict[str, Any]:
    import typing  # So did the program, to write such a hint.

    try:
        return typing.get_type_hints(owner, include_extras=True)
    except Exception:  # A name that is not there.
        return {}
