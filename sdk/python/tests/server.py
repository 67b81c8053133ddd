"""`procpool serve` with a configuration, and requests to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional
from urllib.parse import urlsplit

HERE = Path(__file__).parent
PATIENCE = 60.0
_ADDRESS = re.compile(r"listening on http://(\S+)")


def pool_of(function: str) -> str:
    """Returns the name of a function's pool."""
    return function.rpartition(":")[2].lower()


class Answer(NamedTuple):
    """What the server answered."""

    status: int
    headers: Dict[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)


class Server:
    """A running server. `with` ends it, and checks that it ends well."""

    def __init__(self, procpool: str, folder: Path, functions: List[str], keys: Dict[str, Any]) -> None:
        self._lines: queue.Queue[Optional[str]] = queue.Queue()
        self.log: List[str] = []
        settings = {"max_workers": 1, "timeout": "30s", "grace": "2s", **keys}
        self.attach_dir = folder / "attach"
        pools = []
        for function in functions:
            target = function if ":" in function else f"job_functions:{function}"
            spawned = {"command": [sys.executable, "-m", "procpool", target], "current_dir": str(HERE), **settings}
            lines = [
                f"[pools.{pool_of(function)}]",
                *(f"{key} = {json.dumps(value)}" for key, value in (settings if "attach" in keys else spawned).items()),
            ]
            if "attach" not in keys:
                lines.append(f'env = {{ PYTHONPATH = "{HERE.parent}" }}')
            pools.append("\n".join(lines))
        config = folder / "procpool.toml"
        server = ["[server]", 'listen = "127.0.0.1:0"', f'attach_dir = "{self.attach_dir}"', ""]
        config.write_text("\n\n".join(["\n".join(server), *pools, ""]))
        self.process = subprocess.Popen(
            [procpool, "serve", "--config", str(config), "-vv"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "NO_COLOR": "1"},
        )
        self.address = ""

    def __enter__(self) -> Server:
        assert self.process.stdout is not None
        threading.Thread(target=self._read_log, daemon=True).start()
        line = self.process.stdout.readline().decode()
        found = _ADDRESS.match(line)
        if not found:
            self.process.wait(PATIENCE)
            self.__exit__()
            raise AssertionError(f"the server did not start: {line}{''.join(self.log)}")
        self.address = urlsplit(f"//{found.group(1)}").netloc
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            finally:
                self.process.kill()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        with contextlib.suppress(ValueError):
            for line in self.process.stderr:
                self.log.append(line.decode(errors="replace"))
                self._lines.put(self.log[-1])
        self._lines.put(None)

    def wait_for_line(self, pattern: str) -> str:
        """Returns the first line of the log that matches, which may come yet."""
        at = 0
        while True:
            while at == len(self.log):
                assert self._lines.get(timeout=PATIENCE) is not None, f"no line matches {pattern}:\n{''.join(self.log)}"
            if re.search(pattern, self.log[at]):
                return self.log[at]
            at += 1

    def request(self, method: str, path: str, body: Optional[bytes] = None, kind: str = "application/json") -> Answer:
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Content-Type": kind})
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())

    def post(self, pool: str, value: Any = None, query: str = "") -> Answer:
        """Runs a job whose input is JSON."""
        return self.request("POST", f"/v1/pools/{pool}/jobs{query}", json.dumps(value).encode())

    def post_bytes(self, pool: str, body: bytes, kind: str = "application/octet-stream", query: str = "") -> Answer:
        """Runs a job whose input is these bytes."""
        return self.request("POST", f"/v1/pools/{pool}/jobs{query}", body, kind)

    def workers(self, pool: str) -> List[Dict[str, Any]]:
        answer = self.request("GET", f"/v1/pools/{pool}/workers")
        workers = answer.value["workers"]
        assert isinstance(workers, list)
        return workers

    def pid(self, pool: str) -> int:
        """Returns the process id of the pool's only worker."""
        [worker] = self.workers(pool)
        return int(worker["pid"])

    def wait_for_worker(self, pool: str) -> int:
        """Returns the process id of a worker that is ready, when there is one."""
        while True:
            for worker in self.workers(pool):
                if worker["state"] in ("idle", "busy"):
                    return int(worker["pid"])

    def wait_until_gone(self, pool: str, pid: int) -> None:
        """Returns when the pool knows that this worker is gone."""
        while any(worker["pid"] == pid for worker in self.workers(pool)):
            pass

    @contextlib.contextmanager
    def same_process(self, pool: str) -> Iterator[None]:
        """Checks that the worker that was there before is there afterwards."""
        before = self.pid(pool)
        yield
        assert self.pid(pool) == before
