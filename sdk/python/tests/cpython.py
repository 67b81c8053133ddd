"""Runs CPython's own tests of process pools against `procpool.Executor`.

    PROCPOOL=…/procpool python tests/cpython.py [-v] [WORD…]

The tests come from the interpreter's `test` package (Debian: libpython3.11-testsuite). A word selects the
tests whose names contain it. `LEFT_OUT` names those that do not apply, each with its reason; the table in
docs/python-hosts.md says the same. Every other test must run.
Exit codes: 0 all passed, 1 some did not, 77 this interpreter has no such tests.
"""

from __future__ import annotations

import importlib
import os
import sys
import unittest
from concurrent import futures
from typing import TYPE_CHECKING, Any, Dict, Iterator, List

if TYPE_CHECKING:
    from types import ModuleType

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

import procpool  # noqa: E402 - found by the line above

PARTS = ("init", "shutdown", "wait", "as_completed", "process_pool", "deadlock")

# All versions of CPython have more. Fewer say that the names of their classes have changed.
FEWEST = 35

_LIVES = "expects that the whole pool breaks; with `Executor`, one call fails"
_INTERNALS = "looks into `_processes` or `_executor_manager_thread`, which `Executor` does not have"
_INHERITED = "passes a semaphore or a queue, which a process inherits only from its own parent"
_TRACKER = "is about the resource tracker of `multiprocessing`"
_HANGS = "CPython skips it: `ProcessPoolExecutor` hangs there"
_WINDOWS = "is for Windows"

LEFT_OUT: Dict[str, str] = {
    "test_killed_child": _LIVES,
    "test_exit_at_task_unpickle": _LIVES,
    "test_error_at_task_unpickle": _LIVES,
    "test_error_during_result_unpickle_in_result_handler": _LIVES,
    "test_exit_during_result_unpickle_in_result_handler": _LIVES,
    "test_context_manager_shutdown": _INTERNALS,
    "test_del_shutdown": _INTERNALS,
    "test_shutdown_no_wait": _INTERNALS,
    "test_shutdown_deadlock_pickle": _INTERNALS,
    "test_idle_process_reuse_one": _INTERNALS,
    "test_idle_process_reuse_multiple": _INTERNALS,
    "test_max_tasks_per_child_defaults_to_spawn_context": _INTERNALS,
    "ProcessPoolExecutorTest.test_max_tasks_per_child": _INTERNALS,
    "test_gh105829_should_not_deadlock_if_wakeup_pipe_full": _INTERNALS,
    "test_python_finalization_error": _INTERNALS,
    "test_saturation": _INHERITED,
    "test_processes_terminate": _INHERITED,
    "FailingInitializerTest.test_initializer": _INHERITED,
    "FailingInitializerResourcesTest": _TRACKER,
    "test_hang_gh83386": _HANGS,
    "test_max_workers_too_large": _WINDOWS,
}


class ProcessPoolExecutor(procpool.Executor):
    """`procpool.Executor`, by the name under which CPython's tests and their scripts import it."""


def patch() -> None:
    """Puts `Executor` where programs import `ProcessPoolExecutor` from."""
    futures.ProcessPoolExecutor = ProcessPoolExecutor  # type: ignore[assignment, misc]


def modules() -> Iterator[ModuleType]:
    """Imports CPython's tests: a module until 3.11, a package since."""
    whole = importlib.import_module("test.test_concurrent_futures")
    if not hasattr(whole, "__path__"):
        yield whole
        return
    for part in PARTS:
        yield importlib.import_module(f"test.test_concurrent_futures.test_{part}")


def with_prelude(run: Any) -> Any:
    """Lets the scripts that tests start import `Executor`, too."""

    def patched(*args: str, **options: Any) -> Any:
        at = args.index("-c") + 1
        script = f"import sys; sys.path.insert(0, {HERE!r}); import cpython; cpython.patch()\n{args[at]}"
        return run(*args[:at], script, *args[at + 1 :], **options)

    return patched


def reason_to_leave_out(test: unittest.TestCase) -> str:
    """Returns why a test does not apply, or nothing."""
    name = ".".join(test.id().split(".")[-2:])
    for part, reason in LEFT_OUT.items():
        if name.endswith(part) or part in name.split("."):
            return reason
    return ""


def each(suite: Any) -> Iterator[unittest.TestCase]:
    for entry in suite:
        if isinstance(entry, unittest.TestSuite):
            yield from each(entry)
        else:
            yield entry


def collect(words: List[str]) -> unittest.TestSuite:
    """Returns the tests of process pools that apply. Prints the others."""
    suite = unittest.TestSuite()
    for module in modules():
        if hasattr(module, "assert_python_ok"):
            vars(module)["assert_python_ok"] = with_prelude(vars(module)["assert_python_ok"])
        for test in each(unittest.defaultTestLoader.loadTestsFromModule(module)):
            kind = type(test).__name__
            if not kind.startswith(("ProcessPoolSpawn", "FailingInitializerResources")):
                continue  # Threads, futures by themselves, and the other start methods.
            if words and not any(word in test.id() for word in words):
                continue
            reason = reason_to_leave_out(test)
            if reason:
                print(f"left out: {kind}.{test.id().split('.')[-1]}: {reason}")
            else:
                suite.addTest(test)
    return suite


def main(arguments: List[str]) -> int:
    patch()
    words = [word for word in arguments if not word.startswith("-")]
    try:
        suite = collect(words)
    except ImportError as error:
        package = "libpython{}.{}-testsuite".format(*sys.version_info)
        print(f"not run: {sys.executable} has no tests of CPython ({error}); Debian: apt install {package}")
        return 77
    count = suite.countTestCases()
    if not words and count < FEWEST:
        print(f"failed: {sys.executable} has {count} tests that apply, and {FEWEST} were expected")
        return 1
    result = unittest.TextTestRunner(verbosity=2 if "-v" in arguments else 1).run(suite)
    for test, reason in result.skipped:
        print(f"failed: {test.id()} was skipped ({reason}), and `LEFT_OUT` does not name it")
    return 0 if result.wasSuccessful() and not result.skipped else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
