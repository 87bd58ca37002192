# SPDX-License-Identifier: Apache-2.0
"""An analysis runs with the libraries that its author and its approvers named, or not at all."""

import importlib.metadata
import platform

import pytest

from cleanroom.errors import MalformedError, RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.runner.analysis.environment import (
    environment_digest,
    lock_bytes,
    locked_versions,
    require_environment,
)

HASH = b"    --hash=sha256:" + b"a" * 64
LOCK = (
    b"numpy==1.0 ; python_full_version < '3.12' \\\n" + HASH + b" \\\n" + HASH + b"\n"
    b"numpy==2.0 ; python_full_version >= '3.12' \\\n" + HASH + b"\npandas==3.1.1 \\\n" + HASH
)
VERSIONS = {"numpy": "1.0", "pandas": "3.1.1"}


def test_what_is_installed_here_is_what_the_lock_says():
    require_environment(environment_digest())
    locked = locked_versions(lock_bytes(), python=platform.python_version())
    assert {"numpy", "pandas", "polars", "pyarrow", "scikit-learn", "scipy", "statsmodels"} <= set(
        locked
    )


@pytest.mark.parametrize(("python", "numpy"), [("3.11.9", "1.0"), ("3.12.0", "2.0")])
def test_a_version_of_python_picks_its_line(python, numpy):
    assert locked_versions(LOCK, python=python) == {**VERSIONS, "numpy": numpy}


def test_another_lock_is_refused():
    with pytest.raises(RefusedError) as refused:
        require_environment(Digest.of(b"other"))
    assert refused.value.code == "analysis.environment"


@pytest.mark.parametrize("found", ["1.1", None])
def test_another_version_or_none_is_refused_by_name(found):
    def installed(name):
        if name == "numpy" and found is None:
            raise importlib.metadata.PackageNotFoundError
        return found if name == "numpy" else VERSIONS[name]

    with pytest.raises(RefusedError, match="^environment: numpy: ") as refused:
        require_environment(Digest.of(LOCK), lock=LOCK, installed=installed, python="3.11.0")
    assert refused.value.code == "analysis.environment"


def test_every_library_of_the_lock_is_compared_file_by_file():
    compared = []

    def files(names):
        compared.extend(names)
        return Digest.of(b"files")

    agreed = {"lock": LOCK, "installed": VERSIONS.__getitem__, "python": "3.11.0"}
    require_environment(Digest.of(LOCK), files=files, **agreed)
    assert compared == list(VERSIONS)


@pytest.mark.parametrize("line", [b"numpy>=1.0 \\", b"-e .", b"numpy==1 ; os_name == 'nt' \\"])
def test_a_line_of_another_form_is_refused(line):
    with pytest.raises(MalformedError) as refused:
        locked_versions(line + b"\n" + HASH, python="3.11.0")
    assert refused.value.code == "analysis.lock"
