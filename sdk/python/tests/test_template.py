"""Workers that are forked from a template: with a coordinator that the test plays, and under the real server."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Callable, Iterator

import pytest
from server import HERE, Server

if TYPE_CHECKING:
    from pathlib import Path

    from coordinator import Coordinator, Fork, Frame

Serve = Callable[..., Server]
PING, SHUTDOWN, DESCRIBE, CANCEL = 0x32, 0x34, 0x35, 0x30
READY, START_FAILED, FORK_FAILED = 0x10, 0x11, 0x3C
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture
def template(play: Any) -> Callable[..., Any]:
    """Makes a template that has loaded its state."""

    @contextlib.contextmanager
    def make(function: str, **options: Any) -> Iterator[Coordinator]:
        with play(f"forked_functions:{function}", template=True, **options) as worker:
            assert worker.ready()["forks"] is True
            yield worker

    return make


@contextlib.contextmanager
def forked(template: Coordinator, sequence: int = 1, **options: Any) -> Iterator[Fork]:
    with template.fork(sequence, **options) as fork:
        fork.ready()
        yield fork


def text_of(failed: Frame) -> str:
    return failed.header.decode(errors="replace")


# With a coordinator that the test plays.


def test_forks_have_the_state_and_are_children_of_the_coordinator(template: Any) -> None:
    with template("Rooted") as root, forked(root, 1) as one, forked(root, 2) as two:
        found = [fork.run("").value for fork in (one, two)]
        assert [each["root"] for each in found] == [root.process.pid] * 2
        assert [each["pid"] for each in found] == [one.pid, two.pid]
        assert len({root.process.pid, one.pid, two.pid}) == 3
        for each in found:
            assert (each["parent"], each["leads"], each["jobs"]) == (os.getpid(), True, 1)
        assert found[0]["random"] != found[1]["random"]
        assert one.run("").value["jobs"] == 2


def test_a_fork_ends_like_a_worker_and_the_template_forks_the_next(template: Any) -> None:
    with template("Rooted", env={"PYTHONUNBUFFERED": ""}) as root:
        with forked(root, 1) as fork:
            fork.run("print")
            fork.jobs.close()
            fork.tell(SHUTDOWN)
            assert fork.exit_code() == 0
            # What the template had not written yet is its own.
            assert fork.stdout() == "in the job\n"
        with forked(root, 2) as fork:
            fork.jobs.sendall(b"")
            os.kill(fork.pid, signal.SIGKILL)
            assert fork.exit_code() == -signal.SIGKILL
        with forked(root, 3) as fork:
            fork.control.close()
            assert fork.exit_code() == -signal.SIGKILL
        with forked(root, 4) as fork:
            assert fork.run("").value["jobs"] == 1


def test_a_template_answers_and_leaves_its_workers(template: Any) -> None:
    with template("Rooted") as root, forked(root) as fork:
        root.ping()
        root.tell(DESCRIBE)
        described = root.next_control()
        assert (described.kind, described.json["job"]) == (0x36, "rooted")
        fork.ping()
        root.tell(SHUTDOWN)
        assert root.exit_code() == 0
        assert fork.run("").value["root"] == root.process.pid


@pytest.mark.parametrize("how", ["killed", "left"])
def test_workers_outlive_their_template(template: Any, how: str) -> None:
    with template("Rooted") as root, forked(root) as fork:
        if how == "killed":
            root.process.kill()
        else:
            root.control.close()
        assert root.exit_code() == -signal.SIGKILL
        assert fork.run("").value["root"] == root.process.pid


def test_a_coordinator_that_dies_during_the_loading_ends_the_template(play: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    with play("slow_start:Slow", template=True, env={"PROCPOOL_TEST_GATE": str(tmp_path / "gate")}) as worker:
        assert worker.exactly(worker.jobs, 16)
        assert worker.next().kind == 1
        worker.control.close()
        assert worker.exit_code() == -signal.SIGKILL


def test_what_comes_during_the_loading_waits(play: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    with play("slow_start:Slow", template=True, env={"PROCPOOL_TEST_GATE": str(tmp_path / "gate")}) as worker:
        worker.tell(PING, sequence=7)
        with worker.fork() as fork:
            (tmp_path / "gate").write_text("go")
            worker.ready()
            assert worker.next_control().sequence == 7
            fork.ready()
            assert fork.run(3).value == 3


@pytest.mark.parametrize(("page", "arenas"), [(False, False), (True, False), (True, True), (False, True)])
def test_a_fork_has_its_own_descriptors_and_no_others(play: Any, page: bool, arenas: bool) -> None:
    with play("descriptors", template=True) as root:
        root.ready()
        with forked(root, page=page, arenas=arenas) as fork:
            if fork.page is not None:
                assert fork.page.number(16) == 0x6765706170656B21
            # `ls` itself opens one.
            assert fork.run(1).value == ["3"]
            open_ones = sorted(map(int, os.listdir(f"/proc/{fork.pid}/fd")))
            # `mmap` keeps a descriptor of what it has mapped.
            assert open_ones == [0, 1, 2, 3, 4, *([5] if page else [])]
            if fork.page is not None:
                assert fork.page.number(0) == 1


def test_a_cancel_interrupts_the_main_thread_of_a_fork(play: Any) -> None:
    with play("spin", template=True) as root:
        root.ready()
        with forked(root) as fork:
            from coordinator import job

            fork.jobs.sendall(job(1, 3600))
            fork.ping()
            fork.cancel(1)
            assert fork.next().status == 4
            fork.sequence = 1
            assert fork.run(0).status == 0


def test_a_fork_without_enough_descriptors_breaks_the_protocol(template: Any) -> None:
    with template("Rooted") as root:
        root.tell(0x3B, sequence=1)
        assert root.exit_code() == 5
        assert "a `Fork` with 0 descriptors" in root.stderr()


def test_threads_are_refused_by_name(template: Any) -> None:
    with template("Threaded") as root, root.fork(9) as fork:
        failed = root.next_control()
        assert (failed.kind, failed.sequence) == (FORK_FAILED, 9)
        for part in ("it has another thread (`a-helper`)", "start threads in the jobs", "set `fork = false`"):
            assert part in text_of(failed)
        assert "OPENBLAS" not in text_of(failed)
        with pytest.raises(ConnectionResetError):  # It was closed with the `Welcome` unread.
            fork.next()
        root.ping()


def test_threads_that_have_ended_are_none(template: Any) -> None:
    with template("Joined") as root:
        for sequence in range(1, 6):
            with forked(root, sequence) as fork:
                assert fork.run().value == sum(n * n for n in range(100))
                fork.jobs.close()
                fork.tell(SHUTDOWN)
                assert fork.exit_code() == 0


_ENDING = """
import _thread, threading
from procpool import _sibling

gate = threading.Lock()
gate.acquire()
_sibling._FAREWELL = 30.0
_sibling.time.sleep = lambda _: gate.release() if gate.locked() else None
_thread.start_new_thread(gate.acquire, ())
print(_sibling.other_threads())
"""


def test_a_thread_that_is_about_to_end_is_waited_for() -> None:
    env = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    found = subprocess.run([sys.executable, "-c", _ENDING], capture_output=True, text=True, check=False, env=env)
    assert (found.stdout, found.stderr) == ("([], [])\n", "")


def test_threads_of_numpy_are_refused_with_the_way_out(template: Any) -> None:
    pytest.importorskip("numpy")
    if (os.cpu_count() or 1) < 2:
        pytest.skip("NumPy starts no threads on one processor")
    with template("Numbers", env=dict.fromkeys(ONE_THREAD, "2")) as root, root.fork():
        text = text_of(root.next_control())
        if "another thread" not in text:
            pytest.skip("this NumPy starts no threads")
        assert 'env = { OPENBLAS_NUM_THREADS = "1", OMP_NUM_THREADS = "1" }' in text


def test_random_numbers_of_numpy_are_a_forks_own(template: Any) -> None:
    pytest.importorskip("numpy")
    with template("Numbers", env=ONE_THREAD) as root, forked(root, 1) as one, forked(root, 2) as two:
        (sum_one, random_one), (sum_two, random_two) = one.run().value, two.run().value
        assert sum_one == sum_two == 499500.0
        assert random_one != random_two


def test_what_is_registered_for_the_end_belongs_to_who_registered_it(template: Any, tmp_path: Path) -> None:
    note = tmp_path / "note"
    with template("Tidy") as root:
        for sequence in (1, 2):
            note.unlink(missing_ok=True)
            with forked(root, sequence) as fork:
                folder, own, has_ended = fork.run(str(note)).value
                assert os.path.isdir(own)
                fork.jobs.close()
                fork.tell(SHUTDOWN)
                assert fork.exit_code() == 0
            assert not os.path.exists(own)
            assert note.read_text() == "the job's own"
            assert os.path.isdir(folder)
            assert not has_ended
        root.tell(SHUTDOWN)
        assert root.exit_code() == 0
        assert not os.path.exists(folder)


def test_forks_of_the_program_end_as_ever(template: Any) -> None:
    with template("Forks") as root, forked(root) as fork:
        # The first has left the loading: it has no coordinator. The second has left the function.
        assert fork.run().value == [3, 5]
        assert fork.run().value == [3, 5]


@pytest.mark.parametrize(("how", "end"), [("return", "exit 0"), ("raise", "exit 1"), ("exit", "exit 5")])
def test_a_fork_that_leaves_the_function_does_not_answer(play: Any, how: str, end: str) -> None:
    with play("forks", template=True) as root:
        root.ready()
        with forked(root) as fork:
            assert fork.run(how).value == end


def test_a_state_that_does_not_load(play: Any) -> None:
    with play("Unloadable", template=True) as worker:
        assert worker.exactly(worker.jobs, 16)
        assert worker.next().kind == 1
        failed = worker.next()
        assert failed.kind == START_FAILED
        assert "FileNotFoundError: model.bin" in text_of(failed)
        assert worker.exit_code() == 1


def test_a_loop_of_the_loading_is_not_shared(play: Any) -> None:
    with play("", [sys.executable, "serving_script.py", "async"], template=True) as root:
        root.ready()
        with forked(root, 1) as one, forked(root, 2) as two:
            assert one.run(0).value == two.run(0).value == ["asynchronously"]
    with play("forked_functions:waits", template=True) as root:
        root.ready()
        with forked(root, 1) as one, forked(root, 2) as two:
            found = [fork.run(n).value for n, fork in enumerate((one, two, one), 1)]
            assert found == [[2, True], [4, True], [6, True]]


# Under the real server.


@pytest.fixture
def forking(procpool: str, tmp_path: Path, serve: Serve) -> Callable[..., Server]:
    """Makes a server whose pools fork."""
    config = tmp_path / "probe.toml"
    config.write_text('[pools.x]\ncommand = ["/bin/true"]\nfork = true\n')
    checked = subprocess.run([procpool, "check", "--config", str(config)], capture_output=True, text=True, check=False)
    if "unknown key `fork`" in checked.stderr:
        pytest.skip("this `procpool` has no `fork`")

    def make(*functions: str, **keys: Any) -> Server:
        names = [name if ":" in name else f"forked_functions:{name}" for name in functions]
        return serve(*names, fork=True, **keys)

    return make


def test_workers_of_a_server_share_the_state(forking: Serve) -> None:
    with forking("Rooted", min_workers=3, max_workers=3) as server:
        pids = set()
        for _ in range(20):
            found = server.post("rooted", "").value
            assert found["parent"] == server.process.pid
            pids.add(found["pid"])
            root = found["root"]
        assert root not in pids
        assert pids <= {worker["pid"] for worker in server.workers("rooted")}


def test_a_crash_fails_one_job_and_the_next_fork_has_the_same_state(forking: Serve) -> None:
    with forking("Rooted") as server:
        before = server.post("rooted", "").value
        crashed = server.post("rooted", "abort").value
        assert (crashed["outcome"], crashed["crash"]["signal_name"]) == ("crashed", "SIGABRT")
        assert "forked_functions.py" in "".join(crashed["crash"]["stderr"])
        after = server.post("rooted", "").value
        assert after["root"] == before["root"]
        assert (after["pid"] != before["pid"], after["jobs"]) == (True, 1)


def test_a_template_that_dies_is_replaced_and_its_workers_go_on(forking: Serve) -> None:
    with forking("Rooted") as server:
        before = server.post("rooted", "").value
        os.kill(before["root"], signal.SIGKILL)
        same = server.post("rooted", "").value
        assert (same["pid"], same["root"], same["jobs"]) == (before["pid"], before["root"], 2)
        os.kill(before["pid"], signal.SIGKILL)
        server.wait_until_gone("rooted", before["pid"])
        after = server.post("rooted", "").value
        assert after["root"] != before["root"]


def test_a_process_for_each_job_is_a_fork_for_each_job(forking: Serve) -> None:
    with forking("Rooted", process_per_job=True, max_workers=2) as server:
        found = [server.post("rooted", "").value for _ in range(30)]
        assert len({each["root"] for each in found}) == 1
        assert len({each["pid"] for each in found}) == 30
        assert len({each["random"] for each in found}) == 30
        assert {each["jobs"] for each in found} == {1}


def test_a_server_says_which_threads_hinder(forking: Serve) -> None:
    with pytest.raises(AssertionError, match=r"it has another thread \(`a-helper`\).*set `fork = false`"):
        forking("Threaded").__enter__()


def test_a_server_says_why_a_template_does_not_load(forking: Serve) -> None:
    with pytest.raises(AssertionError, match=r"failed to start a worker of .*model\.bin"):
        forking("job_functions:Unloadable").__enter__()


def test_forks_of_a_server_are_cancelled_fork_and_take_large_inputs(forking: Serve) -> None:
    with forking("job_functions:sleep", "job_functions:forks", "job_functions:length") as server:
        with server.same_process("sleep"):
            assert server.post("sleep", 3600, "?timeout=150ms").value["outcome"] == "timed_out"
            assert server.post("sleep", 0).status == 200
        assert server.post("forks", "return").value == "exit 0"
        large = bytes(5_000_000)
        assert [server.post_bytes("length", large).value for _ in range(3)] == [len(large)] * 3
