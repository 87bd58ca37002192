# SPDX-License-Identifier: Apache-2.0
"""Every file of the analysis environment is the one that its distribution brought."""

import base64
import hashlib

import pytest

from cleanroom.errors import RefusedError
from cleanroom.runner.analysis.installed import require_installed_files

FILES = {
    "oddlib/__init__.py": b"x = 1\n",
    "oddlib/deep/data.bin": b"\0" * 100,
    "oddlib_single.py": b"",
    "oddlib-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: oddlib\nVersion: 1.0\n",
}
UNHASHED = (
    "oddlib-1.0.dist-info/RECORD,,",
    "oddlib-1.0.dist-info/INSTALLER,,",
    "oddlib/__pycache__/__init__.cpython-311.pyc,,",
    "../../bin/oddlib,sha256=AAAA,1",
)


def listed(path, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    return f"{path},sha256={digest},{len(data)}"


@pytest.fixture
def site(tmp_path, monkeypatch):
    for path, data in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    lines = [*(listed(path, data) for path, data in FILES.items()), *UNHASHED]
    (tmp_path / "oddlib-1.0.dist-info" / "RECORD").write_text("\n".join(lines) + "\n")
    cache = tmp_path / "oddlib" / "__pycache__"
    cache.mkdir()
    (cache / "__init__.cpython-311.pyc").write_bytes(b"cache")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_what_was_installed_is_one_digest_that_others_can_compute(site):
    lines = sorted((path, hashlib.sha256(data).hexdigest()) for path, data in FILES.items())
    text = "".join(f"{digest}  {path}\n" for path, digest in lines)
    assert require_installed_files(["oddlib"]).hex == hashlib.sha256(text.encode()).hexdigest()


def altered(site):
    (site / "oddlib" / "__init__.py").write_bytes(b"x = 2\n")


def absent(site):
    (site / "oddlib" / "deep" / "data.bin").unlink()


def added(site):
    (site / "oddlib" / "deep" / "more.py").write_bytes(b"import os\n")


def linked(site):
    path = site / "oddlib" / "__init__.py"
    path.rename(site / "elsewhere")
    path.symlink_to(site / "elsewhere")


def strange_link(site):
    (site / "oddlib" / "other").symlink_to(site)


def unlisted_hash(site):
    record = site / "oddlib-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + "oddlib/deep/other.py,,\n")


@pytest.mark.parametrize("change", [altered, absent, added, linked, strange_link, unlisted_hash])
def test_a_file_that_is_not_what_its_wheel_held_is_refused(site, change):
    change(site)
    with pytest.raises(RefusedError, match="^environment: ") as refused:
        require_installed_files(["oddlib"])
    assert refused.value.code == "analysis.environment"
    assert str(site) not in refused.value.message
