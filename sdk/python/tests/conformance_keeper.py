"""The job `conformance-keep`: returns the input of the job before, which it has kept without a copy."""

from __future__ import annotations

import sys
from pathlib import Path

# The kit passes no environment on: `procpool conform python3 tests/conformance_keeper.py`.
sys.path.insert(0, str(Path(__file__).parents[1]))

import procpool

_kept = memoryview(b"")


@procpool.job(name="conformance-keep", version=1)
def keep(body: memoryview) -> memoryview:
    """Returns the body of the job before."""
    global _kept
    before, _kept = _kept, body
    return before


if __name__ == "__main__":
    procpool.serve(keep)
