"""The server that a pool starts: found, started, relayed, and ended with the program."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from typing import Any, Callable

import pytest
from host_tools import ended, own_path

import procpool
from procpool import _runtime_dir as runtime
from procpool import _server

Start = Callable[..., procpool.Pool]
HERE = os.path.dirname(os.path.abspath(__file__))


def script(text: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Starts a program that imports `host_jobs`."""
    environment = {**os.environ, **own_path()}
    return subprocess.Popen(
        [sys.executable, "-c", text, *arguments],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment, "text": True, **options},
    )


def test_a_killed_program_leaves_nothing(signpost: Any) -> None:
    host = script(
        "import procpool, sys\n"
        "pool = procpool.Pool('host_jobs:block', workers=2)\n"
        "pool.submit(sys.argv[1])\n"
        "print(pool._server.pid, *(each['pid'] for each in pool.workers()), flush=True)\n"
        "sys.stdin.read()\n",
        signpost.path,
        stdin=subprocess.PIPE,
    )
    assert host.stdout is not None
    pids = [int(word) for word in host.stdout.readline().split()]
    assert len(pids) == 3
    signpost.wait()
    host.kill()
    host.communicate()
    assert all(ended(pid) for pid in pids)


def test_a_program_that_ends_takes_its_server_along() -> None:
    host = script(
        "import procpool\n"
        "pool = procpool.Pool('host_jobs:echo', workers=1)\n"
        "print(pool._server.pid, pool.run(5), flush=True)\n"
    )
    output, errors = host.communicate()
    assert (host.returncode, errors) == (0, "")
    pid, value = output.split()
    assert value == "5"
    assert not os.path.exists(f"/proc/{pid}")


def test_a_server_that_was_killed_is_started_anew(pool: Start, signpost: Any) -> None:
    workers = pool("block")
    future = workers.submit(signpost.path)
    signpost.wait()
    assert workers._server is not None
    first = workers._server.pid
    os.kill(first or -1, signal.SIGKILL)
    error = future.exception()
    assert type(error) is procpool.ServerGone
    assert error.may_have_run
    assert first
    assert ended(first)
    again = workers.submit(signpost.path)
    signpost.wait()
    assert workers._server.pid != first
    assert again.cancel()


def test_a_pool_that_nobody_has_ends_its_server() -> None:
    workers = procpool.Pool("host_jobs:echo", workers=1, env=own_path())
    assert workers.submit(1).result() == 1
    assert workers._server is not None
    pid = workers._server.pid
    del workers
    assert pid
    assert ended(pid)


def test_a_fork_has_a_pool_but_not_its_server(pool: Start) -> None:
    workers = pool("echo", workers=2)
    assert workers.submit(1).result() == 1
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if workers.run(2) == 2 and workers.submit(3).result() == 3 else 2
            workers.close()
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert workers.run(4) == 4
    assert workers.submit(5).result() == 5


def test_what_workers_print(pool: Start, capfd: Any) -> None:
    workers = pool("printing")
    workers.run('"a" \\ žluťoučký')
    workers.close()
    printed = capfd.readouterr()
    assert printed.out == '"a" \\ žluťoučký\n'
    assert '"a" \\ žluťoučký\n' in printed.err


@pytest.mark.parametrize(
    ("target", "settings", "text"),
    [
        ("host_jobs:nothing", {}, "`host_jobs` has no `nothing`: it has"),
        ("no_module:echo", {}, "failed to import `no_module`"),
        ("bad_import:echo", {}, "make it in a function"),
        ("host_jobs:echo", {"memory": "1 GiB"}, "unknown key `memory`"),
        ("host_jobs:echo", {"timeout": "soon"}, "soon"),
        ("host_jobs:echo", {"python": "/no/python"}, "/no/python"),
        (["/no/worker"], {}, "/no/worker"),
        ("host_jobs:echo", {"current_dir": "/no/directory"}, "/no/directory"),
    ],
)
def test_a_pool_that_does_not_start_says_why(pool: Start, capfd: Any, target: Any, settings: Any, text: str) -> None:
    with pytest.raises(procpool.ServerError) as caught:
        procpool.Pool(target, **{"env": own_path(), "workers": 1, **settings})
    assert text in str(caught.value) + capfd.readouterr().err


def test_settings_that_are_none(pool: Start) -> None:
    key: str
    value: Any
    for key, value in (("workers", 0), ("workers", (3, 2)), ("timeout", -1)):
        with pytest.raises(ValueError, match=f"{key}="):
            pool("echo", **{key: value})
    for key, value in (("nice", object()), ("grace", [1])):
        with pytest.raises(TypeError, match=f"{key}="):
            pool("echo", **{key: value})
    with pytest.raises(ValueError, match="names no function"):
        procpool.Pool("host_jobs")


def test_the_environment_of_workers(pool: Start, monkeypatch: Any) -> None:
    monkeypatch.setenv("OF_THE_HOST", "inherited")
    monkeypatch.setenv("OF_BOTH", "of the host")
    names = ["OF_THE_HOST", "OF_BOTH"]
    env = {**own_path(), "OF_BOTH": 'of "the" pool\n\x7fž'}
    assert pool("variables", env=env).run(names) == {"OF_THE_HOST": "inherited", "OF_BOTH": env["OF_BOTH"]}
    assert pool("variables", env=own_path(), inherit_env=["OF_BOTH"]).run(names) == {
        "OF_THE_HOST": None,
        "OF_BOTH": "of the host",
    }


def test_the_directory_of_workers(pool: Start, tmp_path: Any) -> None:
    assert pool("directory").run(None) == os.getcwd()
    assert pool("directory", current_dir=tmp_path).run(None) == str(tmp_path)


def test_the_import_path_of_workers_is_that_of_the_program() -> None:
    with procpool.Pool("host_jobs:double", workers=1) as pool:
        assert pool.run(4) == 8


def test_the_command_is_looked_for(monkeypatch: Any, tmp_path: Any) -> None:
    def executable(folder: str) -> str:
        path = tmp_path / folder / "procpool"
        path.parent.mkdir()
        path.write_text("")
        path.chmod(0o755)
        return str(path)

    folders = {"posix_user": tmp_path / "user", None: tmp_path / "scripts"}
    monkeypatch.setattr("sysconfig.get_path", lambda _, scheme=None: str(folders[scheme]))
    monkeypatch.setattr(_server, "__file__", str(tmp_path / "procpool" / "_server.py"))
    monkeypatch.delenv("PROCPOOL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    with pytest.raises(procpool.ServerError, match=r"procpool\[server\].*\$PROCPOOL"):
        _server.find_procpool()
    # From the last place to the first one.
    for folder in ("path", "bin", "user", "scripts"):
        path = executable(folder)
        assert _server.find_procpool() == path
    monkeypatch.setenv("PROCPOOL", str(tmp_path / "none"))
    with pytest.raises(procpool.ServerError, match="no executable file"):
        _server.find_procpool()
    monkeypatch.setenv("PROCPOOL", executable("named"))
    assert _server.find_procpool() == str(tmp_path / "named" / "procpool")


def test_sockets_are_in_a_directory_of_this_user_alone(monkeypatch: Any, tmp_path: Any) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = runtime.directory()
    assert path == str(tmp_path / "procpool")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    left = os.path.join(path, f"python-{2**22}-1.sock")
    own = os.path.join(path, f"python-{os.getpid()}-0.sock")
    for file in (left, own):
        with open(file, "w"):
            pass
    assert runtime.socket_path().startswith(path)
    assert not os.path.exists(left)
    assert os.path.exists(own)
    os.chmod(path, 0o755)
    # Others may look into it: the one in /tmp is used instead.
    assert runtime.directory() == f"/tmp/procpool-{os.getuid()}"


def test_a_path_that_is_too_long_for_a_socket(monkeypatch: Any, tmp_path: Any) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    assert runtime.directory() == f"/tmp/procpool-{os.getuid()}"
