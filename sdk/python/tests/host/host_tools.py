"""What the host's tests have in common: the import path of workers, and pipes by which jobs report."""

from __future__ import annotations

import os
import select
from typing import Dict, List

PATIENCE = 60_000
HERE = os.path.dirname(os.path.abspath(__file__))


def own_path() -> Dict[str, str]:
    """The import path of workers: this directory, and the package."""
    return {"PYTHONPATH": os.pathsep.join((HERE, os.path.dirname(os.path.dirname(HERE))))}


def ended(pid: int) -> bool:
    """Waits for the end of a process that may be no child of this one."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(PATIENCE))
    finally:
        os.close(descriptor)


class Signpost:
    """A pipe with a name, to which jobs write a line each."""

    def __init__(self, path: str) -> None:
        os.mkfifo(path)
        self.path = path
        # Reading and writing, so that neither side waits to open it, and nobody sees the end of file.
        self._file = os.fdopen(os.open(path, os.O_RDWR), "rb", buffering=0)
        self._lines: List[str] = []

    def wait(self) -> str:
        """Returns the next line."""
        while not self._lines:
            self._lines += self._file.read(65536).decode().splitlines()
        return self._lines.pop(0)

    def close(self) -> None:
        self._file.close()
