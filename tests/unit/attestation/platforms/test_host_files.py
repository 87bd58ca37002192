# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.attestation.platforms import host_files
from cleanroom.attestation.platforms.host_files import RealFiles


def test_a_directory_stands_for_the_root(tmp_path):
    files = RealFiles(root=tmp_path)
    files.make_directory("a")
    assert files.exists("a")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    (tmp_path / "a" / "b").touch()
    files.write("a/b", b"bytes")
    assert files.read("a/b") == b"bytes"
    (tmp_path / "a" / "b").unlink()
    files.remove_directory("a")
    assert not files.exists("a")


def test_nothing_is_created_by_writing(tmp_path):
    with pytest.raises(FileNotFoundError):
        RealFiles(root=tmp_path).write("absent", b"")


def test_a_short_write_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(host_files.os, "write", lambda _descriptor, data: len(data) - 1)
    with pytest.raises(OSError, match="short write"):
        RealFiles(root=tmp_path).write("file", b"bytes")


def test_an_endless_file_is_given_up(tmp_path):
    (tmp_path / "file").write_bytes(bytes(host_files.MAX_DEVICE_BYTES + 1))
    with pytest.raises(OSError, match="endless"):
        RealFiles(root=tmp_path).read("file")
