"""Runs a function to its end: plain, generator, coroutine or asynchronous generator.

What the call returns decides, so decorated functions and `functools.partial` work, too.
"""

from __future__ import annotations

from types import AsyncGeneratorType, CoroutineType, GeneratorType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from typing import Any, AsyncGenerator, Coroutine, Generator, Optional

    from ._context import Context

# Results that are no outputs yet.
UNFINISHED = frozenset((GeneratorType, CoroutineType, AsyncGeneratorType))

_loop: Optional[AbstractEventLoop] = None


def finish(value: Any, context: Context) -> Any:
    """Returns the output of a call that returned an unfinished value."""
    if type(value) is GeneratorType:
        return _generator(value, context)
    # A task is cancelled by its loop: an exception out of nowhere would break the loop itself.
    context._session.interrupts.armed = None
    if type(value) is CoroutineType:
        return run_coroutine(value, context)
    return run_coroutine(_asynchronous_generator(value, context), context)


def _generator(pieces: Generator[Any, None, Any], context: Context) -> Any:
    """Sends each piece as a chunk. The output is what the generator returns."""
    try:
        while True:
            try:
                piece = next(pieces)
            except StopIteration as stop:
                return stop.value
            context.chunk(piece)
    finally:
        pieces.close()


async def _asynchronous_generator(pieces: AsyncGenerator[Any, None], context: Context) -> None:
    """Sends each piece as a chunk. The loop goes on while the reader is behind."""
    import asyncio
    import contextvars

    try:
        async for piece in pieces:
            if context._credit == 0:
                run = contextvars.copy_context().run
                await asyncio.get_running_loop().run_in_executor(None, run, context.chunk, piece)
            else:
                context.chunk(piece)
    finally:
        await pieces.aclose()


def run_coroutine(coroutine: Coroutine[Any, Any, Any], context: Optional[Context] = None) -> Any:
    """Runs a coroutine on the worker's one loop. A cancel of the job cancels its task."""
    import asyncio

    global _loop
    if _loop is None or _loop.is_closed():
        _loop = asyncio.new_event_loop()
        asyncio.set_event_loop(_loop)
    loop = _loop
    task = loop.create_task(coroutine)
    if context is not None and context._session.is_interruptible:
        context._wake = lambda: _cancel_soon(loop, task)
        if context._is_cancelled:
            task.cancel()
    try:
        return loop.run_until_complete(task)
    except asyncio.CancelledError:
        if context is not None:
            context.check()
        raise
    finally:
        if context is not None:
            context._wake = None


def _cancel_soon(loop: AbstractEventLoop, task: Any) -> None:
    try:
        loop.call_soon_threadsafe(task.cancel)
    except RuntimeError:  # The function closed the loop.
        pass


def close_loop() -> None:
    """Ends what is left on the loop, at the worker's end."""
    global _loop
    if _loop is not None and not _loop.is_closed():
        import asyncio

        left = asyncio.all_tasks(_loop)
        for task in left:
            task.cancel()
        if left:
            _loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        _loop.run_until_complete(_loop.shutdown_asyncgens())
        _loop.close()
    _loop = None
