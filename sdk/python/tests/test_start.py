"""Starts that go wrong, and starts by hand: each has a sentence with the name and the way out."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, List

import pytest
from coordinator import Coordinator, Frame
from server import HERE, Server

Serve = Callable[..., Server]
Play = Callable[..., Coordinator]

BROKEN_STARTS = [
    ("job_functions:no_such", "`job_functions` has no `no_such`: it has "),
    ("job_functions:NUMBER.real.no_such", "`job_functions` has no `NUMBER.real.no_such`: it has no functions"),
    ("broken_names:function", "`broken_names` has no `function`: it has own"),
    ("no_such_module:function", "failed to import `no_such_module`: ModuleNotFoundError: No module named"),
    ("broken_module:function", "ModuleNotFoundError: No module named 'no_such_module_of_this_test'"),
    ("exiting_module:function", "failed to import `exiting_module`: SystemExit: no licence"),
    ("job_functions:NUMBER", "3 is no function"),
    ("job_functions:Speechless", "has no `__call__`"),
    ("job_functions:Needy", "`Needy` needs path"),
    ("job_functions", "write `module:function`"),
    ("job_functions.py:echo", "is a file: name its module"),
    ("builtins:max", "failed to find the parameters of `max`"),
]


def by_hand(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=HERE, env=env, **options
    )


def failure_of(found: Frame) -> List[str]:
    texts, at = [], 0
    for _ in range(2):
        length, at = found.header[at], at + 1
        if length == 0xFB:
            length, at = int.from_bytes(found.header[at : at + 2], "little"), at + 2
        texts.append(found.header[at : at + length].decode())
        at += length
    return texts


@pytest.mark.parametrize(("target", "said"), BROKEN_STARTS)
def test_broken_starts_say_why_instead_of_hello(play: Play, target: str, said: str) -> None:
    with play("", [sys.executable, "-m", "procpool", target]) as worker:
        assert worker.exactly(worker.jobs, 16)
        found = worker.next()
        assert found.kind == 0x11
        code, message = failure_of(found)
        assert code == "failed"
        assert said in message
        assert worker.exit_code() == 1
        assert said in worker.stderr()


def test_a_module_with_a_syntax_error(play: Play, tmp_path: Path) -> None:
    (tmp_path / "misspelt.py").write_text("def function(value):\n    retrun value\n")
    said = "failed to import `misspelt`: SyntaxError: invalid syntax (misspelt.py, line 2)"
    env = {"PYTHONPATH": os.pathsep.join((str(HERE.parent), str(tmp_path)))}
    with play("misspelt:function", env=env) as worker:
        assert worker.exactly(worker.jobs, 16)
        assert failure_of(worker.next()) == ["failed", said]
        assert worker.exit_code() == 1
        printed = worker.stderr()
        assert said in printed
        assert "retrun value" in printed


def test_an_import_that_never_ends_does_not_outlive_the_coordinator(play: Play) -> None:
    with play("", [sys.executable, "-m", "procpool", "endless_module:function"]) as worker:
        assert worker.process.stderr is not None
        child = int(worker.process.stderr.readline().split()[1])
        descriptor = os.pidfd_open(child)
        try:
            worker.control.close()
            assert worker.exit_code() == -signal.SIGKILL
            assert select.select([descriptor], [], [], 30)[0]
        finally:
            os.close(descriptor)


@pytest.mark.parametrize(("target", "said"), BROKEN_STARTS)
def test_broken_starts_by_hand(target: str, said: str) -> None:
    found = by_hand("-m", "procpool", target)
    assert found.returncode == 1
    assert said in found.stderr
    assert by_hand("-m", "procpool", target, "--describe").returncode == 1


def test_a_state_that_does_not_load(play: Play) -> None:
    with play("Unloadable") as worker:
        assert worker.exactly(worker.jobs, 16)
        assert worker.next().kind == 1
        found = worker.next()
        assert found.kind == 0x11
        assert failure_of(found) == ["failed", "FileNotFoundError: model.bin"]
        assert worker.exit_code() == 1


@pytest.mark.parametrize(
    ("target", "said"), [("no_such_module:function", "No module named 'no_such_module'"), ("Unloadable", "model.bin")]
)
def test_the_server_says_why_nobody_serves(serve: Serve, target: str, said: str) -> None:
    with pytest.raises(AssertionError, match=f"error: failed to start a worker of .*{said}"), serve(target):
        pass


def test_served_by_a_script(play: Play) -> None:
    for case, result in (("async", ["asynchronously"]), ("data", ["from [1]"]), ("lambda", [0])):
        with play("", [sys.executable, "serving_script.py", case], worker_data=b"[1]") as worker:
            worker.ready()
            assert worker.run(0).value == result
    with play("", [sys.executable, "serving_script.py", "quiet"]) as worker:
        worker.ready()
        assert worker.run(0).status == 6
        assert worker.run(1).value == 1
    with play("", [sys.executable, "serving_script.py", "panic"]) as worker:
        worker.ready()
        assert worker.run(0).status == 3
        assert worker.exit_code() == 101


@pytest.mark.parametrize(
    ("case", "code", "said", "hello"),
    [
        ("refuse", "no_licence", "no licence", True),
        ("leave", "failed", "SystemExit: leaving", True),
        ("option", "failed", "exceptions='raise'", False),
        ("thread", "failed", "call it on the main thread", False),
    ],
)
def test_scripts_that_cannot_serve(play: Play, case: str, code: str, said: str, hello: bool) -> None:
    with play("", [sys.executable, "serving_script.py", case]) as worker:
        assert worker.exactly(worker.jobs, 16)
        if hello:
            assert worker.next().kind == 1
        found = worker.next()
        assert found.kind == 0x11
        assert failure_of(found)[0] == code
        assert said in failure_of(found)[1]
        assert worker.exit_code() == 1


def test_started_by_hand() -> None:
    found = by_hand("-m", "procpool", "job_functions:word_count")
    assert found.returncode == 2
    assert found.stdout == ""
    for part in ("worker for job `word-count`", "[pools.word-count]", '"-m", "procpool", "job_functions:word_count"]'):
        assert part in found.stderr
    assert by_hand("-m", "procpool", "job_functions:word_count", "--help").returncode == 0
    assert by_hand("-m", "procpool").returncode == 2
    assert "usage" in by_hand("-m", "procpool", "--help").stdout


def test_described() -> None:
    found = by_hand("-m", "procpool", "job_functions:word_count", "--describe")
    assert found.returncode == 0
    described = json.loads(found.stdout)
    assert described["job"] == "word-count"
    assert described["output"] == {"type": "object", "additionalProperties": {"type": "integer"}}
    assert json.loads(by_hand("conformance_fixture.py", "--describe").stdout)["job"] == "conformance"


def test_saved_jobs_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "x.job"
    path.write_bytes(b"PROCPOOL")
    line = ("-m", "procpool", "job_functions:echo", "--replay")
    for arguments, said in (
        ((str(path),), "failed to read the saved job"),
        ((str(tmp_path / "absent"),), "No such file"),
        ((), "`--replay` needs one file"),
    ):
        found = by_hand(*line, *arguments)
        assert found.returncode == 2
        assert said in found.stderr


def test_a_start_imports_little() -> None:
    heavy = ["typing", "inspect", "dataclasses", "logging", "traceback", "asyncio", "socket", "ctypes", "ast"]
    code = (
        "import sys, procpool.__main__, procpool._start, procpool._by_hand\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    found = by_hand("-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(HERE.parent)!r})\n{code}")
    assert found.stdout.strip() == "[]", found.stderr


def test_the_kernel_is_asked_for_a_signal() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(HERE.parent)!r})\n"
        "from procpool._death_signal import ask_for_a_signal\n"
        "ask_for_a_signal()\n"
        "import ctypes\n"
        "number = ctypes.c_int()\n"
        "ctypes.CDLL(None).prctl(2, ctypes.byref(number), 0, 0, 0)\n"
        "print(number.value)"
    )
    assert by_hand("-I", "-c", code).stdout.strip() == str(signal.SIGCONT.value)


OLD = "import sys; sys.version_info = (3, 8, 18); import runpy; runpy.run_module('procpool', alter_sys=True)"
AGE = f"procpool needs Python 3.9 or later, and {sys.executable} is Python 3.8: name a newer interpreter in `command`"


def test_an_interpreter_that_says_it_is_old() -> None:
    found = by_hand("-c", OLD)
    assert found.returncode == 1
    assert found.stderr.rstrip().endswith(f"ImportError: {AGE}")


def test_the_server_says_that_the_interpreter_is_old(serve: Serve) -> None:
    command = [sys.executable, "-c", OLD]
    with pytest.raises(AssertionError, match=re.escape(AGE)), serve("echo", command=command):
        pass


@pytest.mark.parametrize("name", ["python2.7", "python3.6", "python3.7", "python3.8"])
def test_old_interpreters_say_their_age(name: str) -> None:
    import shutil

    versions = sorted(Path.home().glob(f".pyenv/versions/{name[6:]}.*/bin/python"))
    python = shutil.which(name) if not versions else str(versions[0])
    if python is None:
        pytest.skip(f"there is no {name} here")
    env = {**os.environ, "PYTHONPATH": str(HERE.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    found = subprocess.run(
        [python, "-m", "procpool", "job_functions:echo"], capture_output=True, text=True, check=False, cwd=HERE, env=env
    )
    if "not found" in found.stderr and "pyenv" in found.stderr:
        pytest.skip(f"there is no {name} here")
    assert found.returncode == 1
    assert "procpool needs Python 3.9 or later, and " in found.stderr
    assert "SyntaxError" not in found.stderr
