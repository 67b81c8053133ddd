"""Runs jobs with the wheels that are installed, and with nothing of this repository.

Started with the Python of a fresh virtual environment, in an empty folder, with an empty environment.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import urllib.request
from pathlib import Path

import procpool

WORDS = '''\
def word_count(text: str) -> int:
    """Returns the number of words."""
    return len(text.split())
'''


def serve() -> None:
    """Runs a job in a worker of the installed package, behind the installed executable."""
    config = f"""
        [server]
        listen = "127.0.0.1:0"
        [pools.words]
        command = {json.dumps([sys.executable, "-m", "procpool", "words:word_count"])}
        current_dir = {json.dumps(str(Path.cwd()))}
        max_workers = 1
    """
    server = subprocess.Popen(
        [str(Path(sysconfig.get_path("scripts"), "procpool")), "serve", "--config", "-", "--exit-with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    with server:
        try:
            with server.stdin:
                server.stdin.write(config)
            address = server.stdout.readline().strip().replace("listening on ", "")
            url = f"{address}/v1/pools/words/jobs"
            with urllib.request.urlopen(url, data=b'"to be or not to be"', timeout=60) as answer:
                assert json.load(answer) == 6
        finally:
            server.terminate()


def main() -> None:
    """Runs one job by each road that the installed package has."""
    assert procpool.__file__ is not None
    assert Path(sys.prefix) in Path(procpool.__file__).parents, procpool.__file__
    Path("words.py").write_text(WORDS, encoding="utf-8")
    serve()
    pool_class = getattr(procpool, "Pool", None)
    if pool_class is not None:
        with pool_class("words:word_count", workers=1, timeout=60) as pool:
            assert pool.run("to be or not to be") == 6


if __name__ == "__main__":
    main()
