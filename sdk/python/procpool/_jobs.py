"""The loop of a worker: one job in, one answer out."""

from __future__ import annotations

from time import monotonic_ns

from . import _codec as codec
from . import _frames as wire
from ._arenas import SHARED_FROM, view_of
from ._batch import run_batch
from ._board import PASSED_OVER, WAS_CANCELLED
from ._context import Context
from ._errors import ProtocolError
from ._values import Pieces
from ._verdict import Judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple

    from ._frames import Frame, FrameReader
    from ._session import Session
    from ._target import Target
    from ._values import Buffer, Output
    from ._verdict import Verdict

_NO_EXTRAS = b"\0"
# An output of at most this length is joined with its header: one copy costs less than one system call.
_JOINED = 65536


def run_jobs(session: Session, target: Target, reader: FrameReader) -> int:
    """Runs jobs until none are left. Returns the exit code."""
    return Worker(session, target, reader).run()


class Worker:
    """Runs the jobs that a reader brings."""

    def __init__(self, session: Session, target: Target, reader: FrameReader) -> None:
        self._session = session
        self._reader = reader
        self._judge = Judge(session, target)
        self._outlet = session.outlet
        self._has_panicked = False

    def run(self) -> int:
        """Runs jobs until none are left, or one has panicked. Returns the exit code."""
        reader, outlet = self._reader, self._outlet
        found = reader.read()
        while found is not None:
            if found[0] != wire.JOB:
                if found[0] == wire.REFUSED:
                    raise wire.refused(found)
                raise ProtocolError(f"a frame of kind 0x{found[0]:02x} where a job was expected")
            found = self._run_one(found)
            if self._has_panicked:
                return 101
            if found is None:
                outlet.flush()
                found = reader.read()
        outlet.flush()
        return 0

    def _run_one(self, found: Frame) -> Optional[Frame]:
        """Runs a job and answers it. Returns the next frame, if it is there already."""
        _, flags, encoding, sequence, header, reference = found
        payload: Buffer = reference
        del found
        session = self._session
        job = codec.read_job(header)
        context = Context(session, sequence, job, monotonic_ns())
        arena = None
        if flags and session.arenas is not None:
            if flags & wire.TAKEN:
                session.arenas.taken()
            if flags & wire.PAYLOAD_REF:
                arena = session.arenas.find(reference)
        fate = session.board.start(sequence, context)
        if fate == PASSED_OVER:
            self._outlet.send(wire.frame(wire.RECALLED, sequence=sequence))
            return self._reader.buffered()
        if fate == WAS_CANCELLED:
            verdict: Verdict = (codec.CANCELLED, wire.NONE, b"", 0)
            extras = _NO_EXTRAS
        else:
            self._outlet.begin_job(sequence)
            usage = _Usage() if codec.WANTS_USAGE in job[5] else None
            if arena is not None:
                payload = view_of(arena, reference)
            elif flags & wire.PAYLOAD_REF:
                raise ProtocolError(f"the input of job {sequence} lies in no arena of this worker")
            verdict = self.run_input(encoding, payload, context)
            extras = _extras(context, verdict, usage)
        status, kind, returned, spent = verdict
        flags, output = self._place(returned)
        del payload, reference, verdict, returned
        if arena is not None:
            if isinstance(output, memoryview):
                # It may be a view of the input, which the next job replaces.
                output = bytes(output)
            if arena.is_held():
                self._outlet.send(wire.frame(wire.HELD, sequence=arena.number))
        self._has_panicked = codec.is_panicked(status)
        following = None if self._has_panicked else self._reader.buffered()
        head = status + codec.varint(spent) + extras
        head = wire.HEAD.pack(len(head), len(output), wire.DONE, flags, kind, 0, 0, sequence) + head
        if len(output) <= _JOINED:
            self._outlet.answer(head + output if output else head, following is not None)
        else:
            self._outlet.answer_large(head, output)
        return following

    def run_input(self, encoding: int, payload: Buffer, context: Context) -> Verdict:
        """Runs the function on a job's input, or on each of a batch."""
        batch = context._job[5].get(codec.BATCH)
        limit = self._session.max_payload
        if batch is None:
            return self._judge.judge(encoding, payload, context, limit)
        return run_batch(self._judge, batch[0], payload, context, limit)

    def _place(self, output: Output) -> Tuple[int, Buffer]:
        """Puts a large output into its arena. Returns the flags of `Done`, and its payload."""
        if len(output) >= SHARED_FROM and self._session.arenas is not None:
            place = self._session.arenas.put(output)
            if place is not None:
                return wire.END | wire.PAYLOAD_REF, place
        return wire.END, output.joined() if isinstance(output, Pieces) else output


class _Usage:
    """Processor time since the job's start, of all threads, and the peak memory of the process."""

    def __init__(self) -> None:
        from time import process_time_ns

        self._clock = process_time_ns
        self._begin = process_time_ns()

    def add_to(self, extras: codec.Extras) -> None:
        extras[codec.PROCESSOR_TIME] = (self._clock() - self._begin).to_bytes(8, "little")
        peak = _peak_memory()
        if peak:
            extras[codec.PEAK_MEMORY] = peak.to_bytes(8, "little")


def _peak_memory() -> int:
    """Returns the peak resident memory in bytes, or 0 where the system does not tell.

    `getrusage` counts the process that spawned this one, too: its peak outlives an `exec`.
    """
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0


def _extras(context: Context, verdict: Verdict, usage: Optional[_Usage]) -> bytes:
    if context._content_type is None and not context._dropped and usage is None:
        return _NO_EXTRAS
    extras: codec.Extras = {}
    if context._content_type is not None and verdict[1] == wire.RAW and codec.BATCH not in context._job[5]:
        extras[codec.CONTENT_TYPE] = context._content_type.encode()
    if usage is not None:
        usage.add_to(extras)
    if context._dropped:
        extras[codec.CHUNKS_DROPPED] = context._dropped.to_bytes(8, "little")
    return codec.extras_of(extras)
