"""Calls of `procpool.serve` as programs make them: `python serving_script.py CASE`."""

from __future__ import annotations

import sys
import threading
from typing import Any, List

import procpool

loaded: List[str] = []


async def load() -> None:
    import asyncio

    await asyncio.sleep(0)
    loaded.append("asynchronously")


def load_from(worker_data: Any) -> None:
    loaded.append(f"from {worker_data}")


def refuse() -> None:
    raise procpool.Failure("no licence", code="no_licence")


def leave() -> None:
    sys.exit("leaving")


def state(value: Any) -> List[str]:
    return loaded


def divide(value: float) -> float:
    return 1 / value


def in_thread() -> None:
    thread = threading.Thread(target=procpool.serve, args=(state,))
    thread.start()
    thread.join()
    threading.Event().wait()


def quiet() -> None:
    sys.stdout = sys.stderr = None
    procpool.serve(divide)


@procpool.job(name="length", version=3, init=load)
def count(text: str) -> int:
    return len(text) * len(loaded)


@procpool.job(exceptions="panic")
def inverse(value: float) -> float:
    return 1 / value


def broken() -> None:
    raise RuntimeError("the state of another job")


@procpool.job(init=broken)
def unloadable(text: str) -> str:
    return text


CASES: Any = {
    "async": lambda: procpool.serve(state, init=load),
    "data": lambda: procpool.serve(state, init=load_from),
    "refuse": lambda: procpool.serve(state, init=refuse),
    "leave": lambda: procpool.serve(state, init=leave),
    "panic": lambda: procpool.serve(divide, exceptions="panic"),
    "option": lambda: procpool.serve(divide, exceptions="raise"),
    "lambda": lambda: procpool.serve(lambda value: [value]),
    "thread": in_thread,
    "several": lambda: procpool.serve(divide, count, inverse, unloadable),
    "twice": lambda: procpool.serve(divide, divide),
    "none": lambda: procpool.serve(),
    "quiet": quiet,
}

if __name__ == "__main__":
    CASES[sys.argv[1]]()
