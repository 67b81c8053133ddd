"""The blocks of WIRE.md, by their names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict, List, Tuple

DOCUMENT = Path(__file__).parents[3] / "crates" / "protocol" / "WIRE.md"
_BLOCK = re.compile(r"^```(hex|json|schema) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks(kind: str) -> Dict[str, str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    return {name: content for each, name, content in _BLOCK.findall(text) if each == kind}


def _bytes_of(line: str) -> bytes:
    return bytes.fromhex(line.partition("#")[0])


HEX: Dict[str, bytes] = {
    name: b"".join(map(_bytes_of, content.splitlines())) for name, content in _blocks("hex").items()
}
HEX_LINES: Dict[str, List[bytes]] = {
    name: [_bytes_of(line) for line in content.splitlines()] for name, content in _blocks("hex").items()
}
JSON: Dict[str, Any] = {name: json.loads(content) for name, content in _blocks("json").items()}
SCHEMAS: Dict[str, Tuple[str, str, str]] = {}
for _name, _content in _blocks("schema").items():
    _given, _returned, _hash = _content.splitlines()
    SCHEMAS[_name] = (_given, _returned, _hash)


def kinds() -> Dict[str, int]:
    """The table of kinds."""
    rows = re.findall(r"^\| 0x([0-9a-f]{2}) \| (\w+) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: int(number, 16) for number, name in rows}


def limits() -> Dict[str, int]:
    """The table of limits."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: int(value) for name, value in rows}
