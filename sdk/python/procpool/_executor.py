"""`procpool.Executor`: a drop-in for `concurrent.futures.ProcessPoolExecutor` that survives its functions."""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections import deque
from concurrent.futures import Executor as _Executor
from concurrent.futures import Future
from functools import partial
from itertools import islice
from typing import TypeVar, cast

from ._executor_state import MAX_BODIES, State, is_exiting
from ._futures import JobFuture
from ._lifetime import when_collected
from ._pickled import call_each, name_of
from ._pickles import dump
from ._pool import pool_keys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

    from ._pool import Seconds

T = TypeVar("T")

# Neither the wire nor the server takes more in one piece.
_MAX_PAYLOAD = (1 << 32) - 1
# A worker keeps the memory of a large call for the next one, up to 64 MiB: fresh pages cost five times
# as much as all copies of an array together. glibc alone reads this.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}


class Executor(_Executor):
    """Runs calls in worker processes. What ends a worker, ends one future.

        with procpool.Executor(max_workers=4, timeout=30) as executor:
            executor.submit(train, data).result()

    A segfault or `os._exit` raises `procpool.Crashed` from that future, an endless loop
    `procpool.TimedOut`. A future that is cancelled while it runs ends its call.

    max_workers   Number of workers. Default: one for each processor.
    timeout       Seconds that a call may run. Time in the queue does not count. Default: no limit.
    initializer, initargs   Called once in each worker before it takes calls.
    max_tasks_per_child     Number of calls after which a worker is replaced. From 2 on it serves until
                  the new one is ready.
    mp_context    Accepted for `spawn` and `forkserver`. Workers always start as with `spawn`.
    settings      Any key of docs/configuration.md, such as `memory_limit="1 GiB"` or `process_limit=64`.

    Workers start with the first call. As with `spawn`, they import the main module of the program.
    """

    def __init__(
        self,
        max_workers: Optional[int] = None,
        mp_context: Any = None,
        initializer: Optional[Callable[..., object]] = None,
        initargs: Tuple[Any, ...] = (),
        *,
        max_tasks_per_child: Optional[int] = None,
        timeout: Seconds = None,
        env: Optional[Mapping[str, str]] = None,
        inherit_env: Optional[Iterable[str]] = None,
        **settings: Any,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if max_tasks_per_child is not None:
            if not isinstance(max_tasks_per_child, int):
                raise TypeError("max_tasks_per_child must be an integer")
            if max_tasks_per_child <= 0:
                raise ValueError("max_tasks_per_child must be >= 1")
        _refuse_fork(mp_context)
        self._max_workers = max_workers or _processors()
        start = None
        if initializer is not None:
            try:
                start = pickle.dumps((initializer, initargs))
            except Exception as error:
                raise pickle.PicklingError(
                    f"the initializer `{name_of(initializer)}` and its arguments cannot be pickled: {error}"
                ) from error
        keys = {
            "timeout": None,
            "run_timeout": timeout,
            "max_timeout": None,
            "max_payload": _MAX_PAYLOAD,
            "queue_bytes": MAX_BODIES,
            # The same call may be sent often. Each of its crashes has a future to tell.
            "poison_deaths": 0,
            "idle_timeout": None,
            **_recycling(max_tasks_per_child),
            **settings,
        }
        self._keys = partial(
            pool_keys,
            "procpool._pickled:run",
            # One shows whether workers start. The others follow when calls wait for them.
            (1, self._max_workers),
            sys.executable,
            inherit_env=inherit_env,
            current_dir=None,
            other=keys,
        )
        kept = {name: value for name, value in _MALLOC.items() if name not in os.environ}
        self._state = State(self._keys, {**kept, **(env or {})}, start, self._max_workers)
        self._is_shut_down = False
        self._open = when_collected(self, self._state.end_when_idle)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Has `fn(*args, **kwargs)` called in a worker. Returns its future.

        If the call cannot be pickled, its future says so at once and names what cannot.
        """
        return cast("Future[T]", self._submit(fn, args, kwargs))

    def _submit(self, function: Callable[..., Any], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> JobFuture:
        if self._is_shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if is_exiting.is_set():
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        try:
            parts = dump((function, args, kwargs))
        except BaseException as error:
            if not isinstance(error, Exception):
                raise
            return _failed(_unpicklable(function, args, kwargs, error))
        size = sum(map(len, parts))
        if size > _MAX_PAYLOAD:
            what = f"the call of `{name_of(function)}` takes {size} bytes; the maximum is {_MAX_PAYLOAD}"
            return _failed(ValueError(f"{what}: pass the name of a file, or split it"))
        return self._state.running().submit(parts, size)

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: Optional[float] = None,
        chunksize: int = 1,
        buffersize: Optional[int] = None,
    ) -> Iterator[T]:
        """Calls `fn` with the elements of the iterables, and yields the results in their order.

        `timeout` are the seconds for all results together. `chunksize` is the number of calls that one
        job makes: a higher one costs less, and a crash loses as many. `buffersize` limits the number of
        jobs ahead of the reader; without it all are submitted at once.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if buffersize is not None and buffersize < 1:
            raise ValueError("buffersize must be None or > 0")
        end = None if timeout is None else timeout + time.monotonic()
        calls = zip(*iterables)
        jobs: Iterator[JobFuture]
        if chunksize == 1:
            jobs = (self._submit(fn, args, {}) for args in calls)
        else:
            jobs = (self._submit(call_each, (fn, chunk), {}) for chunk in _chunks(calls, chunksize))
        # All are submitted now, not when the first result is asked for.
        ahead = deque(islice(jobs, buffersize))
        results = _results(ahead, jobs, end)
        if chunksize == 1:
            return results
        return (element for chunk in results for element in chunk)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no further calls, and ends the workers when those that were submitted have ended.

        `wait` waits for that. `cancel_futures` cancels the calls that no worker has begun.
        """
        self._is_shut_down = True
        if cancel_futures:
            self._state.cancel_waiting()
        self._open.detach()
        self._state.end_when_idle()
        if wait:
            self._state.join()

    def status(self) -> Dict[str, Any]:
        """Returns what the server knows of the workers and calls, as `Pool.status` does."""
        return cast("Dict[str, Any]", self._state.running().client.get("/v1/pools/pool"))

    def workers(self) -> List[Dict[str, Any]]:
        """Returns the workers, with `id`, `pid`, `state`, `job` and `jobs_done`."""
        return cast("List[Dict[str, Any]]", self._state.running().client.get("/v1/pools/pool/workers")["workers"])


def _results(ahead: Deque[JobFuture], jobs: Iterator[JobFuture], end: Optional[float]) -> Iterator[Any]:
    try:
        while ahead:
            ahead.extend(islice(jobs, 1))
            # Without a reference to the result while it is out.
            yield _take(ahead.popleft(), end)
    finally:
        for future in ahead:
            _cancel_unsent(future)


def _take(future: JobFuture, end: Optional[float]) -> Any:
    try:
        return future.result(None if end is None else end - time.monotonic())
    except BaseException:
        _cancel_unsent(future)
        raise
    finally:
        del future


def _cancel_unsent(future: JobFuture) -> None:
    """Cancels a call that no worker may have begun, as `ProcessPoolExecutor` does."""
    if not future.running():
        future.cancel()


def _chunks(calls: Iterator[Tuple[Any, ...]], size: int) -> Iterator[Tuple[Tuple[Any, ...], ...]]:
    while True:
        chunk = tuple(islice(calls, size))
        if not chunk:
            return
        yield chunk


def _failed(error: BaseException) -> JobFuture:
    future = JobFuture()
    future.set_exception(error)
    return future


def _unpicklable(
    function: Callable[..., Any], args: Tuple[Any, ...], kwargs: Dict[str, Any], error: Exception
) -> Exception:
    """Returns the error of a call that cannot be pickled, which names the part that cannot."""
    name = name_of(function)
    candidates: List[Tuple[str, Any]] = [(f"the function `{name}`", function)]
    candidates += [(f"argument {number} of `{name}`", value) for number, value in enumerate(args, 1)]
    candidates += [(f"argument `{key}` of `{name}`", value) for key, value in kwargs.items()]
    for what, value in candidates:
        try:
            pickle.dumps(value)
        except Exception as reason:
            kind = "" if value is function else f", of type {type(value).__name__},"
            found = pickle.PicklingError(f"{what}{kind} cannot be pickled: {reason}")
            found.__cause__ = reason
            return found
    found = pickle.PicklingError(f"the call of `{name}` cannot be pickled: {error}")
    found.__cause__ = error
    return found


def _recycling(calls: Optional[int]) -> Dict[str, Any]:
    """Returns the settings that replace a worker after this number of calls."""
    return {"process_per_job": True} if calls == 1 else {"recycle_jobs": calls}


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def _refuse_fork(context: Any) -> None:
    method = getattr(context, "get_start_method", lambda: None)()
    if method == "fork":
        raise ValueError(
            "workers start as with `spawn`: they import the program, and do not inherit what it has in memory. "
            "Pass that by `initializer`, or leave `mp_context` out"
        )
