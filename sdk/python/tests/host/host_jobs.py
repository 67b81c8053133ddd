"""The functions that the host's tests have run, in workers of pools and of executors."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any, Dict, List

import procpool


def echo(value):  # type: ignore[no-untyped-def]
    return value


def twice(value: bytearray) -> bytearray:
    return value * 2


def sizes(*buffers: Any) -> List[Any]:
    """Returns the length of each buffer, and whether it is read only."""
    return [(len(buffer), memoryview(buffer).readonly) for buffer in buffers]


def crash_with(_: bytearray) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def double(number: int) -> int:
    return 2 * number


def reverse(body: memoryview) -> bytes:
    return bytes(body)[::-1]


def outcome(what: str) -> Any:
    """Ends as it is told to."""
    if what == "failed":
        raise procpool.Failure("no words", code="no_words", details={"words": 0}, retryable=True)
    if what == "broke":
        return ["missing"][len(what)]
    if what == "exit":
        os._exit(7)
    if what == "segfault":
        import ctypes

        ctypes.string_at(0)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "spin":
        spin()
    if what == "protocol":
        os.write(3, b"no frame" * 8)
        time.sleep(60)
    if what == "large":
        return b"x" * 200_000
    return what


@procpool.job(exceptions="panic")
def panicking(_: Any) -> None:
    raise RuntimeError("it is broken")


def spin() -> None:
    while True:
        pass


def pid(_: Any = None) -> int:
    return os.getpid()


def say(path: str, line: str) -> None:
    """Writes a line to the signpost of a test."""
    with open(path, "a") as file:
        file.write(line + "\n")


def wait_until_cancelled(path: str) -> None:
    try:
        say(path, "begun")
        spin()
    except procpool.Cancelled:
        say(path, "cancelled")
        raise


def block(path: str, *_: Any) -> None:
    say(path, f"begun {os.getpid()}")
    threading.Event().wait()


def power_or_block(path: str, victim: int, number: int) -> int:
    if number == victim:
        block(path)
    return 2**number  # type: ignore[no-any-return]


def fork_and_return() -> int:
    """Returns twice, and only one of them is an answer. The other one ends the fork, with this exit code."""
    child = os.fork()
    return os.waitpid(child, 0)[1] if child else -1


def leave_thread() -> int:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    return os.getpid()


def pass_gate(gate: str, value: Any) -> Any:
    """Waits until somebody writes to a pipe."""
    with open(gate) as file:
        file.read()
    return value


def variables(names: List[str]) -> Dict[str, Any]:
    return {name: os.environ.get(name) for name in names}


def directory(_: Any) -> str:
    return os.getcwd()


def printing(text: str) -> None:
    print(text)
    print(text, file=sys.stderr)


STATE = "fresh"


def set_state(value: str) -> None:
    global STATE
    STATE = value


def state() -> str:
    return STATE


def raise_here(kind: Any, *args: Any) -> None:
    raise kind(*args)


class Stubborn(Exception):
    """Pickles, and cannot be made anew."""

    def __init__(self, one: Any, two: Any) -> None:
        super().__init__(f"{one} and {two}")


def stubborn() -> None:
    raise Stubborn(1, 2)


def lock_of(_: Any = None) -> Any:
    return threading.Lock()


def add_one(array: Any) -> Any:
    array += 1
    return array


def is_writable(array: Any) -> bool:
    return bool(array.flags.writeable)


def nested_pool() -> int:
    with procpool.Executor(max_workers=1) as executor:
        return executor.submit(pid).result()


def fork_bomb() -> int:
    """Forks until that fails. Returns the number of children."""
    children: List[int] = []
    try:
        while len(children) < 500:
            child = os.fork()
            if child == 0:
                threading.Event().wait()
            children.append(child)
    except OSError:
        pass
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return len(children)


def count_up(number: int) -> Any:
    """Yields the numbers below this one, and returns it."""
    for each in range(number):
        procpool.current().progress(each + 1, number)
        yield each
    return number


def yield_bytes(number: int) -> Any:
    for each in range(number):
        yield bytes([each]) * 3
    return b"end"


def yield_then_fail(number: int) -> Any:
    yield number
    raise procpool.Failure("no further", code="no_further")


def yield_for_ever(path: str) -> Any:
    """Says that it has begun and that it is cancelled, and yields until then."""
    say(path, "begun")
    try:
        while True:
            yield "again"
    finally:
        say(path, "ended")
