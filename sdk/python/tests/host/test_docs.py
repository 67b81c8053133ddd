"""The page about hosts in Python: its first program runs as it stands, its names exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import cpython
from host_tools import HERE, own_path

import procpool

PAGE = os.path.join(HERE, *[os.pardir] * 4, "docs", "python-hosts.md")


def page() -> str:
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


def test_the_first_program_runs_as_a_file(tmp_path: Any) -> None:
    code = re.findall(r"```python\n(.*?)```", page(), re.DOTALL)[0]
    program = tmp_path / "program.py"
    program.write_text(code)
    environment = {**os.environ, **own_path()}
    done = subprocess.run([sys.executable, str(program)], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{2**100}\n", "")


def test_the_classes_of_the_page_are_there() -> None:
    from procpool import _host

    named = set(re.findall(r"`([A-Z][a-z]+[A-Za-z]*)`", page()))
    others = {"BrokenProcessPool", "CancelledError", "Manager", "ProcessPoolExecutor", *cpython.LEFT_OUT}
    assert {name for name in named if not hasattr(procpool, name)} <= others
    assert all(name in page() for name in _host.__all__ if name not in ("JobFuture", "WorkerCrashed", "WorkersFail"))


def test_the_table_names_the_tests_of_cpython_that_are_left_out() -> None:
    table = {
        name: reason
        for names, reason in re.findall(r"^\| ((?:`\w*[Tt]est[\w.]*`(?:, )?)+) \| (.*) \|$", page(), re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", names)
    }
    assert table == cpython.LEFT_OUT


def test_workers_do_not_import_the_host_side() -> None:
    check = (
        "import sys, procpool._pickled; print([n for n in ('procpool._host', 'socket', 'typing') if n in sys.modules])"
    )
    environment = {**os.environ, **own_path()}
    done = subprocess.run([sys.executable, "-c", check], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_names_that_are_none() -> None:
    assert not hasattr(procpool, "Pol")
