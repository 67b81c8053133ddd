"""The conformance kit against the fixture: every check that a hostile coordinator makes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from server import HERE


def test_the_kit_finds_nothing(procpool: str) -> None:
    commands = subprocess.run([procpool, "--help"], capture_output=True, text=True, check=True).stdout
    if "conform" not in commands:
        pytest.skip("this `procpool` has no `conform`")
    line = [procpool, "conform", "--", sys.executable, str(HERE / "conformance_fixture.py")]
    found = subprocess.run(line, capture_output=True, text=True, check=False)
    wrong = [report for report in found.stdout.split("\n") if not report.startswith(("ok", "skip"))]
    assert found.returncode == 0, "\n".join(wrong)
    assert ", 0 not ok, 0 advice, " in found.stdout, "\n".join(wrong)
