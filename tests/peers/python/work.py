"""The jobs, in a module that every worker can import."""

import os
import time

LONGEST_SPIN = 30.0  # seconds: a worker that nobody finds ends by itself


def tell(name):
    """Says which process runs the job: whoever waits sees the file whole or not at all."""
    place = os.path.join(os.environ["PEERS_DIR"], name)
    with open(place + ".part", "w") as file:
        file.write(str(os.getpid()))
    os.rename(place + ".part", place + ".pid")


def nap(name, milliseconds):
    tell(name)
    time.sleep(milliseconds / 1000)


def spin(name):
    tell(name)
    end = time.monotonic() + LONGEST_SPIN
    while time.monotonic() < end:
        pass
