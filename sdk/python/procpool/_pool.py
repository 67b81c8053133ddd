"""`procpool.Pool`: a program has jobs run by worker processes, which it starts, or which a server has."""

from __future__ import annotations

import atexit
import json
import os
import sys
import weakref
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple, Type, Union
from urllib.parse import quote

from ._client import Address, Answer, Buffer, Client
from ._dispatcher import Dispatcher
from ._frames import JSON
from ._lifetime import when_collected
from ._nesting import refuse_while_starting
from ._outcomes import JobError, ServerError
from ._server import Server
from ._settings import duration, inheritable, settings_of, workers_of
from ._stream import Stream
from ._values import encode

# The most jobs of futures, and apart from them of `run`, that are at the server at a time.
_MOST = 256
# The number of outputs that `map` is ahead of its reader.
_WINDOW = 64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from ._futures import JobFuture

Seconds = Union[int, float, str, None]


class Pool:
    """Runs jobs in worker processes that this program starts: a crash costs one job.

        with procpool.Pool("words:word_count", workers=4, timeout=5) as pool:
            pool.run("to be or not to be")

    target        `"module:function"`, a function that knows nothing of procpool, or the command of any
                  worker executable as a list.
    workers       Number of workers, or a minimum and a maximum. Default: one for each processor.
    timeout       Seconds for queue and run together; `None` for no limit. Default: 30.
    python        The interpreter, for a target that is a function. Default: this one.
    env           Environment variables of the workers, over those of this program.
    inherit_env   Names of the variables that workers inherit. Default: all.
    current_dir   Directory of the workers. Default: that of this program.
    settings      Any other key of docs/configuration.md: `memory_limit="1 GiB"`, `idempotent=True`,
                  `run_timeout=2.5`. Durations are in seconds.

    Raises `ServerError` if the server or the first workers do not start, with the reason.
    The pool may be used by any number of threads. Inputs and outputs are JSON values, or bytes.
    """

    def __init__(
        self,
        target: Union[str, Sequence[str]],
        *,
        workers: Union[int, Tuple[int, int], None] = None,
        timeout: Seconds = 30,
        python: str = sys.executable,
        env: Optional[Mapping[str, str]] = None,
        inherit_env: Optional[Iterable[str]] = None,
        current_dir: Union[str, os.PathLike[str], None] = None,
        **settings: Any,
    ) -> None:
        keys = pool_keys(target, workers, python, env, inherit_env, current_dir, {"timeout": timeout, **settings})
        refuse_while_starting("Pool")
        server = Server(keys, {"max_connections": 4 * _MOST})
        server.address()
        self._set_up(server, server.address, "pool")

    @classmethod
    def at(cls, url: str, name: str) -> Pool:
        """Returns a pool of a server that is already there: `Pool.at("http://127.0.0.1:3000", "resize")`.

        `unix:/PATH` names a server that listens on a Unix socket. Nothing is sent before the first job.
        """
        address = Address.of(url)
        pool = cls.__new__(cls)
        pool._set_up(None, lambda _: address, name)
        return pool

    def _set_up(self, server: Optional[Server], address: Callable[[bool], Address], name: str) -> None:
        host = address(False).host
        self._path = f"/v1/pools/{quote(name, safe='')}"
        self._host = host
        self._heads: Dict[Tuple[int, Optional[Seconds]], str] = {}
        self._client = Client(address, _MOST)
        self._dispatcher = Dispatcher(self._client, _MOST)
        self._server = server
        self._open = when_collected(self, _end, self._dispatcher, self._client, server)
        _pools.add(self)

    def run(self, value: Any, *, timeout: Seconds = "") -> Any:
        """Runs a job and returns its output: bytes for raw bytes, else the JSON value.

        `timeout` are seconds for this job, up to the pool's `max_timeout`. An exception meanwhile, such as
        `KeyboardInterrupt`, cancels the job. Raises a `JobError` of the outcome, and `TypeError` or
        `ValueError` for an input that is neither bytes nor JSON.
        """
        self._check_open()
        head, parts = self._request(value, timeout)
        return output_of(self._client.exchange(head, parts))

    def submit(self, value: Any, *, timeout: Seconds = "") -> JobFuture:
        """Has a job run. Returns its future, whose `cancel()` cancels the job, also one that runs."""
        head, parts = self._request(value, timeout)
        return self._dispatcher.submit(head, parts, sum(map(len, parts)), output_of)

    async def arun(self, value: Any, *, timeout: Seconds = "") -> Any:
        """Runs a job without blocking the event loop. A cancel of the task cancels the job."""
        from asyncio import wrap_future

        return await wrap_future(self.submit(value, timeout=timeout))

    def stream(self, value: Any, *, timeout: Seconds = "") -> Stream:
        """Has a job run, and returns its chunks as they come: what a generator yields, or `ctx.chunk` sends.

        Raises a `JobError` at once if the job is not accepted.
        """
        self._check_open()
        head, parts = self._request(value, timeout)
        return Stream(self._client.connect(), head, parts)

    def map(
        self, values: Iterable[Any], window: int = _WINDOW, *, timeout: Seconds = "", return_errors: bool = False
    ) -> Iterator[Any]:
        """Runs a job for each value, and yields the outputs in the order of the values.

        `window` is the maximum number of jobs that are ahead of the reader: `values` may be endless. A job
        that fails raises, and the jobs ahead are cancelled. With `return_errors`, its error is yielded
        instead, and the others go on.
        """
        if window < 1:
            raise ValueError(f"window={window}: at least 1")
        ahead: Deque[JobFuture] = deque()
        inputs = iter(values)
        try:
            for value in inputs:
                ahead.append(self.submit(value, timeout=timeout))
                if len(ahead) >= window:
                    yield _result(ahead.popleft(), return_errors)
            while ahead:
                yield _result(ahead.popleft(), return_errors)
        finally:
            for future in ahead:
                future.cancel()

    def status(self) -> Dict[str, Any]:
        """Returns what the server knows of the pool: queue, workers by state, jobs by outcome, times."""
        found: Dict[str, Any] = self._client.get(self._path, self._host)
        return found

    def workers(self) -> List[Dict[str, Any]]:
        """Returns the workers, with `id`, `pid`, `state`, `job` and `jobs_done`."""
        found: List[Dict[str, Any]] = self._client.get(f"{self._path}/workers", self._host)["workers"]
        return found

    def close(self, *, cancel: bool = False) -> None:
        """Waits for the jobs of futures, or cancels them, and ends the server if this pool started it."""
        if not self._open.alive:
            return
        if cancel:
            self._dispatcher.cancel_all()
        self._dispatcher.wait()
        if self._open.detach() is not None:
            _end(self._dispatcher, self._client, self._server)

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close(cancel=kind is not None)

    def _check_open(self) -> None:
        if not self._open.alive:
            raise RuntimeError("the pool was closed")

    def _request(self, value: Any, timeout: Seconds) -> Tuple[bytes, Sequence[Buffer]]:
        try:
            kind, body = encode(value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"the input of a job is bytes or JSON: {error}") from None
        head = self._heads.get((kind, timeout))
        if head is None:
            head = self._head(kind, timeout)
        return b"%s%d\r\n\r\n" % (head.encode("ascii"), len(body)), (body,) if len(body) else ()

    def _head(self, kind: int, timeout: Seconds) -> str:
        query = "" if timeout == "" else f"?timeout={duration('timeout', timeout)}"
        content = "json" if kind == JSON else "octet-stream"
        head = (
            f"POST {self._path}/jobs{query} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Content-Type: application/{content}\r\nContent-Length: "
        )
        if len(self._heads) < 100:
            self._heads[kind, timeout] = head
        return head


def _result(future: JobFuture, return_errors: bool) -> Any:
    try:
        return future.result()
    except JobError as error:
        if return_errors:
            return error
        raise
    finally:
        del future


def output_of(answer: Answer) -> Any:
    """Returns the output that an answer brings, or raises the error that it stands for."""
    if answer.status != 200:
        raise answer.error()
    body = bytes(answer.body)
    return json.loads(body) if answer.is_json else body


def _end(dispatcher: Dispatcher, client: Client, server: Optional[Server]) -> None:
    dispatcher.close()
    client.close()
    if server is not None:
        server.close()


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Cancels the jobs that are left, and ends the servers."""
    for pool in list(_pools):
        pool.close(cancel=True)


def pool_keys(
    target: Union[str, Sequence[str]],
    workers: Union[int, Tuple[int, int], None],
    python: str,
    env: Optional[Mapping[str, str]],
    inherit_env: Optional[Iterable[str]],
    current_dir: Union[str, os.PathLike[str], None],
    other: Mapping[str, Any],
) -> Dict[str, Any]:
    """Returns the keys of a pool's table."""
    keys: Dict[str, Any] = {}
    own = dict(env or {})
    if isinstance(target, str):
        if ":" not in target:
            raise ValueError(f"{target!r} names no function: write `module:function`, or a command as a list")
        if not python:
            raise ServerError("this program does not know its interpreter: pass `python=`")
        keys["command"] = [python, "-m", "procpool", target]
        own.setdefault("PYTHONPATH", os.pathsep.join(import_path(python)))
    else:
        keys["command"] = [os.fspath(word) for word in target]
    if workers is not None:
        keys["min_workers"], keys["max_workers"] = workers_of(workers)
    keys["env"] = own
    keys["inherit_env"] = [
        name for name in (inheritable(os.environ) if inherit_env is None else inherit_env) if name not in own
    ]
    keys["current_dir"] = os.path.abspath(os.fspath(current_dir)) if current_dir is not None else os.getcwd()
    keys.update(settings_of(other))
    return keys


def import_path(python: str) -> List[str]:
    """Returns the directories from which this program imports, and that of this package."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = [os.path.abspath(each) for each in sys.path if each]
    if python != sys.executable:
        # Another interpreter has a standard library of its own.
        own = (sys.prefix, sys.base_prefix)
        found = [each for each in found if not each.startswith(tuple(os.path.join(prefix, "lib") for prefix in own))]
    if package not in found:
        found.append(package)
    return [each for each in found if os.pathsep not in each and os.path.exists(each)]
