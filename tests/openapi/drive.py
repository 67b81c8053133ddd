"""Validates the OpenAPI document of a server, and tests the server against it: python drive.py PROCPOOL

Two servers run, one without tokens and one with. The executables of the workers stand beside that of the server.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import openapi_spec_validator

HERE = pathlib.Path(__file__).parent
PROCPOOL = pathlib.Path(sys.argv[1]).resolve()
# A bound, not an expectation: the tests of one server take half a minute on two idle cores.
PATIENCE = 600
POOLS = ("ping", "fib", "compute", "spare")

CONFIG = """
[server]
listen = "127.0.0.1:0"
{server}

[pools.ping]
command = [{ping}]
max_timeout = "2s"

[pools.fib]
command = [{fib}]
max_workers = 2
max_timeout = "300ms"

[pools.compute]
command = [{compute}]
max_workers = 2
max_timeout = "300ms"

[pools.spare]
command = [{ping}]
max_workers = 2
max_timeout = "300ms"
"""


@contextlib.contextmanager
def serving(place, settings):
    """Runs a server, whose address this gives. It has to live to the end, and to end well."""
    config, log = place / "procpool.toml", place / "stderr"
    workers = {name: json.dumps(str(PROCPOOL.with_name(f"procpool-{name}"))) for name in ("ping", "fib", "compute")}
    config.write_text(CONFIG.format(server=settings, **workers))
    with open(log, "wb") as stderr:
        command = [PROCPOOL, "serve", "--config", config]
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        line = server.stdout.readline()
        assert line.startswith("listening on "), f"{line}\n{log.read_text()}"
        url = line.split()[-1]
        for pool in POOLS:
            await_ready(url, pool)
        yield url
        assert server.poll() is None, f"the server has ended\n{log.read_text()}"
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0, log.read_text()
    finally:
        server.kill()
        server.wait()
    assert "panicked at" not in log.read_text(), log.read_text()


def await_ready(url, pool):
    """Waits until a worker of the pool is ready: the document has the schemas of a pool from then on."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(f"{url}/readyz?pool={pool}").close()
            return
        except urllib.error.HTTPError as not_ready:
            assert not_ready.code == 503 and time.monotonic() < end, f"{pool}: {not_ready}"
        time.sleep(0.05)


def document(url, headers):
    with urllib.request.urlopen(urllib.request.Request(f"{url}/openapi.json", headers=headers)) as answer:
        return json.load(answer)


def validate(found):
    openapi_spec_validator.validate(found)
    for pool in POOLS:
        assert f"/v1/pools/{pool}/jobs" in found["paths"], pool
    assert found["components"]["schemas"]["fib.input"]["maximum"] == 93
    print(f"ok: a valid document with {len(found['paths'])} paths")


def run(url, *options):
    """Runs schemathesis, without what it remembers of earlier runs."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml", "run"]
    command += [f"{url}/openapi.json", "--generation-deterministic", "--no-color", "--request-timeout", "30", *options]
    # One shows the pools until its client leaves, which schemathesis does not; the other takes as long as it is asked to.
    command += ["--exclude-operation-id", "serverEvents", "--exclude-operation-id", "profileWorker"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "NO_PROXY": "127.0.0.1"}
    with tempfile.TemporaryDirectory() as scratch:
        status = subprocess.run(command, cwd=scratch, env=environment, timeout=PATIENCE).returncode
    if status != 0:
        sys.exit(f"schemathesis ended with {status} at {url}, with {' '.join(options)}")


def made_token(place):
    """Makes a token with every scope, in a file beside the configuration."""
    scopes = "submit,read,operate,debug,admin"
    command = [PROCPOOL, "token", "new", "tester", "--scope", scopes, "--file", place / "tokens.toml"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0]


def main():
    with tempfile.TemporaryDirectory() as place, serving(pathlib.Path(place), "orders = true") as url:
        validate(document(url, {}))
        run(url, "--max-examples", "20", "--phases", "examples,coverage,fuzzing")
        print("ok: a server without tokens does as its document says")
    with tempfile.TemporaryDirectory() as place:
        token = made_token(pathlib.Path(place))
        with serving(pathlib.Path(place), 'tokens = "tokens.toml"') as url:
            header = f"Bearer {token}"
            validate(document(url, {"Authorization": header}))
            run(url, "--max-examples", "5", "--phases", "examples,fuzzing", "--header", f"Authorization: {header}")
            print("ok: a server with tokens does as its document says")


main()
