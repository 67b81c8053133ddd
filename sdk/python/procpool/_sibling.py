"""Forks a child of this process's parent: a sibling, which has a copy of this process's memory.

The parent is the coordinator, so that the new worker is its own child as every spawned one is. The
interpreter's `os.fork` cannot do that. So the system call is made here, between the interpreter's own
hooks. Is imported only in a template.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time

from ._process import CLONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

_CLONE_PARENT, _CLONE_CHILD_CLEARTID, _CLONE_CHILD_SETTID = 0x8000, 0x200000, 0x1000000
_PR_SET_PDEATHSIG, _PR_GET_TID_ADDRESS = 1, 40

_TASKS = "/proc/self/task"

# Seconds that a thread which has ended may take to disappear: `join` returns a moment before.
_FAREWELL = 0.1


class Sibling:
    """The calls that a fork needs. They are looked up once, since a fork must not run more than it has to."""

    def __init__(self) -> None:
        # By `PyDLL`, which keeps the interpreter's lock: a fork in which nobody has it could not go on.
        library, python = ctypes.PyDLL(None, use_errno=True), ctypes.pythonapi
        self._before, self._in_parent = python.PyOS_BeforeFork, python.PyOS_AfterFork_Parent
        self._in_child = python.PyOS_AfterFork_Child
        for hook in (self._before, self._in_parent, self._in_child):
            hook.argtypes, hook.restype = (), None
        self._clone = library.syscall
        self._clone.argtypes = (ctypes.c_long, ctypes.c_long, *[ctypes.c_void_p] * 4)
        self._clone.restype = ctypes.c_long
        self._flush = library.fflush
        self._flush.argtypes = (ctypes.c_void_p,)
        self._prctl = library.prctl
        self._prctl.argtypes = (ctypes.c_int, ctypes.c_void_p, *[ctypes.c_ulong] * 3)
        self._tid_address = ctypes.c_void_p()
        self._prctl(_PR_GET_TID_ADDRESS, ctypes.byref(self._tid_address), 0, 0, 0)
        self._number = CLONE[os.uname().machine]

    def fork(self) -> bool:
        """Forks, and returns whether this is the new process. The caller has made sure that there is one thread."""
        address = self._tid_address.value
        if address is None:
            # Without it, the C library would know the new process's thread by the old one's id.
            raise OSError("this kernel does not tell the address of the thread's id (CONFIG_CHECKPOINT_RESTORE)")
        flags = _CLONE_PARENT | signal.SIGCHLD | _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID
        # What C code has not written yet would be written twice.
        self._flush(None)
        self._before()
        # Without a new stack: the new process returns here, too. The address stands in two places, since
        # processors disagree about the order of the last two arguments; the other one is not read.
        pid = self._clone(self._number, flags, None, None, address, address)
        if pid == 0:
            self._in_child()
            return True
        error = ctypes.get_errno()
        self._in_parent()
        if pid < 0:
            raise OSError(error, os.strerror(error))
        return False

    def ask_for_a_signal(self) -> None:
        """Has this process continued when its parent dies: a stopped worker could not end itself."""
        self._prctl(_PR_SET_PDEATHSIG, int(signal.SIGCONT), 0, 0, 0)


def other_threads() -> Tuple[List[str], List[str]]:
    """Returns the names of all threads but this one: those of Python, and those of libraries in C."""
    own = threading.get_native_id()
    patience = time.monotonic() + _FAREWELL
    while True:
        others = [each for each in map(int, os.listdir(_TASKS)) if each != own]
        if not others:
            return [], []
        if time.monotonic() > patience:
            break
        time.sleep(0.001)
    known = {each.native_id: each.name for each in threading.enumerate()}
    python = [known[each] for each in others if each in known]
    libraries = [_name_of(each) for each in others if each not in known]
    # A thread has its process's name until it gets one.
    process = _name_of(own)
    return sorted(python), sorted("unnamed" if name == process else name for name in libraries)


def await_end(thread: int) -> None:
    """Returns when the system does not list this thread any longer. Its function has returned already."""
    while os.path.exists(f"{_TASKS}/{thread}"):
        os.sched_yield()


def _name_of(thread: int) -> str:
    try:
        with open(f"{_TASKS}/{thread}/comm", encoding="utf-8", errors="replace") as name:
            return name.read().strip()
    except OSError:  # It has just ended.
        return str(thread)
