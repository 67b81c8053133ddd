"""The entry points: `serve`, `messages` and the decorator `job`."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, NoReturn, Optional, TypeVar, overload

    from ._start import Work
    from ._target import Target

    F = TypeVar("F", bound=Callable[..., Any])
else:

    def overload(function):
        """Stands for that of `typing`, whose import a start can do without."""
        return function


@overload
def job(function: F) -> F: ...


@overload
def job(
    *,
    name: Optional[str] = None,
    version: int = 1,
    build: Optional[str] = None,
    init: Optional[Callable[..., Any]] = None,
    exceptions: str = "broke",
    interrupt: bool = True,
    logs: Optional[bool] = None,
) -> Callable[[F], F]: ...


def job(function: Any = None, **settings: Any) -> Any:
    """Says what a job is called, and how it is run: `@procpool.job(name="word-count", version=2)`.

    name        the job's name; without it that of the function, as `word-count` for `word_count`
    version     version of the job's contract; raise it when the meaning of input or output changes
    build       the program's own version, for people
    init, exceptions, interrupt, logs   as for `serve`
    """
    from ._target import Mark

    if function is not None and settings:
        raise TypeError("use `@procpool.job(…)` with names: name, version, build")
    mark = Mark(**settings)

    def put(marked: Any) -> Any:
        mark.put_on(marked)
        return marked

    return put if function is None else put(function)


def serve(
    *functions: Callable[..., Any],
    init: Optional[Callable[..., Any]] = None,
    exceptions: Optional[str] = None,
    interrupt: Optional[bool] = None,
    logs: Optional[bool] = None,
) -> NoReturn:
    """Runs a function for each job until the pool has no further work, then exits. Does not return.

    functions   Of several, a process serves the one that its pool names (`job = "word-count"`). The
                settings below are for each of them; `@procpool.job(…)` has those of one.

                A single parameter takes the input, several take the members of a JSON object. Type
                hints become the schema and the check of the input. `ctx` gets the `Context`. A
                generator streams, `async def` runs on one loop. A class is made once, before the
                worker is ready, and then called.
    init        Is called once before the worker is ready. If it raises, the start of the pool fails.
    exceptions  `"broke"`, the default: an exception that is no `Failure` ends its job as `broke`, and
                the worker goes on. `"panic"`: the worker is replaced. `MemoryError` always does that.
    interrupt   True, the default: `Cancelled` is raised in a function whose job was cancelled. False:
                the function looks at `ctx.cancelled`, or its process is killed after the grace.
    logs        None, the default: records of `logging` go to the server's log, unless the program has
                a handler of its own. True: in any case. False: never.
    """
    from ._target import Mark, Target

    def make_one(function: Callable[..., Any]) -> Target:
        given = Mark.of(function)
        mark = Mark(
            given.name,
            given.version,
            given.build,
            init if init is not None else given.init,
            exceptions if exceptions is not None else given.exceptions,
            interrupt if interrupt is not None else given.interrupt,
            logs if logs is not None else given.logs,
        )
        return Target(function, mark)

    def make() -> List[Target]:
        return [make_one(function) for function in functions]

    run(make, sys.argv[1:], [sys.executable or "python3", *sys.argv[:1]])


def messages(handler: Callable[..., Any]) -> NoReturn:
    """Runs `handler(port)` for free messages, as with Node's `parentPort`. Does not return.

    `port.receive()` returns the next message, `port.send(value)` sends one, and `for message in port`
    ends when the other side has no further messages. An exception ends the conversation.
    """
    from ._messages import Handler, converse

    def make() -> List[Target]:
        return [Handler(handler)]

    run(make, sys.argv[1:], [sys.executable or "python3", *sys.argv[:1]], converse)


def run(
    make: Callable[[], List[Target]], arguments: List[str], command: List[str], work: Optional[Work] = None
) -> NoReturn:
    """Serves, attaches, describes, replays or explains, by who started this process and its arguments."""
    from ._errors import WorkerExit
    from ._guard import complain
    from ._process import leave
    from ._socket_io import was_spawned

    try:
        if was_spawned():
            from ._start import run_worker

            code = run_worker(make, work)
        elif "--attach" in arguments[-2:]:
            from ._by_hand import socket_of
            from ._start import run_attached

            code = run_attached(make, socket_of(arguments), work)
        else:
            from ._by_hand import answer

            code = answer(make, arguments, command)
    except WorkerExit as error:
        complain(str(error))
        code = error.code
    leave(code)
