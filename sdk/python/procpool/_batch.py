"""Runs a batch: the function on one input after the other, and one answer for all.

WIRE.md, "Batches".
"""

from __future__ import annotations

from struct import Struct

from . import _codec as codec
from ._frames import MAX_HEADER, NONE, RAW
from ._values import Pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

    from ._context import Context
    from ._values import Buffer
    from ._verdict import Judge, Verdict

_LENGTH, _ANSWER = Struct("<I"), Struct("<BII")
_ENOUGH = 1 << 20
_MAX_OUTPUT = (1 << 32) - 1 - _ENOUGH - MAX_HEADER - _ANSWER.size


def run_batch(judge: Judge, encoding: int, inputs: Buffer, context: Context, max_payload: int) -> Verdict:
    """Runs the inputs, in order. Ends early if the answers are long: the others were not run then."""
    try:
        pieces = _split(inputs)
    except ValueError as error:
        return codec.bad_input(str(error)), NONE, b"", 0
    enough, limit = min(_ENOUGH, max_payload // 2), min(max_payload, _MAX_OUTPUT)
    answers: List[Buffer] = []
    length = spent = 0
    for piece in pieces:
        if context._is_cancelled:
            return codec.CANCELLED, NONE, b"", spent
        status, kind, output, took = judge.judge(encoding, piece, context, limit)
        spent += took
        if codec.is_panicked(status):
            return status, RAW, b"".join(answers), spent
        if status == codec.CANCELLED:
            return status, NONE, b"", spent
        if isinstance(output, Pieces):
            output = output.joined()
        answers += _ANSWER.pack(kind, len(status), len(output)), status, output
        length += _ANSWER.size + len(status) + len(output)
        if length > enough:
            break
    return codec.OK, RAW, b"".join(answers), spent


def _split(inputs: Buffer) -> List[Buffer]:
    """Returns the inputs of a batch."""
    pieces, at = [], 0
    while at < len(inputs):
        begin = at + _LENGTH.size
        if begin > len(inputs):
            raise ValueError("the batch ends within a length")
        at = begin + _LENGTH.unpack_from(inputs, at)[0]
        if at > len(inputs):
            raise ValueError("the batch ends within an input")
        pieces.append(inputs[begin:at])
    return pieces
