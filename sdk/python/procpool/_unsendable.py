"""Says why a value has no JSON: where in it, what is there, and what to use instead.

Is imported when an output could not be encoded, or when its keys may not be distinct.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, Iterator, List, Optional, Tuple

    Default = Callable[[Any], Any]

# Types without parts. Their subclasses are looked at one by one.
_SCALARS = frozenset((str, int, float, bool, type(None)))
_MAX_LEVELS = 1000  # An encoder gives up before.

_INSTEAD = {
    "Decimal": "`str(value)` or `float(value)`",
    "Fraction": "`str(value)` or `float(value)`",
    "complex": "`[value.real, value.imag]`",
    "timedelta": "`value.total_seconds()`",
    "UUID": "`str(value)`",
    "bytes": "them alone as the output, or as base64",
    "bytearray": "them alone as the output, or as base64",
    "memoryview": "them alone as the output, or as base64",
}
_ITERATORS = (
    "generator",
    "map",
    "filter",
    "zip",
    "range",
    "dict_keys",
    "dict_values",
    "dict_items",
    "deque",
    "iterator",
)


def instead_of(value: Any) -> str:
    """Returns what to use in place of a value that has no JSON."""
    name = type(value).__name__
    if name in _ITERATORS or name.endswith("_iterator"):
        return "`list(value)`"
    if hasattr(value, "__fspath__"):
        return "`str(value)`"
    return _INSTEAD.get(name, "lists, dicts, texts, numbers, a dataclass, or bytes alone")


def problem_of(value: Any, default: Default) -> Optional[str]:
    """Returns a sentence about the first part of a value that JSON cannot carry, or `None`.

    `default` returns a value of JSON's types for one of another type, or raises `TypeError`.
    """
    # Parts that come next are at the end: the path to them, themselves, and those around them.
    waiting: List[Tuple[str, Any, Tuple[int, ...]]] = [("", value, ())]
    while waiting:
        path, part, around = waiting.pop()
        found = _problem(part)
        if found is not None:
            return f"{path}: {found}" if path else found
        if isinstance(part, (str, int, float, type(None))):
            continue
        if id(part) in around:
            return f"{path}: it contains itself"
        if len(around) >= _MAX_LEVELS:
            return None
        inside = (*around, id(part))
        if isinstance(part, (dict, list, tuple)):
            waiting += reversed([(path + step, each, inside) for step, each in _parts(part)])
            continue
        try:
            waiting.append((path, default(part), inside))
        except TypeError as error:
            return f"{path}: {error}" if path else str(error)
        except Exception:  # Of a class of the program's own: the encoder has raised the same.
            return None
    return None


def _parts(part: Any) -> Iterator[Tuple[str, Any]]:
    if isinstance(part, dict):
        for key, each in part.items():
            yield f"[{_shown(key)}]", each
    else:
        for index, each in enumerate(part):
            yield f"[{index}]", each


def _problem(part: Any) -> Optional[str]:
    """Returns what is wrong with a value itself, without its parts."""
    if isinstance(part, str):
        return _problem_of_text(part)
    if isinstance(part, float):
        if part - part == 0:
            return None
        return f"{part!r} is not JSON compliant: use `None`, or a text"
    if isinstance(part, int) and not isinstance(part, bool):
        return _problem_of_integer(part)
    return _problem_of_keys(part) if isinstance(part, dict) else None


def _problem_of_text(text: str) -> Optional[str]:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        number = ord(text[error.start])
        return (
            f"a text with the lone surrogate U+{number:04X} at {error.start}; surrogates not allowed in UTF-8: "
            'use bytes, or `text.encode(errors="replace").decode()`'
        )
    return None


def _problem_of_integer(number: int) -> Optional[str]:
    try:
        str(int(number))
    except ValueError:
        return f"an integer of {int(number).bit_length()} bits, which has too many digits: use `hex(value)`"
    return None


def _problem_of_keys(part: Any) -> Optional[str]:
    forms: dict[str, Any] = {}
    for key in part:
        form = _form(key)
        if form is None:
            return f"a key of type {type(key).__name__}: keys must be texts in JSON, such as `str(key)`"
        if form in forms:
            return f"the keys {_shown(forms[form])} and {_shown(key)} are both {form!r} in JSON: use texts for all keys"
        forms[form] = key
        wrong = _problem(key)
        if wrong is not None:
            return f"a key: {wrong}"
    return None


def _form(key: Any) -> Optional[str]:
    """Returns the text that a key is in JSON, or `None` if it cannot be one."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, float):
        return float.__repr__(key)
    if isinstance(key, int):
        return hex(key) if _problem_of_integer(key) else int.__repr__(key)
    return None


def _shown(key: Any) -> str:
    try:
        shown = repr(key)
    except Exception:  # Code of the program's own, or an integer that is too long.
        shown = f"a key of type {type(key).__name__}"
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


def has_twins(value: Any, default: Default) -> bool:
    """Returns whether two keys of a dict anywhere in a value are the same text in JSON.

    The value has been encoded: it ends, and nests no deeper than an encoder can follow.
    """
    waiting = [value]
    while waiting:
        part = waiting.pop()
        inside: Iterable[Any] = ()
        if isinstance(part, dict):
            kinds = set(map(type, part))
            if len(kinds) > 1 and len({_form(key) for key in part}) < len(part):
                return True
            inside = part.values()
        elif isinstance(part, (list, tuple)):
            inside = part
        elif not isinstance(part, (str, int, float)):
            inside = (default(part),)
        if not _SCALARS.issuperset(map(type, inside)):
            waiting += [each for each in inside if type(each) not in _SCALARS]
    return False
