"""Values and payloads: JSON by the rules of the wire, raw bytes, canonical JSON and its hash."""

from __future__ import annotations

import json

from ._frames import BINCODE, JSON, NONE, RAW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional, Sequence, Tuple, Union

    Buffer = Union[bytes, bytearray, memoryview]
    Output = Union[bytes, bytearray, memoryview, "Pieces"]

_PLAIN = frozenset((dict, list, str, int, float, bool, type(None), tuple))


class Pieces:
    """A large output in several buffers. They are copied where they are sent, and not joined before."""

    __slots__ = ("_length", "buffers")

    def __init__(self, buffers: Sequence[Buffer]) -> None:
        self.buffers = buffers
        self._length = sum(map(len, buffers))

    def __len__(self) -> int:
        return self._length

    def joined(self) -> bytes:
        """Returns the output as one buffer."""
        return b"".join(self.buffers)

    def write_to(self, target: Any) -> None:
        """Writes the output to the beginning of a mapping."""
        at = 0
        for buffer in self.buffers:
            end = at + len(buffer)
            target[at:end] = buffer
            at = end


def decode(encoding: int, payload: Buffer) -> Any:
    """Decodes JSON. Raises `ValueError` with a sentence for anything else."""
    if encoding == JSON:
        try:
            text = str(payload, "utf-8")
            return decode_text(text) if len(text) < 5 or not _may_overflow(payload) else _decode_finite(text)
        except RecursionError:
            raise ValueError("the input nests too deep") from None
        except UnicodeDecodeError as error:
            raise ValueError(f"the input is not UTF-8: {error}") from None
        except _TooLarge:
            raise
        except json.JSONDecodeError as error:
            raise ValueError(f"the input is no JSON: {error}") from None
        except ValueError as error:  # Of `int`, which bounds the number of digits, or of `_constant`.
            raise ValueError(f"the input has a number that cannot be read: {error}") from None
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
        try:
            return JSON, (_quote(value) if kind is str else str(value)).encode()
        except ValueError as error:
            raise _explained(error, value) from None
    try:
        data = to_json(value).encode()
    except (TypeError, ValueError) as error:
        raise _explained(error, value) from None
    if _may_have_twins(data):
        from ._unsendable import has_twins

        if has_twins(value, _default):
            raise _explained(ValueError("two keys are the same in JSON"), value)
    return JSON, data


def to_json(value: Any) -> str:
    """Encodes a value as JSON text. Raises `TypeError` or `ValueError` with a sentence."""
    try:
        return _encode(value)
    except RecursionError:
        raise ValueError("it nests too deep for JSON: use a flat list of its parts") from None


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
    from ._unsendable import instead_of

    raise TypeError(f"{kind.__name__} has no JSON; use {instead_of(value)}")


def _explained(error: Exception, value: Any) -> Exception:
    """Returns an error of the same kind that says which part of the value is at fault, if that can be told."""
    from ._unsendable import problem_of

    problem = problem_of(value, _default)
    if problem is None:
        return error
    return TypeError(problem) if isinstance(error, TypeError) else ValueError(problem)


class _TooLarge(ValueError):
    """A number of the input would become infinite."""


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number - number != 0:
        shown = digits if len(digits) <= 40 else f"{digits[:40]}…"
        raise _TooLarge(f"the input has a number that is too large: {shown}")
    return number


# Below, texts are searched by what the interpreter does fast, and others than those that matter may be found.
_ALIKE = bytes.maketrans(b"123456789E", b"000000000e")
_NUMERIC = bytes.maketrans(b"123456789-", b"0000000000")
_LONG = b"0" * 200


def _may_overflow(payload: Buffer) -> bool:
    """Returns whether JSON may have a number above 10^299."""
    find = bytes(payload).translate(_ALIKE).find  # `in` takes a microsecond.
    return find(b"e000") >= 0 or find(b"e+000") >= 0 or find(_LONG) >= 0


def _may_have_twins(data: bytes) -> bool:
    """Returns whether JSON may have a key that was no text."""
    if data.find(b"{") < 0:
        return False
    find = data.translate(_NUMERIC).find
    return (
        find(b'{"0') >= 0
        or find(b',"0') >= 0
        or find(b'"true":') >= 0
        or find(b'"false":') >= 0
        or find(b'"null":') >= 0
    )


decode_text = json.JSONDecoder(parse_constant=_constant).decode
_decode_finite = json.JSONDecoder(parse_constant=_constant, parse_float=_finite).decode
_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_default).encode
_quote = json.encoder.encode_basestring
