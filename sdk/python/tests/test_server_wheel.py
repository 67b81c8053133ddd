"""The wheel of the executable: its name, its record, and that it is made the same twice."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from typing import TYPE_CHECKING

import pytest

from wheels import server_wheel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("executable", "tag"),
    [
        (b"\x7fELF\0GLIBC_2.2.5\0GLIBC_2.34\0GLIBC_2.9\0GLIBC_PRIVATE\0", "manylinux_2_34_aarch64"),
        (b"\x7fELF\0GLIBC_2.2.5\0", "manylinux_2_17_aarch64"),
        (b"\x7fELF\0", "manylinux_2_17_aarch64"),
    ],
)
def test_the_tag_names_the_glibc_that_the_executable_needs(executable: bytes, tag: str) -> None:
    assert server_wheel.platform_tag(executable, "aarch64") == tag


@pytest.mark.parametrize(
    ("cargo", "python"),
    [("0.1.0", "0.1.0"), ("1.0.0-rc.2", "1.0.0rc2"), ("1.0.0-alpha.1", "1.0.0a1"), ("1.0.0-beta1", "1.0.0b1")],
)
def test_a_version_is_written_as_python_does(cargo: str, python: str) -> None:
    assert server_wheel.python_version(cargo) == python


def test_each_file_is_in_the_record_and_the_executable_is_one(tmp_path: Path) -> None:
    executable, companion = tmp_path / "procpool", tmp_path / "procpool-symbolize"
    executable.write_bytes(b"\x7fELF\0GLIBC_2.34\0")
    companion.write_bytes(b"\x7fELF\0GLIBC_2.17\0")
    path = server_wheel.write([executable, companion], "1.0.0-rc.2", "x86_64", tmp_path)
    assert path.name == "procpool_server-1.0.0rc2-py3-none-manylinux_2_34_x86_64.whl"
    first = path.read_bytes()
    with zipfile.ZipFile(path) as wheel:
        info = "procpool_server-1.0.0rc2.dist-info"
        lines = wheel.read(f"{info}/RECORD").decode().splitlines()
        assert [line.split(",")[0] for line in lines] == wheel.namelist()
        assert lines.pop() == f"{info}/RECORD,,"
        for line in lines:
            name, digest, size = line.split(",")
            content = wheel.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            assert (digest, int(size)) == (f"sha256={expected}", len(content))
        for name in (executable.name, companion.name):
            script = wheel.getinfo(f"procpool_server-1.0.0rc2.data/scripts/{name}")
            assert script.external_attr >> 16 == 0o100755
    assert server_wheel.write([executable, companion], "1.0.0-rc.2", "x86_64", tmp_path).read_bytes() == first
