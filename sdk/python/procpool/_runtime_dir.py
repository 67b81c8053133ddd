"""The private directory with the sockets of this user's servers: `$XDG_RUNTIME_DIR/procpool`, or one in /tmp."""

from __future__ import annotations

import itertools
import os
import stat
import tempfile
from typing import List

from ._outcomes import ServerError

# Bytes of a socket's path that the kernel takes at most.
_MAX_PATH = 107
_PREFIX = "python-"
_numbers = itertools.count(1)


def directory() -> str:
    """Returns the directory, and makes it where it is missing. Raises `ServerError` if others may use it."""
    name = f"{_PREFIX}{2**22}-{10**6}.sock"
    candidates: List[str] = []
    of_user = os.environ.get("XDG_RUNTIME_DIR")
    if of_user and os.path.isabs(of_user) and os.path.isdir(of_user):
        candidates.append(os.path.join(of_user, "procpool"))
    candidates.append(os.path.join("/tmp", f"procpool-{os.getuid()}"))  # noqa: S108 - its owner and mode are checked
    for path in candidates:
        if len(os.fsencode(os.path.join(path, name))) > _MAX_PATH:
            continue
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        except OSError:
            continue
        status = os.lstat(path)
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077:
            return path
        if path == candidates[-1]:
            raise ServerError(
                f"{path} is not a directory of this user alone (mode 0700): remove it, "
                "or let $XDG_RUNTIME_DIR name a directory that is"
            )
    return tempfile.mkdtemp(prefix="procpool-")


def socket_path() -> str:
    """Returns a path for a new socket."""
    return _new_path("sock")


def write_file(content: bytes) -> str:
    """Writes a file that only this user can read. Returns its path."""
    path = _new_path("start")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
    return path


def remove(path: str) -> None:
    """Removes a file, if it is still there."""
    try:
        os.unlink(path)
    except OSError:
        pass


def _new_path(suffix: str) -> str:
    path = directory()
    _sweep(path)
    return os.path.join(path, f"{_PREFIX}{os.getpid()}-{next(_numbers)}.{suffix}")


def _sweep(path: str) -> None:
    """Removes what programs have left that were killed."""
    for name in os.listdir(path):
        pid = name[len(_PREFIX) :].partition("-")[0]
        if not name.startswith(_PREFIX) or not pid.isdigit():
            continue
        if int(pid) == os.getpid() or os.path.exists(f"/proc/{pid}"):
            continue
        remove(os.path.join(path, name))
