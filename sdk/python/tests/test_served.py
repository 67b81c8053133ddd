"""Workers under the real server, by HTTP: every outcome, and what hostile functions cost."""

from __future__ import annotations

import os
import re
import select
import signal
import threading
from typing import Any, Callable, Dict

import pytest
from server import Server

Serve = Callable[..., Server]


def test_a_plain_function(serve: Serve) -> None:
    with serve("word_count") as server:
        answer = server.post("word_count", "to be or not to be")
        assert (answer.status, answer.value) == (200, {"to": 2, "be": 2, "or": 1, "not": 1})
        while "schemas" not in (pool := server.request("GET", "/v1/pools/word_count").value):
            pass  # The worker is asked for them when it is ready.
        assert pool["schemas"]["input"] == {"type": "string"}


def test_bad_input_is_the_clients(serve: Serve) -> None:
    with serve("word_count", "resize", "length", "echo") as server:
        with server.same_process("word_count"):
            answer = server.post("word_count", 4)
            assert (answer.status, answer.value["outcome"]) == (400, "bad_input")
            assert answer.value["message"] == "expected a string, found an integer"
            for body in (b"[1", b'"a" "b"', b"\xff", b"NaN", b"[" * 100_000):
                assert server.post_bytes("word_count", body, "application/json").value["outcome"] == "bad_input"
            assert server.post_bytes("word_count", b"a b").status == 400
        answer = server.post("resize", {"width": 1, "hight": 2})
        assert "the member `hight` is unknown" in answer.value["message"]
        assert server.post("resize", {"width": 2, "name": "a"}).value == [2, 1, "a"]
        assert server.post("length", "text").status == 400
        assert server.post_bytes("length", b"text").value == 4
        assert server.post_bytes("echo", b"\0\xff").body == b"\0\xff"


def test_failures_carry_everything(serve: Serve) -> None:
    with serve("word_count") as server:
        answer = server.post("word_count", "  ")
        assert (answer.status, answer.value["outcome"]) == (422, "failed")
        found = {name: answer.value[name] for name in ("code", "message", "details", "retryable")}
        assert found == {
            "code": "no_words",
            "message": "the text has no words",
            "details": {"length": 2},
            "retryable": True,
        }


def test_exceptions_break_their_job_and_not_the_worker(serve: Serve) -> None:
    with serve("divide", "raises", "recurse", "hostile_error", "outputs", max_payload=1_000_000) as server:
        with server.same_process("divide"):
            answer = server.post("divide", 0)
            assert (answer.status, answer.value["outcome"]) == (500, "broke")
            assert (answer.value["code"], answer.value["message"]) == ("ZeroDivisionError", "division by zero")
            server.wait_for_line("ZeroDivisionError: division by zero")
            assert server.post("divide", 4).value == 0.25
        with server.same_process("raises"):
            answer = server.post("raises", "exit")
            assert answer.value["code"] == "SystemExit"
            assert "the function called sys.exit(3)" in answer.value["message"]
            assert server.post("raises", "interrupt").value["code"] == "KeyboardInterrupt"
            assert "was not cancelled" in server.post("raises", "cancelled").value["message"]
            assert server.post("raises", "key").value["message"] == "'x'"
            assert len(server.post("raises", "long").value["message"].encode()) == 16384
            assert server.post("raises", "bad").value["message"] == "not that"
        with server.same_process("recurse"):
            for _ in range(2):
                assert server.post("recurse", 1).value["code"] == "RecursionError"
        with server.same_process("hostile_error"):
            assert "without a text" in server.post("hostile_error").value["message"]
            for how, outcome, code, message in (
                ("failure", "failed", "failed", "why"),
                ("changed", "failed", "404", "x"),
                ("exits", "broke", "Exits", "an error of type Exits without a text"),
                ("bad", "bad_input", None, "an error of type Unsayable without a text"),
            ):
                value = server.post("hostile_error", how).value
                assert (value["outcome"], value.get("code"), value.get("message")) == (outcome, code, message)
        with server.same_process("outputs"):
            for name, said in {
                "object": "object has no JSON",
                "nan": "not JSON compliant",
                "surrogate": "surrogates not allowed",
                "nested": "nests too deep",
                "key": "keys must be",
                "decimal": "[0]['price']: Decimal has no JSON; use `str(value)` or `float(value)`",
            }.items():
                answer = server.post("outputs", name)
                assert answer.value["outcome"] == "broke"
                assert said in answer.value["message"]
            assert server.post("outputs", "set").value == [1]
            assert server.post("outputs", "large").value["outcome"] == "output_too_large"
            assert server.post("outputs", "unfit").value["size"] == 1_000_001
            assert len(server.post("outputs", "fit").body) == 1_000_000


def test_memory_errors_and_panics_replace_the_worker(serve: Serve) -> None:
    with serve("raises", "panics") as server:
        for pool, value, message in (("raises", "memory", "MemoryError: no memory"), ("panics", 0, "division by zero")):
            before = server.pid(pool)
            answer = server.post(pool, value)
            assert (answer.status, answer.value["outcome"]) == (500, "panicked")
            assert message in answer.value["message"]
            assert re.search(r"job_functions\.py:\d+$", answer.value["location"])
            assert server.post(pool, "key" if pool == "raises" else 2).status in (200, 500)
            assert server.pid(pool) != before


@pytest.mark.parametrize(
    ("how", "signal_name"), [("exit", None), ("segfault", "SIGSEGV"), ("abort", "SIGABRT"), ("kill", "SIGKILL")]
)
def test_a_dead_process_costs_one_job(serve: Serve, how: str, signal_name: Any) -> None:
    with serve("dies", "word_count") as server:
        answer = server.post("dies", how)
        assert (answer.status, answer.value["outcome"]) == (502, "crashed")
        crash = answer.value["crash"]
        assert crash.get("signal_name") == signal_name
        said = "".join(crash["stderr"])
        assert ("job_functions.py" in said) == (how in ("segfault", "abort")), said
        assert server.post("word_count", "a").status == 200
        assert server.post("dies", how).value["outcome"] in ("crashed", "poisoned")


def test_a_worker_that_is_killed_is_replaced(serve: Serve) -> None:
    with serve("sleep", "word_count") as server:
        pid = server.pid("word_count")
        os.kill(pid, signal.SIGKILL)
        server.wait_for_line(r"word_count.*SIGKILL|SIGKILL.*word_count|killed")
        assert server.post("word_count", "a").value == {"a": 1}
        assert server.pid("word_count") != pid


@pytest.mark.parametrize("function", ["spin", "sleep", "tidy", "asleep", "shielded", "polite"])
def test_a_deadline_costs_no_process(serve: Serve, function: str) -> None:
    with serve(function, grace="30s") as server, server.same_process(function):
        for _ in range(2):
            answer = server.post(function, 3600, "?timeout=150ms")
            assert (answer.status, answer.value["outcome"]) == (504, "timed_out")
            assert server.post(function, 0).status == 200
        if function == "tidy":
            server.wait_for_line("tidied up")
        if function == "shielded":
            server.wait_for_line("task cancelled")


def test_a_function_that_catches_everything_loses_its_process(serve: Serve) -> None:
    with serve("stubborn", grace="100ms") as server:
        before = server.pid("stubborn")
        assert server.post("stubborn", 3600, "?timeout=150ms").value["outcome"] == "timed_out"
        server.wait_for_line("caught it")
        assert server.post("stubborn", 0).value == "slept"
        assert server.pid("stubborn") != before


def test_code_that_holds_the_interpreter_is_killed_at_its_deadline(serve: Serve) -> None:
    with serve("holds_the_interpreter", "word_count", grace="100ms") as server:
        before = server.pid("holds_the_interpreter")
        assert server.post("holds_the_interpreter", 0, "?timeout=150ms").value["outcome"] == "timed_out"
        server.wait_for_line("holds_the_interpreter.*(killed|SIGKILL)")
        assert server.post("word_count", "a").status == 200
        assert server.post("holds_the_interpreter", 0, "?timeout=3s").value["outcome"] == "timed_out"
        assert server.wait_for_worker("holds_the_interpreter") != before


def test_a_worker_without_its_connections_is_replaced(serve: Serve) -> None:
    with serve("closes_its_connections") as server:
        assert server.post("closes_its_connections").value["outcome"] == "crashed"


@pytest.mark.parametrize("stopped", [False, True])
def test_nothing_outlives_a_server_that_is_killed(serve: Serve, stopped: bool) -> None:
    with serve("starts_children") as server:
        pids = server.post("starts_children").value
        ends = [os.pidfd_open(pid) for pid in pids]
        if stopped:
            os.kill(pids[0], signal.SIGSTOP)
        server.process.send_signal(signal.SIGKILL)
        for end in ends:
            assert select.select([end], [], [], 60)[0], "it lives on"
            os.close(end)


def test_stop_signals_are_the_pools_business(serve: Serve) -> None:
    with serve("stopped", "fork_and_kill") as server, server.same_process("stopped"):
        assert server.post("stopped").value == "alive"
        assert server.post("fork_and_kill", 20).value == [f"signal {signal.SIGTERM.value}"] * 20
        assert server.post("stopped").value == "alive"


def test_forks_do_not_answer(serve: Serve) -> None:
    with serve("forks", "multiprocess", "word_count") as server, server.same_process("forks"):
        assert server.post("forks", "return").value == "exit 0"
        assert server.post("forks", "raise").value == "exit 1"
        assert server.post("forks", "exit").value == "exit 5"
        assert server.post("multiprocess", 5).value == [5, 4, 3, 2, 1]
        assert server.post("multiprocess", 3).value == [3, 2, 1]


def test_state_is_loaded_once(serve: Serve) -> None:
    with serve("Counter") as server:
        assert [server.post("counter", 2).value for _ in range(3)] == [2, 4, 6]


def test_the_context(serve: Serve) -> None:
    with serve("context", "elsewhere", "picture", "progress", "loops") as server:
        answer = server.post("context")
        assert answer.value == {
            "same": True,
            "id": answer.headers["job-id"],
            "attempt": 1,
            "remaining": True,
            "cancelled": False,
            "streaming": False,
            "traceparent": None,
            "tracestate": None,
            "worker_data": None,
        }
        assert "copy_context" in server.post("elsewhere").value
        answer = server.post("picture", "image/png")
        assert (answer.headers["content-type"], answer.body) == ("image/png", b"\x89PNG")
        assert "is no content type" in server.post("picture", "image").value["message"]
        assert server.post("progress", 100).value == "progressed"
        assert server.post("loops").value == server.post("loops").value


def test_tasks_that_are_left_end_with_the_worker(serve: Serve) -> None:
    with serve("leaves_task", stop_timeout="20s") as server:
        answer = server.post("leaves_task")
        assert answer.value == answer.headers["job-id"]
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        server.wait_for_line("the task has ended")


def test_chunks_that_nobody_reads_are_told(serve: Serve) -> None:
    with serve("chunks", "generate", "agenerate") as server:
        answer = server.post("chunks", 3)
        assert (answer.value, answer.headers["job-chunks-dropped"]) == ("streamed", "3")
        assert server.post("generate", 3).headers["job-chunks-dropped"] == "4"
        assert server.post("agenerate", 3).headers["job-chunks-dropped"] == "3"


def test_programs_inherit_no_descriptors(serve: Serve) -> None:
    with serve("descriptors") as server:
        assert server.post("descriptors").value == ["3"]  # Of `ls` itself.


def test_usage(serve: Serve) -> None:
    with serve("burn") as server:
        timing = server.post("burn", 0.05, "?usage=true").headers["server-timing"]
        found = re.search(r'cpu;dur=([0-9.]+), memory;desc="(\d+)"', timing)
        assert found, timing
        assert float(found.group(1)) >= 50
        assert int(found.group(2)) > 1 << 20


def test_logs_have_levels_and_jobs(serve: Serve) -> None:
    with serve("logs") as server:
        job = server.post("logs", "hello").headers["job-id"]
        line = server.wait_for_line("from logging: hello")
        assert "WARN" in line
        assert job in line
        assert "thumbnails.cache" in line
        line = server.wait_for_line("from the context: hello")
        assert "ERROR" in line
        assert job in line
        server.wait_for_line("printed: hello")


def test_large_payloads_there_and_back(serve: Serve) -> None:
    with serve("same_bytes", "length", "copied", "echo") as server:
        for size in (0, 1, 65536, 300_000, 5_000_000, 5_000_000, 5_000_000):
            body = os.urandom(size)
            assert server.post_bytes("same_bytes", body).body == body
            assert server.post_bytes("length", body).value == size
            assert server.post_bytes("copied", body).body == body[::-1]
            text = body.hex()
            assert server.post("echo", text).value == text


def test_numpy(serve: Serve) -> None:
    numpy = pytest.importorskip("numpy")
    with serve("numpy_sum", "numpy_array", "numpy_strided", "numpy_keep", "numpy_objects") as server:
        body = bytes(range(256)) * 4096
        for _ in range(3):
            assert server.post_bytes("numpy_sum", body).value == sum(body)
        for count in (10, 1_000_000, 1_000_000):
            expected = numpy.arange(count, dtype=numpy.uint32).tobytes()
            assert server.post("numpy_array", count).body == expected
        assert server.post("numpy_strided", 10).body == bytes([0, 2, 4, 6, 8])
        assert "array of objects" in server.post("numpy_objects").value["message"]
        assert server.post("numpy_objects", "named").body == b"\0"
        for number in range(6):
            kept = server.post_bytes("numpy_keep", bytes([65 + number]) * 400_000).value
            assert kept == [65 + at for at in range(number + 1)]


def test_many_jobs_at_once(serve: Serve) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with serve("echo", max_workers=2) as server, ThreadPoolExecutor(16) as threads:
        values = list(range(500))
        assert list(threads.map(lambda value: server.post("echo", value).value, values)) == values


def test_a_storm_of_kills_costs_a_job_each(serve: Serve) -> None:
    from concurrent.futures import ThreadPoolExecutor

    kills = 10
    with serve("echo", max_workers=2, poison_deaths=0, breaker_failures=0) as server:
        is_over = threading.Event()

        def run(first: int) -> Dict[str, int]:
            outcomes = {"ok": 0, "crashed": 0}
            value = first
            while not is_over.is_set():
                answer = server.post("echo", value)
                outcome = "ok" if answer.status == 200 else answer.value["outcome"]
                assert outcome in outcomes, answer
                assert outcome != "ok" or answer.value == value
                outcomes[outcome] += 1
                value += 1
            return outcomes

        with ThreadPoolExecutor(8) as threads:
            runs = [threads.submit(run, 1_000_000 * at) for at in range(8)]
            try:
                for _ in range(kills):
                    killed = server.wait_for_worker("echo")
                    os.kill(killed, signal.SIGKILL)
                    server.wait_until_gone("echo", killed)
            finally:
                is_over.set()
            outcomes = [each.result() for each in runs]
        assert sum(each["crashed"] for each in outcomes) <= kills
        assert sum(each["ok"] for each in outcomes) > kills
        assert server.post("echo", "calm").value == "calm"


def test_a_saved_job_is_run_again(serve: Serve, tmp_path: Any, procpool: str) -> None:
    import subprocess

    folder = tmp_path / "failed"
    folder.mkdir()
    with serve("panics", save_failed_jobs=str(folder), save_history=5) as server:
        assert server.post("panics", 4).value == 0.25
        path = server.post("panics", 0).value["replay"]
    line = [procpool, "replay", path]
    alone = subprocess.run(line, capture_output=True, text=True, check=False)
    assert alone.returncode == 101, alone.stderr
    assert "panicked" in alone.stderr
    assert "--history" in alone.stderr
    both = subprocess.run([*line, "--history"], capture_output=True, text=True, check=False)
    assert both.returncode == 101, both.stderr
    assert "0.25" in both.stdout


def test_left_over_threads_and_the_servers_end(serve: Serve) -> None:
    with serve("leaves_thread", stop_timeout="20s") as server:
        assert server.post("leaves_thread", True).value == "left"
        assert server.post("leaves_thread", False).value == "left"
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        server.wait_for_line("threads that jobs have started still run: left-over")
