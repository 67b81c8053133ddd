"""Keyword arguments as a server's configuration: TOML, durations, environment."""

from __future__ import annotations

import json
import os
import re
from typing import Any, Dict, List, Mapping, Tuple

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def inheritable(names: Mapping[str, str]) -> List[str]:
    """Returns the names of environment variables that workers can inherit from this program."""
    return sorted(name for name in names if _NAME.match(name) and not name.startswith("PROCPOOL_"))


def configuration(server: Mapping[str, Any], pool: Mapping[str, Any]) -> str:
    """Returns the text of a configuration with one pool, `pool`."""
    lines = ["[server]", *_pairs(server), "[pools.pool]", *_pairs(pool)]
    return "\n".join(lines) + "\n"


def _pairs(table: Mapping[str, Any]) -> List[str]:
    return [f"{_text(key)} = {_toml(key, value)}" for key, value in table.items()]


def _toml(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, (str, os.PathLike)):
        return _text(os.fspath(value))
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(key, each) for each in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_text(name)} = {_toml(name, each)}" for name, each in value.items()) + " }"
    raise TypeError(f"{key}={value!r}: a setting is a number, a text, a list or a table")


def _text(value: str) -> str:
    """Returns a basic string of TOML, whose escapes are those of JSON."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{value!r} is not UTF-8, which a configuration needs") from None
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


DURATIONS = frozenset(
    (
        "breaker_window",
        "cpu_limit",
        "grace",
        "idle_timeout",
        "max_timeout",
        "poison_window",
        "recycle_lifetime",
        "run_timeout",
        "start_timeout",
        "stop_timeout",
        "timeout",
    )
)


def duration(key: str, value: Any) -> str:
    """Returns a duration of the configuration: a number counts seconds, `None` is none at all."""
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    try:
        milliseconds = round(float(value) * 1000)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(
            f'{key}={value!r}: a duration is a number of seconds, a text such as "250ms", or None'
        ) from None
    if milliseconds < 0:
        raise ValueError(f"{key}={value!r}: a duration is not negative")
    return f"{milliseconds}ms"


def settings_of(keys: Mapping[str, Any]) -> Dict[str, Any]:
    """Returns keyword arguments as keys of a pool: durations with their unit, without those that are `None`."""
    found: Dict[str, Any] = {}
    for key, value in keys.items():
        if key in DURATIONS:
            found[key] = duration(key, value)
        elif value is not None:
            found[key] = value
    return found


def workers_of(workers: Any) -> Tuple[int, int]:
    """Returns the minimum and the maximum number of workers."""
    least, most = (workers, workers) if isinstance(workers, int) else workers
    if not 0 <= least <= most or most < 1:
        raise ValueError(f"workers={workers!r}: a number from 1 on, or a minimum and a maximum such as (0, 4)")
    return least, most
