"""Several jobs in one program: `procpool.serve(a, b)`. The pool names the one that a process serves."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Callable, Optional

import pytest
from coordinator import Coordinator, frame
from server import Server
from test_start import by_hand, failure_of

if TYPE_CHECKING:
    from pathlib import Path

Serve = Callable[..., Server]
Play = Callable[..., Coordinator]
COMMAND = [sys.executable, "serving_script.py", "several"]


def welcome(worker: Coordinator, job: Optional[str]) -> None:
    fields = {"mode": "jobs", "owned": True, "worker": "m-0", "pool": "m", "max_payload": 1 << 20}
    worker.jobs.sendall(frame(2, json.dumps({**fields, **({"job": job} if job else {})}).encode()))


@pytest.mark.parametrize(("job", "contract", "given", "result"), [("divide", 1, 4, 0.25), ("length", 3, "four", 4)])
def test_a_process_serves_the_job_that_it_is_asked_for(
    play: Play, job: str, contract: int, given: Any, result: Any
) -> None:
    with play("", COMMAND, welcome=False) as worker:
        welcome(worker, job)
        hello = worker.ready()
        assert (hello["job"], hello["contract"]) == (job, contract)
        assert worker.run(given).value == result
        worker.tell(0x35)
        assert worker.next_control().json["job"] == job


@pytest.mark.parametrize(("job", "asked"), [(None, "no job by its name"), ("other", "job `other`")])
def test_one_that_is_asked_for_none_of_them_lists_them(play: Play, job: Optional[str], asked: str) -> None:
    jobs = "`divide`, `length`, `inverse` and `unloadable`"
    said = f"pool `m` asks for {asked}, and this program has the jobs {jobs}: name one"
    with play("", COMMAND, welcome=False) as worker:
        welcome(worker, job)
        assert worker.exactly(worker.jobs, 16)
        found = worker.next()
        assert found.kind == 0x11
        code, message = failure_of(found)
        assert code == "job"
        assert said in message
        assert worker.exit_code() == 4
        assert said in worker.stderr()


def test_under_the_server(serve: Serve, tmp_path: Path, procpool: str) -> None:
    import subprocess

    folder = tmp_path / "failed"
    folder.mkdir()
    with serve("x", command=COMMAND, job="inverse", save_failed_jobs=str(folder)) as server:
        assert server.post("x", 4).value == 0.25
        path = server.post("x", 0).value["replay"]
    found = subprocess.run([procpool, "replay", path], capture_output=True, text=True, check=False)
    assert found.returncode == 101
    assert "ZeroDivisionError" in found.stderr
    with pytest.raises(AssertionError, match=r"asks for no job by its name.*`length`.*name one of them"):
        serve("x", command=COMMAND).__enter__()


def test_forked(serve: Serve) -> None:
    with serve("x", command=COMMAND, job="length", fork=True, process_per_job=True) as server:
        assert [server.post("x", text).value for text in ("a", "four")] == [1, 4]


@pytest.mark.parametrize(
    ("case", "said"), [("twice", "two of the jobs are called `divide`"), ("none", "there is no job: call")]
)
def test_jobs_that_nobody_could_choose(play: Play, case: str, said: str) -> None:
    with play("", [sys.executable, "serving_script.py", case]) as worker:
        assert worker.exactly(worker.jobs, 16)
        found = worker.next()
        assert found.kind == 0x11
        assert said in failure_of(found)[1]
        assert worker.exit_code() == 1


def test_described_and_explained() -> None:
    program = ("-c", "import serving_script; serving_script.CASES['several']()")
    described = json.loads(by_hand(*program, "--describe").stdout)
    assert [job["job"] for job in described["jobs"]] == ["divide", "length", "inverse", "unloadable"]
    assert described["jobs"][1]["input"] == {"type": "string"}
    explained = by_hand(*program).stderr
    assert "worker for job `divide`, contract version 1; job `length`, contract version 3; job" in explained
    assert 'job = "divide"' in explained
    assert "--attach SOCKET" in explained


def test_a_saved_job_of_another_program(tmp_path: Path, serve: Serve) -> None:
    folder = tmp_path / "failed"
    folder.mkdir()
    with serve("panics", save_failed_jobs=str(folder)) as server:
        path = server.post("panics", 0).value["replay"]
    found = by_hand("-m", "procpool", "job_functions:echo", "--replay", path)
    assert found.returncode == 2
    assert "is of job `panics`, contract version 1, and this worker of `echo`, version 1" in found.stderr
