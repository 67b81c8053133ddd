"""What /proc says of processes, and the end of those that were started here."""

import os
import signal
import time

SWEEP = 10.0  # seconds in which whatever was started must be gone


def born(pid):
    """When a living process started, in clock ticks; None if there is none. Tells a process from a later one
    with the same number."""
    fields = stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def sweep(directory, sessions):
    """Kills every process that was started with PEERS_DIR inside `directory`, or that belongs to one of
    `sessions`, until none is left. Workers that outlived their parent are found by it.

    Python's resource trackers come last: they end by themselves when nobody is left, and take shared memory
    along that nobody else would remove."""
    begun = time.monotonic()
    while left := [pid for pid in living() if is_ours(pid, directory, sessions)]:
        spent = time.monotonic() - begun
        if spent > SWEEP:
            raise RuntimeError(f"processes that do not end: {left}")
        for pid in left:
            if spent > SWEEP / 2 or not is_tracker(pid):
                kill(pid)
        time.sleep(0.02)


def living():
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [pid for pid in pids if pid != os.getpid() and born(pid) is not None]


def is_ours(pid, directory, sessions):
    fields = stat(pid)
    if fields is not None and int(fields[3]) in sessions:
        return True
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return b"PEERS_DIR=" + directory.encode() in file.read()
    except OSError:
        return False  # It has ended, or is another user's.


def is_tracker(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"resource_tracker" in file.read()
    except OSError:
        return False


def stat(pid):
    """The fields of /proc/PID/stat from the state on."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
