"""Objects as one body: a pickle of protocol 5, and behind it the buffers that it leaves out.

A large array is neither copied into the pickle nor out of it. Layout, integers little-endian:
u8 kind, which is the caller's; u24 number of buffers; u64 length of the pickle and of each buffer; the
pickle; the buffers, each at a multiple of 64 bytes. The highest bit of a buffer's length says that it is
read only.
"""

from __future__ import annotations

import pickle
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Sequence, Union

    Buffer = Union[bytes, bytearray, memoryview]

_ALIGNED = 64
_READ_ONLY = 1 << 63
# Buffers that are shorter stay in the pickle: a copy costs less than a part of its own.
_LARGE = 4096


def dump(value: Any, kind: int = 0) -> List[Buffer]:
    """Returns the parts of the body. Raises what pickling raises."""
    views: List[memoryview] = []

    def take(buffer: pickle.PickleBuffer) -> bool:
        # Returns whether the buffer stays in the pickle.
        view = buffer.raw()
        if view.nbytes < _LARGE:
            return True
        views.append(view)
        return False

    text = pickle.dumps(value, 5, buffer_callback=take)
    if not views:
        return [struct.pack("<IQ", kind, len(text)), text]
    lengths = [view.nbytes | (_READ_ONLY if view.readonly else 0) for view in views]
    head = struct.pack(f"<I{len(views) + 1}Q", kind | len(views) << 8, len(text), *lengths)
    parts: List[Buffer] = [head, text]
    at = len(head) + len(text)
    for view in views:
        gap = -at % _ALIGNED
        if gap:
            parts.append(bytes(gap))
        parts.append(view)
        at += gap + view.nbytes
    return parts


def load(body: Buffer, writable: Callable[[memoryview], Buffer] = lambda view: view) -> Any:
    """Returns the object. Raises what unpickling raises.

    Its arrays lie in `body`, or in what `writable` returns for a buffer that was writable.
    """
    whole = memoryview(body)
    count = int.from_bytes(whole[1:4], "little")
    if not count:
        return pickle.loads(whole[12:])  # noqa: S301 - of the same user, by a private socket
    lengths = struct.unpack_from(f"<{count + 1}Q", whole, 4)
    at = 4 + 8 * (count + 1)
    text = whole[at : at + lengths[0]]
    at += lengths[0]
    buffers: List[Buffer] = []
    for flagged in lengths[1:]:
        length = flagged & ~_READ_ONLY
        at += -at % _ALIGNED
        view = whole[at : at + length]
        at += length
        buffers.append(view.toreadonly() if flagged & _READ_ONLY else writable(view))
    return pickle.loads(text, buffers=buffers)  # noqa: S301


def kind_of(body: Buffer) -> int:
    """Returns the kind that the body was made with."""
    return body[0]


def joined(parts: Sequence[Buffer]) -> bytes:
    """Returns the parts as one buffer."""
    return b"".join(parts)
