"""Functions that the tests serve. Most know nothing of procpool; the others use its context."""

from __future__ import annotations

import ctypes
import decimal
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any, AsyncIterator, Dict, Generator, Iterator, List, Optional

import procpool

kept: List[Any] = []
steps: List[str] = []


def echo(value):  # type: ignore[no-untyped-def]
    return value


def word_count(text: str) -> Dict[str, int]:
    counts: Dict[str, int] = {}
    for word in text.lower().split():
        counts[word] = counts.get(word, 0) + 1
    if not counts:
        raise procpool.Failure("the text has no words", code="no_words", details={"length": len(text)}, retryable=True)
    return counts


def resize(width: int, height: int = 1, *, name: str = "x") -> List[Any]:
    return [width, height, name]


def nothing() -> str:
    return "done"


def rest(first, **others):  # type: ignore[no-untyped-def]
    return [first, others]


class Counter:
    """State that is loaded once."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, step: int) -> int:
        self.calls += step
        return self.calls


class Unloadable:
    def __init__(self) -> None:
        raise FileNotFoundError("model.bin")

    def __call__(self, value: int) -> int:
        return value


class Needy:
    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, value: int) -> int:
        return value


class Speechless:
    pass


NUMBER = 3


# Errors.


def divide(value):  # type: ignore[no-untyped-def]
    return 1 / value


def raises(name: str) -> None:
    errors: Dict[str, BaseException] = {
        "exit": SystemExit(3),
        "interrupt": KeyboardInterrupt(),
        "cancelled": procpool.Cancelled(),
        "memory": MemoryError("no memory"),
        "key": KeyError("x"),
        "long": ValueError("é" * 100_000),
        "bad": procpool.BadInput("not that"),
    }
    raise errors[name]


@procpool.job(exceptions="panic")
def panics(value: int) -> float:
    return 1 / value


def recurse(value: Any) -> int:
    return recurse(value)


class Hostile(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class NeverMade(procpool.Failure):
    """Does not call the initialiser of its base."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Exits(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class Unsayable(procpool.BadInput):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def hostile_error(value: Any) -> None:
    if value == "changed":
        failure: Any = procpool.Failure("x", code="y")
        failure.code, failure.message, failure.details = 404, None, Hostile()
        raise failure
    raise {"failure": NeverMade("why"), "exits": Exits(), "bad": Unsayable()}.get(value, Hostile())


def outputs(name: str) -> Any:
    if name == "nested":
        nested: List[Any] = []
        for _ in range(100_000):
            nested = [nested]
        return nested
    values = {
        "object": object(),
        "nan": float("nan"),
        "surrogate": "\ud800",
        "set": {1},
        "large": "x" * 2_000_000,
        "fit": b"x" * 1_000_000,
        "unfit": b"x" * 1_000_001,
        "key": {(1, 2): 3},
        "decimal": [{"price": decimal.Decimal("9.99")}],
    }
    return values[name]


# Ends.


def dies(how: str) -> None:
    if how == "exit":
        os._exit(7)
    if how == "segfault":
        ctypes.string_at(8)
    if how == "abort":
        os.abort()
    os.kill(os.getpid(), signal.SIGKILL)


def stopped(value: Any) -> str:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(os.getpid(), number)
    return "alive"


# Time.


def spin(seconds: float) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return "spun"


def burn(seconds: float) -> str:
    """Uses this much processor time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return "burnt"


class Finalized:
    def __init__(self, ctx: procpool.Context) -> None:
        self.ctx = ctx

    def __del__(self) -> None:
        self.ctx.progress(1)
        time.sleep(0.5)


def finalizes(seconds: float, ctx: procpool.Context) -> str:
    Finalized(ctx)
    time.sleep(seconds)
    return "finalized"


def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


def tidy(seconds: float) -> str:
    try:
        time.sleep(seconds)
    finally:
        print("tidied up")
    return "slept"


def stubborn(seconds: float) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            time.sleep(seconds)
        except BaseException:
            print("caught it")
    return "slept"


@procpool.job(interrupt=False)
def polite(seconds: float, ctx: procpool.Context) -> str:
    end = time.monotonic() + seconds
    looked = 0
    while time.monotonic() < end:
        looked += 1
        if ctx.cancelled:
            return f"looked {looked > 0}"
        time.sleep(0.001)
    return "slept"


def signalled(seconds: float) -> str:
    os.kill(os.getpid(), signal.SIGURG)
    time.sleep(seconds)
    return "slept"


# The context.


def context(value: Any, ctx: procpool.Context) -> Dict[str, Any]:
    same = procpool.current()
    return {
        "same": same is ctx,
        "id": ctx.id,
        "attempt": ctx.attempt,
        "remaining": ctx.remaining is not None and 0 < ctx.remaining <= 30,
        "cancelled": ctx.cancelled,
        "streaming": ctx.streaming,
        "traceparent": ctx.traceparent,
        "tracestate": ctx.tracestate,
        "worker_data": ctx.worker_data,
    }


def elsewhere(value: Any) -> str:
    result: List[str] = []

    def look() -> None:
        try:
            procpool.current()
        except LookupError as error:
            result.append(str(error))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return result[0]


def picture(value: str, ctx: procpool.Context) -> bytes:
    ctx.content_type = value
    return b"\x89PNG"


def progress(count: int, ctx: procpool.Context) -> str:
    for done in range(count):
        ctx.progress(done + 1, count)
    return "progressed"


def chunks(count: int, ctx: procpool.Context) -> str:
    for number in range(count):
        ctx.chunk(number)
    return "streamed"


def generate(count: int) -> Generator[Any, None, str]:
    yield from range(count)
    yield b"raw"
    return "all"


def large_chunk(length: int) -> Iterator[Any]:
    yield b"x" * length


def many_chunks(length: int) -> Iterator[Any]:
    while True:
        yield b"x" * length


def leaves_chunks(value: Any, ctx: procpool.Context) -> List[str]:
    """Leaves a thread that waits for credit, and returns the threads that are left."""

    def stream() -> None:
        while True:
            ctx.chunk(0)
            if kept:
                return

    for thread in kept:
        thread.join()
    left = [each.name for each in threading.enumerate() if each.name == "stream"]
    if ctx.streaming:
        kept.append(threading.Thread(target=stream, name="stream"))
        kept[-1].start()
    return left


def kept_context(value: Any, ctx: procpool.Context) -> str:
    for old in kept:
        old.progress(1)
        old.log("late")
        old.chunk("late")
    kept.append(ctx)
    return "kept"


def logs(message: str, ctx: procpool.Context) -> str:
    logger = logging.getLogger("thumbnails.cache")
    logger.warning("from logging: %s", message)
    ctx.log(f"from the context: {message}", level="error", target="here")
    print(f"printed: {message}")
    return "logged"


# asyncio.


async def asleep(seconds: float) -> str:
    import asyncio

    await asyncio.sleep(seconds)
    return f"slept in {procpool.current().attempt}"


async def shielded(seconds: float) -> str:
    import asyncio

    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        print("task cancelled")
        raise
    return "slept"


async def agenerate(count: int) -> AsyncIterator[Any]:
    import asyncio

    for number in range(count):
        await asyncio.sleep(0)
        yield number


async def leaves_task(value: Any) -> str:
    import asyncio

    async def task() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            print("the task has ended")

    kept.append(asyncio.ensure_future(task()))
    await asyncio.sleep(0)
    return await asyncio.to_thread(lambda: procpool.current().id)


async def loops(value: Any) -> int:
    import asyncio

    return id(asyncio.get_running_loop())


# Bytes.


def length(body: bytes) -> int:
    return len(body)


def copied(body: bytearray) -> bytearray:
    body.reverse()
    return body


def keep(body: memoryview) -> List[int]:
    """Keeps a slice of each input, and returns the first bytes of all that it has kept."""
    kept.append(body[1:])
    return [piece[0] for piece in kept]


def look(body: memoryview) -> List[Any]:
    return [body[0], body[-1], len(body), body.readonly]


def same_bytes(body: memoryview) -> memoryview:
    return body


def numpy_sum(body: memoryview) -> Any:
    import numpy as np

    return np.frombuffer(body, dtype=np.uint8).astype(np.uint64).sum()


def numpy_keep(body: memoryview) -> List[int]:
    import numpy as np

    kept.append(np.frombuffer(body, dtype=np.uint8)[::2])
    return [int(array[0]) for array in kept]


def numpy_array(count: int) -> Any:
    import numpy as np

    return np.arange(count, dtype=np.uint32).reshape(2, -1)


def numpy_objects(value: Any) -> Any:
    import numpy as np

    return np.array([object(), 1], dtype=object) if value is None else np.zeros(1, dtype=[("O", "u1")])


def numpy_strided(count: int) -> Any:
    import numpy as np

    return np.arange(count, dtype=np.uint8)[::2]


# Processes and threads.


def forks(how: str) -> str:
    child = os.fork()
    if child == 0:
        procpool.current().log("from the child")
        procpool.current().progress(1)
        if how == "raise":
            raise ValueError("in the child")
        if how == "exit":
            sys.exit(5)
        return "from the child"
    _, status = os.waitpid(child, 0)
    return f"exit {os.WEXITSTATUS(status)}" if os.WIFEXITED(status) else f"signal {os.WTERMSIG(status)}"


def fork_and_kill(times: int) -> List[str]:
    """Forks of the worker end by SIGTERM, which the worker itself ignores, from their first moment on."""
    ends = []
    for _ in range(times):
        child = os.fork()
        if child == 0:
            time.sleep(3)
            os._exit(9)
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
        ends.append(f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "exit")
    return ends


def multiprocess(count: int) -> List[int]:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, range(-count, 0))


def child(seconds: str) -> int:
    return subprocess.Popen(["sleep", seconds]).pid


def descriptors(value: Any) -> List[str]:
    """What a program that a job starts inherits above standard error."""
    listing = subprocess.run(["ls", "/proc/self/fd"], close_fds=False, stdout=subprocess.PIPE, check=True)
    return sorted(set(listing.stdout.decode().split()) - {"0", "1", "2"})


def leaves_thread(daemon: bool) -> str:
    threading.Thread(target=time.sleep, args=(3600,), daemon=daemon, name="left-over").start()
    return "left"


def several_pieces(value: Optional[int] = None) -> Optional[int]:
    return value


def echo_or_die(value: Any) -> Any:
    if value == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def flood(value: Any, ctx: procpool.Context) -> None:
    logger = logging.getLogger("flood")
    while True:
        ctx.chunk("x" * 100) if ctx._credit else ctx.progress(1)
        ctx.log("y" * 100)
        logger.error("z")


def broken_look(body: memoryview) -> int:
    return body[1_000_000]


def holds_the_interpreter(value: Any) -> int:
    """C code that never returns and never gives the interpreter's lock up."""
    return sum(range(1 << 60))


def forks_while_streaming(count: int, ctx: procpool.Context) -> Generator[Any, None, str]:
    child = os.fork()
    yield from range(count)
    if child:
        os.waitpid(child, 0)
    return "streamed"


def closes_its_connections(value: Any) -> str:
    os.closerange(3, 100)
    return "closed"


def starts_children(value: Any) -> List[int]:
    return [os.getpid(), subprocess.Popen(["sleep", "3600"]).pid]


def gated(path: str) -> str:
    """Returns what somebody writes to a pipe."""
    with open(path) as file:
        return file.read()


@procpool.job(name="spin")
def stopped_spin(seconds: float) -> str:
    """Is stopped twice by its own supervisor."""
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
    return spin(seconds)


def pieces(name: str) -> Iterator[Any]:
    yield 1
    yield {"object": [object()], "twins": {1: 2, "1": 3}, "surrogate": "\ud800"}[name]


def buffered(how: str, ctx: procpool.Context) -> Any:
    """Writes its output where the pool reads it, or nearly."""
    buffer = ctx.buffer(500_000)
    if any(buffer):
        raise ValueError("it is not empty")
    if how == "zeros":
        return buffer
    if how == "small":
        return ctx.buffer(3)
    if how == "array":
        import numpy as np

        array = np.frombuffer(buffer, dtype=np.uint16)
        array[:] = 0x4141
        return array[50_000:]
    if how == "kept":
        kept.append(buffer)
    if how == "let go":
        kept.clear()
    if how == "raises":
        raise ValueError(how)
    buffer[:] = b"A" * 500_000
    shapes = {"readonly": buffer.toreadonly(), "end": buffer[100_000:], "elsewhere": b"A" * 400_000}
    return shapes.get(how, buffer)
