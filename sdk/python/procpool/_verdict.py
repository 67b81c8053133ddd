"""Runs a function on one input, and says how that ended in the words of the wire."""

from __future__ import annotations

import sys
from time import monotonic_ns

from . import _codec as codec
from . import _logs
from ._calls import UNFINISHED, finish
from ._context import running
from ._errors import BadInput, Cancelled, Failure
from ._frames import NONE, RAW
from ._values import Pieces, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Optional, Tuple

    from ._context import Context
    from ._session import Session
    from ._target import Target
    from ._values import Buffer, Output

    # The status, encoded; encoding and bytes of the output; nanoseconds that the function took.
    Verdict = Tuple[bytes, int, Output, int]


class Judge:
    """Decodes an input, runs the function, encodes its output."""

    def __init__(self, session: Session, target: Target) -> None:
        self._session = session
        self._target = target
        self._interrupts = session.interrupts
        self._panics = target.mark.exceptions == "panic"

    def judge(self, encoding: int, payload: Buffer, context: Context, limit: int) -> Verdict:
        """Runs one input. An output of more than `limit` bytes is not sent."""
        try:
            args, kwargs = self._target.arguments(encoding, payload, context)
        except BadInput as error:
            return codec.bad_input(message_of(error)), NONE, b"", 0
        except Exception as error:  # A class of the program's own that breaks, or no memory.
            return self._status_of(error, context), NONE, b"", 0
        if not self._session.has_log_handler and "logging" in sys.modules:
            _logs.install(self._session, self._target.mark.logs)
        interrupts = self._interrupts
        token = running.set(context)
        begin = monotonic_ns()
        try:
            try:
                interrupts.raised = None
                interrupts.armed = context
                context.check()
                value = self._target.call(*args, **kwargs)
                if type(value) in UNFINISHED:
                    value = finish(value, context)
            finally:
                interrupts.armed = None
        except BaseException as error:
            interrupts.armed = None
            spent = monotonic_ns() - begin
            if self._session.is_forked:
                self._leave(error)
            return self._status_of(error, context), NONE, b"", spent
        finally:
            running.reset(token)
        spent = monotonic_ns() - begin
        if self._session.is_forked:
            self._leave(None)
        try:
            kind, output = (RAW, value) if type(value) is Pieces else encode(value)
        except BaseException as error:
            return self._unsendable(error), NONE, b"", spent
        if len(output) > limit:
            return codec.too_large(len(output), limit), NONE, b"", spent
        return codec.OK, kind, output, spent

    def _status_of(self, error: BaseException, context: Context) -> bytes:
        if isinstance(error, Cancelled) and context._is_cancelled:
            return codec.CANCELLED
        if isinstance(error, Failure):
            return codec.failed(*failure_of(error))
        if isinstance(error, BadInput):
            return codec.bad_input(message_of(error))
        if self._panics or isinstance(error, MemoryError):
            return self._panicked(error)
        if isinstance(error, SystemExit):
            return self._broke(
                error, f"the function called sys.exit({error.code!r}); a worker ends when its pool says so"
            )
        if isinstance(error, Cancelled):
            return self._broke(error, "the function raised Cancelled, and its job was not cancelled")
        return self._broke(error)

    def _unsendable(self, error: BaseException) -> bytes:
        if self._panics or isinstance(error, MemoryError):
            return self._panicked(error)
        return self._broke(error, f"the output cannot be sent: {message_of(error)}")

    def _broke(self, error: BaseException, message: Optional[str] = None) -> bytes:
        print_traceback(error)
        return codec.broke(type(error).__name__, message or message_of(error))

    def _panicked(self, error: BaseException) -> bytes:
        print_traceback(error)
        return codec.panicked(f"{type(error).__name__}: {message_of(error)}", place_of(error))

    def _leave(self, error: Optional[BaseException]) -> None:
        """Ends a fork of the worker that left the function: the job's answer is the worker's own."""
        import os

        code = 0
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            code = 1
            print_traceback(error)
        flush_output()
        os._exit(code & 255)


def message_of(error: BaseException) -> str:
    """Returns the text of an error, or its type if it has none."""
    try:
        return str(error) or type(error).__name__
    except BaseException:  # Code of the program's own, which must not end the worker.
        return f"an error of type {type(error).__name__} without a text"


def failure_of(failure: Failure) -> Tuple[str, str, Any, bool]:
    """Returns code, message, details and whether to try again.

    A class of the program's own may not have called `Failure.__init__`, and members can be changed.
    """
    code, message = getattr(failure, "code", "failed"), getattr(failure, "message", None)
    return (
        code if isinstance(code, str) else str(code),
        message if isinstance(message, str) else message_of(failure),
        getattr(failure, "details", None),
        bool(getattr(failure, "retryable", False)),
    )


def place_of(error: BaseException) -> Optional[str]:
    """Returns `file:line` of where an error was raised."""
    trace = error.__traceback__
    if trace is None:
        return None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def print_traceback(error: BaseException) -> None:
    """Prints a traceback to standard error, from the function's own frame on.

    By the interpreter itself: `traceback` costs as much as a hundred small jobs to import.
    """
    try:
        sys.__excepthook__(type(error), error, _from_the_function(error.__traceback__))
    except Exception:  # Standard error may be closed.
        pass


def _from_the_function(trace: Optional[TracebackType]) -> Optional[TracebackType]:
    first = trace
    while trace is not None and trace.tb_frame.f_globals.get("__package__") == __package__:
        trace = trace.tb_next
    return trace or first


def flush_output() -> None:
    """Writes what was printed, as far as that is possible."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass
