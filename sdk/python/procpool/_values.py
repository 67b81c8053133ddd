"""Values and payloads: JSON by the rules of the wire, raw bytes, canonical JSON and its hash."""

from __future__ import annotations

import json

from ._frames import BINCODE, JSON, NONE, RAW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional, Tuple, Union

    Buffer = Union[bytes, bytearray, memoryview]

_PLAIN = frozenset((dict, list, str, int, float, bool, type(None), tuple))


def decode(encoding: int, payload: Buffer) -> Any:
    """Decodes JSON. Raises `ValueError` with a sentence for anything else."""
    if encoding == JSON:
        try:
            return decode_text(str(payload, "utf-8"))
        except RecursionError:
            raise ValueError("the input nests too deep") from None
        except UnicodeDecodeError as error:
            raise ValueError(f"the input is not UTF-8: {error}") from None
        except ValueError as error:
            raise ValueError(f"the input is no JSON: {error}") from None
    if encoding == NONE:
        raise ValueError("there is no input; JSON is needed")
    if encoding == BINCODE:
        raise ValueError("the input is bincode, and this worker reads JSON and raw bytes")
    raise ValueError("expected JSON, found raw bytes (application/octet-stream)")


def encode(value: Any) -> Tuple[int, Buffer]:
    """Encodes an output: bytes and objects with the buffer protocol as they are, others as JSON.

    Raises `TypeError` or `ValueError` for a value that is neither.
    """
    kind = type(value)
    if kind is bytes:
        return RAW, value
    if kind not in _PLAIN and not isinstance(value, str):
        raw = _buffer(value)
        if raw is not None:
            return RAW, raw
    elif kind is str or kind is int:
        # Both have one form; the general encoder costs as much as the rest of a small job.
        return JSON, (_quote(value) if kind is str else str(value)).encode()
    return JSON, to_json(value).encode()


def to_json(value: Any) -> str:
    """Encodes a value as JSON text. Raises `TypeError` or `ValueError` with a sentence."""
    try:
        return _encode(value)
    except RecursionError:
        raise ValueError("the output nests too deep for JSON") from None


def canonical(schema: Any) -> bytes:
    """Encodes a schema as canonical JSON: WIRE.md, "Schema hash"."""
    return json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def schema_hash(given: Any, returned: Any) -> str:
    """Returns the hash of a job's two schemas: FNV-1a of 64 bits, as 16 digits."""
    result = 0xCBF29CE484222325
    for byte in canonical(given) + b"\n" + canonical(returned):
        result = ((result ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{result:016x}"


def _buffer(value: Any) -> Optional[Buffer]:
    """Returns the bytes of an object with the buffer protocol, in C order, without a copy if possible."""
    if getattr(value, "shape", None) == () and hasattr(value, "tolist"):
        return None  # NumPy's scalars have buffers, but their callers want numbers.
    try:
        view = memoryview(value)
    except TypeError:
        return None
    except (ValueError, BufferError) as error:
        raise TypeError(f"the bytes of {type(value).__name__} cannot be read: {error}") from None
    if "O" in view.format and "O" in "".join(view.format.split(":")[::2]):  # Names of fields are between colons.
        raise TypeError("an array of objects has no bytes but addresses; return `array.tolist()`, or another type")
    if view.nbytes == 0:
        return b""
    return view.cast("B") if view.c_contiguous else view.tobytes()


def _default(value: Any) -> Any:
    """Returns a value of JSON's types for one that has no JSON of its own."""
    kind = type(value)
    if hasattr(kind, "__dataclass_fields__"):
        import dataclasses  # That did the program, too.

        names = [field.name for field in dataclasses.fields(value)]  # Without those of the class.
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    if hasattr(kind, "model_dump"):  # pydantic
        return value.model_dump(mode="json")
    if hasattr(kind, "tolist"):  # NumPy, array.array
        return value.tolist()
    if hasattr(kind, "isoformat"):  # dates and times
        return value.isoformat()
    if hasattr(kind, "__members__"):  # enumerations
        return value.value
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError(f"{kind.__name__} has no JSON; return lists, dicts, texts, numbers, a dataclass or bytes")


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


decode_text = json.JSONDecoder(parse_constant=_constant).decode
_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_default).encode
_quote = json.encoder.encode_basestring
