"""One program around a pool, as ../README.md describes it: started, told, listened to, and swept away."""

import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager

from . import processes

START = 20.0  # seconds for a program to say that its pool is there
TAKE = 10.0  # seconds for a pool to take jobs, not to run them


class Broken(Exception):
    """The program did not do what it must before the experiment can begin."""


@contextmanager
def started(setup, log):
    """Runs the program of `setup`; whatever came of it is gone afterwards."""
    directory = tempfile.mkdtemp(prefix="run-", dir=setup.scratch)
    program = Program(setup, directory, log)
    try:
        program.wait_for(lambda: program.parent is not None, START, "did not start its pool")
        yield program
    finally:
        processes.sweep(directory, {program.process.pid})
        program.process.wait()
        shutil.rmtree(directory)


class Program:
    """`settled` maps the name of a job to how each job of that name ended, and when."""

    def __init__(self, setup, directory, log):
        self.directory = directory
        self.parent = None
        self.sent = []
        self.settled = {}
        self.lines = queue.Queue()
        places = dict.fromkeys(["PEERS_DIR", "TMPDIR", "XDG_RUNTIME_DIR"], directory)
        environment = {**os.environ, **setup.environment, **places}
        self.process = subprocess.Popen(
            setup.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            text=True,
            bufsize=1,
            start_new_session=True,
        )
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.put((time.monotonic(), line.split(None, 2)))

    def tell(self, line):
        try:
            self.process.stdin.write(line + "\n")
        except (OSError, ValueError):
            raise Broken("ended by itself") from None

    def wait_for(self, condition, seconds, complaint=None):
        """Whether `condition` came true in time; if it must, `complaint` says what is wrong otherwise."""
        end = time.monotonic() + seconds
        while not self.look(condition):
            if time.monotonic() > end:
                if complaint:
                    raise Broken(complaint)
                return False
            time.sleep(0.01)
        return True

    def look(self, condition):
        while not self.lines.empty():
            self.hear(*self.lines.get())
        return condition()

    def hear(self, when, words):
        if words[:1] == ["parent"]:
            self.parent = int(words[1])
        elif words[:1] == ["sent"]:
            self.sent.append(words[1])
        elif words[:1] in (["ok"], ["failed"]):
            text = None if words[0] == "ok" else " ".join(words[2:]).strip() or "no text"
            self.settled.setdefault(words[1], []).append(Ending(when, text))

    def send(self, *jobs):
        """Gives jobs, such as `nap NAME 400`, to the pool, and returns when they were taken."""
        before = len(self.sent)
        for job in jobs:
            self.tell(job)
        self.wait_for(lambda: len(self.sent) == before + len(jobs), TAKE, "did not take a job")

    def has_settled(self, *names):
        return all(self.settled.get(name) for name in names)

    def ending(self, name):
        return self.settled.get(name, [None])[0]

    def worker_of(self, name):
        """The process that runs a job; None if none has begun it."""
        try:
            with open(os.path.join(self.directory, name + ".pid")) as file:
                return int(file.read())
        except FileNotFoundError:
            return None

    def forget_worker_of(self, name):
        """So that the next job of that name is seen to begin."""
        for suffix in (".pid", ".exit"):
            try:
                os.remove(os.path.join(self.directory, name + suffix))
            except FileNotFoundError:
                pass

    def kill_worker_of(self, name):
        """SIGKILL; a thread, which has no such thing, is asked to exit."""
        pid = self.worker_of(name)
        if pid == self.parent:
            open(os.path.join(self.directory, name + ".exit"), "w").close()
        else:
            processes.kill(pid)

    def kill_parent(self):
        os.kill(self.parent, signal.SIGKILL)
        if self.parent == self.process.pid:
            self.process.wait()


class Ending:
    """How a job ended: `error` is None if it succeeded."""

    def __init__(self, when, error):
        self.when = when
        self.error = error
