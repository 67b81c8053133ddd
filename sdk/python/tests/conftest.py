"""Fixtures: a server with pools of Python workers, and a coordinator that a test plays itself."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any, Callable, List, Optional

import pytest
from coordinator import Coordinator
from server import Server

HERE = Path(__file__).parent

# A shell has what it runs in the background ignore this signal, and programs that the tests start inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def procpool() -> str:
    """The command `procpool`: `$PROCPOOL`, or the one on PATH."""
    found = os.environ.get("PROCPOOL") or shutil.which("procpool")
    if not found:
        pytest.skip("there is no `procpool`: set $PROCPOOL, or put it on PATH")
    return found


@pytest.fixture
def serve(procpool: str, tmp_path: Path) -> Callable[..., Server]:
    """Makes a server with one pool for each function of `job_functions`."""

    def make(*functions: str, **keys: Any) -> Server:
        return Server(procpool, tmp_path, list(functions), keys)

    return make


@pytest.fixture
def play() -> Callable[..., Coordinator]:
    """Makes a worker of a function of `job_functions`, with the test as its coordinator."""

    def make(function: str, command: Optional[List[str]] = None, **options: Any) -> Coordinator:
        target = function if ":" in function else f"job_functions:{function}"
        return Coordinator(command or [sys.executable, "-m", "procpool", target], **options)

    return make
