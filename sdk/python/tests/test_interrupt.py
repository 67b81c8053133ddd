"""When `Cancelled` is raised, and that it is known to have been."""

from __future__ import annotations

from typing import Any

import pytest

from procpool import Cancelled
from procpool._interrupt import Interrupts


class _Job:
    _is_cancelled = True


def _armed() -> Any:
    interrupts: Any = Interrupts()
    interrupts.armed = _Job()
    return interrupts, interrupts.armed


def test_a_cancel_is_raised_once_and_remembered() -> None:
    interrupts, job = _armed()
    with pytest.raises(Cancelled):
        interrupts._handle(0, None)
    assert (interrupts.raised, interrupts.armed) == (job, None)
    interrupts._handle(0, None)


def test_a_cancel_that_waits_for_the_end_of_a_frame_is_remembered_too() -> None:
    interrupts, job = _armed()
    with pytest.raises(Cancelled), interrupts:
        interrupts._handle(0, None)
    assert (interrupts.raised, interrupts.armed) == (job, None)
