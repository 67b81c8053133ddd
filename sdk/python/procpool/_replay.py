"""A saved job run again, in this process and for a person: no coordinator, no guard, no deadline.

WIRE.md, "Saved jobs". The output goes to standard output, and notes to standard error.
"""

from __future__ import annotations

import json
import sys
from time import monotonic_ns

from . import _codec as codec
from . import _frames as wire
from ._choice import saved
from ._context import Context
from ._errors import NotAWorker, WorkerExit
from ._jobs import Worker
from ._outlet import Outlet
from ._session import Session
from ._start import load, made, worker_data
from ._values import Pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List

    from ._frames import Frame
    from ._target import Target
    from ._verdict import Verdict

_FORMATS = (1, 2)
_UNBOUNDED_CREDIT = (1 << 32) - 1
_STATUS = ("ok", "bad_input", "failed", "panicked", "cancelled", "output_too_large", "broke")


def replay(make: Callable[[], List[Target]], arguments: List[str]) -> int:
    """Runs the last job of a file again, or all of them with `--history`. Returns the exit code."""
    with_history = "--history" in arguments
    files = [each for each in arguments if each != "--history"]
    if len(files) != 1:
        raise NotAWorker("`--replay` needs one file: --replay FILE [--history]")
    targets = made(make)
    welcome, recording, jobs = _read(files[0])
    target = saved(targets, files[0], recording.get("job"), recording.get("contract"))
    session = Session()
    session.outlet = _Transcript()
    session.worker_data = worker_data(welcome)
    session.max_payload = int(wire.json_of(welcome[0], welcome[4]).get("max_payload", session.max_payload))
    session.is_interruptible = False
    _note(
        f"running job {recording.get('id')} of pool `{recording.get('pool')}` again; attempt "
        f"{recording.get('attempt')} ended as {recording.get('outcome')}: {recording.get('summary')}"
    )
    failed = load(session, target)
    if failed is not None:
        _note(f"failed to initialise: {failed.message}")
        return 1
    worker = Worker(session, target, wire.FrameReader(lambda _: b"", wire.IN_FILES))
    code = 0
    for number, found in enumerate(jobs if with_history else jobs[-1:], 1):
        code = _run(session, worker, found, number)
        if code == 101:
            break
    before = recording.get("jobs_before")
    if before and not with_history:
        _note(f"its worker had run {before} jobs before this one; `--history` runs those that were saved")
    return code


def _run(session: Session, worker: Worker, found: Frame, number: int) -> int:
    public, attempt, _, reply, _, extras = codec.read_job(found[4])
    context = Context(session, number, (public, attempt, None, reply, _UNBOUNDED_CREDIT, extras), monotonic_ns())
    session.board.start(number, context)
    session.outlet.begin_job(number)
    verdict: Verdict = worker.run_input(found[2], found[5], context)
    status, kind, output, spent = verdict
    word = _STATUS[status[0]]
    _note(f"the job ended as {word} after {spent / 1e6:.3f} ms{_text_of(status)}")
    if kind in (wire.JSON, wire.RAW):
        sys.stdout.flush()
        sys.stdout.buffer.write(output.joined() if isinstance(output, Pieces) else output)
        if kind == wire.JSON:
            sys.stdout.buffer.write(b"\n")
        sys.stdout.buffer.flush()
    return {"ok": 0, "panicked": 101}.get(word, 1)


def _text_of(status: bytes) -> str:
    """Returns code and message of a status, as far as it has them."""
    reader = codec.Reader(status[1:])
    try:
        texts = [reader.take(reader.varint()).decode() for _ in range({1: 1, 2: 2, 3: 1, 6: 2}.get(status[0], 0))]
    except (WorkerExit, UnicodeDecodeError):
        return ""
    return "".join(f": {text}" for text in texts)


def _read(path: str) -> tuple[Frame, Dict[str, Any], List[Frame]]:
    """Reads a file: the `Welcome`, what the file says of itself, and the jobs."""
    try:
        with open(path, "rb") as file:
            reader = wire.FrameReader(file.read, wire.IN_FILES)
            reader.preamble()
            recording, welcome, jobs = None, None, []
            while (found := reader.read()) is not None:
                if found[0] == wire.RECORDING:
                    recording = wire.json_of(found[0], found[4])
                elif found[0] == wire.WELCOME:
                    welcome = found
                else:
                    jobs.append(found)
    except (OSError, WorkerExit) as error:
        raise NotAWorker(f"failed to read the saved job {path}: {error}") from None
    if recording is None or welcome is None or not jobs:
        raise NotAWorker(f"failed to read the saved job {path}: it is cut off")
    if recording.get("format") not in _FORMATS:
        raise NotAWorker(f"the saved job {path} has format {recording.get('format')}; this worker reads 1 and 2")
    return welcome, recording, jobs


def _note(line: str) -> None:
    print(f"procpool: {line}", file=sys.stderr)


class _Transcript(Outlet):
    """Prints for a person what a job sends to its caller."""

    def __init__(self) -> None:
        super().__init__(None)

    def send_for(self, sequence: int, data: bytes) -> bool:
        header, payload, kind = wire.HEAD.unpack_from(data)[:3]
        begin = wire.HEAD.size
        content = data[begin : begin + header] if kind == wire.LOG else data[begin + header :]
        if kind == wire.LOG:
            fields = json.loads(content)
            _note(f"{fields['level']}: {fields['message']}")
        elif kind == wire.CHUNK:
            _note(f"a chunk of {payload} bytes: {content[:200]!r}")
        return self.job == sequence

    def progress(self, _sequence: int, header: bytes) -> None:
        reader = codec.Reader(header)
        done = reader.varint()
        total = f" of {reader.varint()}" if reader.is_there() else ""
        _note(f"progress: {done}{total}")

    def send_quietly(self, data: bytes) -> None:
        self.send_for(self.job, data)
