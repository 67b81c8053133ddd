"""Starts `procpool serve` for a pool of this program, relays its log, and ends it with the program."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
from collections import deque
from typing import IO, Any, Deque, List, Mapping, Optional

from . import _runtime_dir as runtime
from ._client import Address
from ._outcomes import ServerError
from ._settings import configuration

# Lines of the server's log that an error of its start may cite.
_LINES = 50
# Seconds that the server has to end idle workers before it is told again, and then killed.
_PATIENCE = 10.0
# Seconds between the end of a dying server's socket and that of its process.
_END = 1.0
# What the server logs: warnings, and all that workers print.
_LOG_FILTER = "warn,hyper=error,h2=error,procpool::stdout=info,procpool::stderr=info"
# Threads that serve. A Python program keeps no third one busy. With one alone, a call after another takes 40 %
# longer.
_THREADS = "2"
# A line that a worker printed, as the server logs it.
_PRINTED = re.compile(r'\S+Z +INFO procpool::(stdout|stderr): (.*) worker="[^"]*"\n?\Z', re.DOTALL)


def find_procpool() -> str:
    """Returns the path of the command `procpool`: `$PROCPOOL`, that of `procpool[server]`, or the one on PATH."""
    named = os.environ.get("PROCPOOL")
    if named:
        if os.access(named, os.X_OK) and not os.path.isdir(named):
            return named
        raise ServerError(f"$PROCPOOL is {named!r}, which is no executable file")
    for folder in _script_folders():
        installed = os.path.join(folder, "procpool")
        if os.access(installed, os.X_OK) and os.path.isfile(installed):
            return installed
    found = shutil.which("procpool")
    if found is None:
        raise ServerError(
            "the command `procpool` is neither installed for this Python, nor on PATH: "
            "install `procpool[server]`, or let $PROCPOOL name the executable"
        )
    return found


def _script_folders() -> List[str]:
    """Returns the folders of scripts: those of this Python, of this user, and of `pip install --target`."""
    beside = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bin")
    return [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", f"{os.name}_user"), beside]


class Server:
    """A server for one pool. A server that has died is started anew for the next job."""

    def __init__(self, pool: Mapping[str, Any], server: Mapping[str, Any]) -> None:
        self._pool = pool
        self._settings = server
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._address: Optional[Address] = None
        self._log: Optional[_Log] = None
        self._is_closed = False

    def address(self, is_silent: bool = False) -> Address:
        """Returns the address of the running server, and starts it if there is none.

        `is_silent` says that nobody listens at the address. The server is then at its end.
        """
        address, process = self._address, self._process
        if is_silent and process is not None and self._owner == os.getpid():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END)
        if address is not None and (process is None or self._owner != os.getpid() or process.poll() is None):
            return address
        with self._lock:
            if self._is_closed:
                raise ServerError("the pool was closed")
            if self._owner != os.getpid():
                raise ServerError("this process is a fork of the one that has the pool, and the pool was not started")
            if self._process is None or self._process.poll() is not None or self._address is None:
                self._address = self._start()
            return self._address

    @property
    def pid(self) -> Optional[int]:
        """The server's process id."""
        return None if self._process is None else self._process.pid

    def _start(self) -> Address:
        command = find_procpool()
        text = configuration({"listen": f"unix:{runtime.socket_path()}", **self._settings}, self._pool)
        environment = dict(os.environ)
        environment.setdefault("RUST_LOG", _LOG_FILTER)
        environment["NO_COLOR"] = "1"
        environment.setdefault("TOKIO_WORKER_THREADS", _THREADS)
        try:
            process = subprocess.Popen(  # noqa: S603
                [command, "serve", "--config", "-", "--exit-with-parent"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                # Ctrl-C is for the program, which then decides about its jobs.
                start_new_session=True,
            )
        except OSError as error:
            raise ServerError(f"failed to start `{command}`: {error}") from None
        log = _Log(process)
        try:
            address = Address.of(_greeting(process, text))
        except BaseException as error:
            process.kill()
            process.wait()
            log.join()
            if isinstance(error, (OSError, ValueError)):
                raise ServerError(f"procpool did not start: {log.reason() or error}") from None
            raise
        self._process, self._log = process, log
        return address

    def close(self) -> None:
        """Ends the server: idle workers exit, and jobs that still run are ended."""
        with self._lock:
            self._is_closed = True
            process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            process.send_signal(number)
            try:
                process.wait(_PATIENCE)
                break
            except subprocess.TimeoutExpired:
                continue
        if self._log is not None:
            # What the workers printed last.
            self._log.join()
        if self._address is not None and isinstance(self._address.target, str):
            runtime.remove(self._address.target)


def _greeting(process: subprocess.Popen[bytes], text: str) -> str:
    """Hands the configuration over, and returns the address that the server's first line promises."""
    if process.stdin is None or process.stdout is None:
        raise ValueError("the server has no pipes")
    try:
        with process.stdin:
            process.stdin.write(text.encode())
    except BrokenPipeError:
        pass  # It says why on standard error.
    with process.stdout:
        line = process.stdout.readline().decode("utf-8", "replace")
    word, _, url = line.strip().partition("listening on ")
    if word or not url:
        raise ValueError(f"its first line was {line!r}" if line else f"it exited with {process.wait()}")
    return url


class _Log:
    """Writes what workers print where this program prints, and the server's log to standard error."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._lines: Deque[str] = deque(maxlen=_LINES)
        self._thread = threading.Thread(target=self._relay, args=(process.stderr,), name="procpool-log", daemon=True)
        self._thread.start()

    def reason(self) -> str:
        """Returns what the server said last: its errors, or else all that it said."""
        errors = [line[len("error: ") :] for line in self._lines if line.startswith("error: ")]
        return "\n".join(errors or self._lines)

    def join(self) -> None:
        """Waits until all was written. A process that a job has left behind may hold the log open."""
        self._thread.join(1)

    def _relay(self, source: IO[bytes]) -> None:
        with source:
            for raw in source:
                line = raw.decode("utf-8", "replace")
                printed = _PRINTED.match(line)
                stream = sys.stderr
                if printed:
                    stream = sys.stdout if printed[1] == "stdout" else sys.stderr
                    line = printed[2] + "\n"
                else:
                    self._lines.append(line.rstrip("\n"))
                try:
                    stream.write(line)
                    stream.flush()
                except (AttributeError, OSError, ValueError):
                    continue  # Standard output may be closed, and the server must not block.
