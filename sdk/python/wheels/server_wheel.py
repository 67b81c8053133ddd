"""Writes the wheel `procpool-server`, which installs the executable `procpool` as a script.

Usage: server_wheel.py VERSION ARCHITECTURE FOLDER EXECUTABLE… Others are what the first looks for beside itself. No
build backend takes an executable that is there.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import zipfile
from pathlib import Path
from typing import Sequence

ROOT = Path(__file__).resolve().parents[3]
# The oldest glibc that a wheel may name for every architecture.
OLDEST_GLIBC = 17

METADATA = """\
Metadata-Version: 2.1
Name: procpool-server
Version: {version}
Summary: The executable procpool: worker processes that crash alone
License: MIT OR Apache-2.0
Keywords: process pool,worker,supervision,crash isolation
Classifier: Operating System :: POSIX :: Linux
Requires-Python: >=3.9
License-File: LICENSE-MIT
License-File: LICENSE-APACHE
Description-Content-Type: text/markdown

{readme}"""

WHEEL = """\
Wheel-Version: 1.0
Generator: procpool
Root-Is-Purelib: false
Tag: py3-none-{platform}
"""


def platform_tag(executable: bytes, architecture: str) -> str:
    """Returns the tag of all systems with the glibc that the executable needs."""
    versions = [int(number) for number in re.findall(rb"GLIBC_2\.(\d+)", executable)]
    return f"manylinux_2_{max([OLDEST_GLIBC, *versions])}_{architecture}"


def python_version(version: str) -> str:
    """Returns a version of Cargo as Python writes it: `1.0.0-rc.1` is `1.0.0rc1`."""
    return re.sub(r"-(a|b|rc)[a-z]*\.?(\d+)$", r"\1\2", version)


def write(executables: Sequence[Path], version: str, architecture: str, folder: Path) -> Path:
    """Writes the wheel into the folder, and returns its path. The same files make the same wheel."""
    contents, version = {path.name: path.read_bytes() for path in executables}, python_version(version)
    platform = platform_tag(b"".join(contents.values()), architecture)
    stem = f"procpool_server-{version}"
    info = f"{stem}.dist-info"
    readme = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    files = {
        **{f"{stem}.data/scripts/{name}": content for name, content in contents.items()},
        f"{info}/METADATA": METADATA.format(version=version, readme=readme).encode(),
        f"{info}/WHEEL": WHEEL.format(platform=platform).encode(),
    }
    for licence in ("LICENSE-MIT", "LICENSE-APACHE"):
        files[f"{info}/licenses/{licence}"] = (ROOT / licence).read_bytes()
    record = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    path = folder / f"{stem}-py3-none-{platform}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            mode = 0o755 if "/scripts/" in name else 0o644
            entry.external_attr = (0o100000 | mode) << 16
            wheel.writestr(entry, data)
    return path


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    write([Path(path) for path in sys.argv[4:]], sys.argv[1], sys.argv[2], Path(sys.argv[3]))
