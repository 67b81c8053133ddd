"""Jobs whose state a template loads."""

from __future__ import annotations

import asyncio
import atexit
import os
import random
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, List

import procpool


class Rooted:
    """Tells who has loaded the state, and who runs the job."""

    def __init__(self) -> None:
        self.root = os.getpid()
        self.jobs = 0
        sys.stdout.write("loading, ")

    def __call__(self, how: str = "") -> Dict[str, Any]:
        self.jobs += 1
        if how == "abort":
            os.abort()
        if how == "print":
            print("in the job")
        return {
            "root": self.root,
            "pid": os.getpid(),
            "parent": os.getppid(),
            "leads": os.getsid(0) == os.getpid(),
            "jobs": self.jobs,
            "random": random.random(),
        }


class Threaded:
    def __init__(self) -> None:
        self.helper = threading.Thread(target=threading.Event().wait, name="a-helper", daemon=True)
        self.helper.start()

    def __call__(self) -> None: ...


class Joined:
    """Threads that have ended before the state is loaded."""

    def __init__(self) -> None:
        with ThreadPoolExecutor(4) as pool:
            self.squares = list(pool.map(lambda n: n * n, range(100)))

    def __call__(self) -> int:
        with ThreadPoolExecutor(4) as pool:
            return sum(pool.map(lambda n: n, self.squares))


class Numbers:
    def __init__(self) -> None:
        import numpy as np

        np.random.seed(1)
        self.table = np.arange(1000.0)

    def __call__(self) -> List[float]:
        import numpy as np

        return [float(self.table.sum()), float(np.random.random())]


class Tidy:
    """Has a temporary directory, and so has each job."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="procpool-test-")
        atexit.register(Path(self.folder.name, "ended").write_text, "ended", encoding="utf-8")

    def __call__(self, path: str) -> List[Any]:
        self.mine = tempfile.TemporaryDirectory(prefix="procpool-test-")
        atexit.register(self.fail)
        atexit.register(Path(path).write_text, "the job's own", encoding="utf-8")
        ended = Path(self.folder.name, "ended")
        return [self.folder.name, self.mine.name, ended.exists()]

    def fail(self) -> None:
        raise OSError("at the end")


class Forks:
    """Forks while it loads, and in jobs."""

    def __init__(self) -> None:
        child = os.fork()
        if child:
            self.status = os.waitpid(child, 0)[1]

    def __call__(self) -> List[int]:
        child = os.fork()
        if child:
            return [os.WEXITSTATUS(self.status), os.WEXITSTATUS(os.waitpid(child, 0)[1])]
        sys.exit(5)


class Asynchronous:
    """Leaves a task and an idle executor on the loop of its loading."""

    async def load(self) -> None:
        self.number = await asyncio.to_thread(lambda: 2)
        self.left = asyncio.ensure_future(asyncio.sleep(3600))

    async def __call__(self, n: int) -> List[Any]:
        await asyncio.sleep(0.001)
        return [self.number * n, self.left.cancelled()]


asynchronous = Asynchronous()


@procpool.job(init=asynchronous.load)
async def waits(n: int) -> List[Any]:
    return await asynchronous(n)
