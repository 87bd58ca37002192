# SPDX-License-Identifier: Apache-2.0
import hashlib
import importlib.machinery
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.attestation.measurement import dir_hash, measure_runner
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_SOURCE_FILE_BYTES

DISTRIBUTIONS = {"duckdb": "2.0.0", "cryptography": "50.0.2"}
PYTHON = "3.11.7"


@pytest.fixture
def package(tmp_path):
    directory = tmp_path / "cleanroom"
    (directory / "runner").mkdir(parents=True)
    (directory / "__init__.py").write_bytes(b"")
    (directory / "runner" / "run.py").write_bytes(b"print('run')\n")
    return directory


def measure(package, *, distributions=DISTRIBUTIONS, python=PYTHON):
    return measure_runner(package, distributions=distributions, python_version=python)


def test_the_digest_is_the_in_toto_dir_hash_that_other_tools_compute(package):
    files = {
        "cleanroom/__init__.py": b"",
        "cleanroom/runner/run.py": b"print('run')\n",
        "runtime/distributions": b"cryptography==50.0.2\nduckdb==2.0.0\n",
        "runtime/python": b"3.11.7\n",
    }
    lines = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {path}\n" for path, data in sorted(files.items())
    )
    assert measure(package) == Digest(hashlib.sha256(lines.encode()).digest())


def test_the_dir_hash_of_two_files_is_the_published_construction():
    # sha256sum of "abc" and of the empty file, two spaces, path, line break; sorted by path.
    lines = (
        b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a/empty\n"
        b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b\n"
    )
    assert dir_hash({"b": b"abc", "a/empty": b""}) == Digest.of(lines)


def test_two_installations_of_the_same_sources_agree(package, tmp_path):
    copy = tmp_path / "elsewhere" / "cleanroom"
    (copy / "runner").mkdir(parents=True)
    (copy / "runner" / "run.py").write_bytes(b"print('run')\n")
    (copy / "__init__.py").write_bytes(b"")
    os.utime(copy / "__init__.py", (0, 0))
    (copy / "__init__.py").chmod(0o600)
    assert measure(copy) == measure(package)


@pytest.mark.parametrize(
    "change",
    [
        lambda package: (package / "runner" / "run.py").write_bytes(b"print('ran')\n"),
        lambda package: (package / "__init__.py").write_bytes(b" "),
        lambda package: (package / "runner" / "more.py").write_bytes(b""),
        lambda package: (package / "runner" / "environment.lock").write_bytes(b"pandas==1\n"),
        lambda package: (package / "runner" / "run.py").unlink(),
        lambda package: (package / "runner" / "run.py").rename(package / "runner" / "run2.py"),
        lambda package: (package / "runner" / "run.py").rename(package / "run.py"),
    ],
)
def test_any_change_to_the_sources_changes_the_measurement(package, change):
    before = measure(package)
    change(package)
    assert measure(package) != before


@pytest.mark.parametrize(
    "changed",
    [
        {"distributions": DISTRIBUTIONS | {"duckdb": "2.0.1"}},
        {"distributions": DISTRIBUTIONS | {"more": "1"}},
        {"distributions": {}},
        {"python": "3.11.8"},
    ],
)
def test_any_change_to_what_it_stands_on_changes_the_measurement(package, changed):
    assert measure(package, **changed) != measure(package)


@pytest.mark.parametrize("name", ["fast_api", "fast-api", "Fast.API", "fast._-api"])
def test_the_spelling_of_a_distribution_does_not_matter(package, name):
    assert measure(package, distributions={name: "1"}) == measure(
        package, distributions={"fast-api": "1"}
    )


def test_byte_code_caches_and_other_files_are_not_sources(package):
    before = measure(package)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "run.cpython-311.pyc").write_bytes(b"cache")
    (package / "py.typed").write_bytes(b"")
    assert measure(package) == before


@pytest.mark.parametrize(
    "suffix", [*importlib.machinery.EXTENSION_SUFFIXES, *importlib.machinery.BYTECODE_SUFFIXES]
)
def test_compiled_code_that_would_run_unmeasured_is_refused(package, suffix):
    (package / "runner" / f"run{suffix}").write_bytes(b"code")
    with pytest.raises(MalformedError, match="^runner:") as refused:
        measure(package)
    assert refused.value.code == "measurement.compiled"


def test_a_symbolic_link_is_refused(package):
    (package / "runner" / "linked.py").symlink_to(package / "__init__.py")
    with pytest.raises(MalformedError, match=r"^runner: linked.py") as refused:
        measure(package)
    assert refused.value.code == "measurement.symlink"


def test_a_package_without_sources_is_refused(tmp_path):
    with pytest.raises(MalformedError) as refused:
        measure(tmp_path)
    assert refused.value.code == "measurement.empty"


@pytest.mark.parametrize(
    "changed",
    [
        {"distributions": {"duckdb\nevil": "1"}},
        {"distributions": {"": "1"}},
        {"distributions": {"duckdb": "1\nevil==2"}},
        {"distributions": {"duckdb": ""}},
        {"python": "3.11\n"},
    ],
)
def test_a_name_or_version_that_could_imitate_another_line_is_refused(package, changed):
    with pytest.raises(MalformedError) as refused:
        measure(package, **changed)
    assert refused.value.code == "measurement.form"


def test_a_path_that_could_imitate_another_line_is_refused():
    with pytest.raises(MalformedError) as refused:
        dir_hash({"a\nb": b""})
    assert refused.value.code == "measurement.path"


@given(st.dictionaries(st.from_regex(r"[a-z/]{1,8}", fullmatch=True), st.binary(max_size=8)))
def test_the_order_of_files_does_not_matter(files):
    assert dir_hash(dict(reversed(files.items()))) == dir_hash(files)


def test_a_source_over_its_limit_is_refused_instead_of_read(package):
    (package / "huge.py").write_bytes(b"#" * (MAX_SOURCE_FILE_BYTES + 1))
    with pytest.raises(MalformedError, match=r"^runner file huge.py:") as refused:
        measure(package)
    assert refused.value.code == "format.oversize"
