"""Fixtures of the host's tests: a pool of `host_jobs`, and pipes by which jobs say where they are."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Callable, Iterator

import pytest
from host_tools import Signpost, own_path

import procpool


@pytest.fixture(autouse=True)
def _needs_procpool(procpool: str) -> None:
    """Skips, with a word, where there is no server."""


@pytest.fixture
def pool() -> Iterator[Callable[..., procpool.Pool]]:
    """Starts pools of functions of `host_jobs`, with one worker where nothing else is said."""
    with ExitStack() as stack:

        def start(function: str, **settings: Any) -> procpool.Pool:
            target = function if ":" in function else f"host_jobs:{function}"
            return stack.enter_context(procpool.Pool(target, **{"workers": 1, "env": own_path(), **settings}))

        yield start


@pytest.fixture
def executor() -> Iterator[Callable[..., procpool.Executor]]:
    """Starts executors, with two workers where nothing else is said."""
    with ExitStack() as stack:

        def start(**settings: Any) -> procpool.Executor:
            return stack.enter_context(procpool.Executor(**{"max_workers": 2, **settings}))

        yield start


@pytest.fixture
def signpost(tmp_path: Any) -> Iterator[Signpost]:
    post = Signpost(str(tmp_path / "signpost"))
    yield post
    post.close()
