# SPDX-License-Identifier: Apache-2.0
"""Which runner is this? One digest over its code and what that code stands on.

The in-toto ``dirHash`` (SHA-256 over sorted lines of file digest and path) of
the package's sources and locks and two further lines of text, so that other tools can
compute the same. Two installations of one version agree; one changed byte does not.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import MAX_SOURCE_FILE_BYTES

CACHE_DIRECTORY = "__pycache__"
# Sources, and the lock of the environment that code of an analysis runs in: the digest that a
# query names is the one that the runner's own measurement stands for.
MEASURED_SUFFIXES = (".py", ".lock")
# Python prefers these to a source file of the same name, so code in them would
# run without being measured.
UNMEASURED_SUFFIXES = (
    *importlib.machinery.EXTENSION_SUFFIXES,
    *importlib.machinery.BYTECODE_SUFFIXES,
)

_DISTRIBUTION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9.!+_-]+")


def measure_runner(
    package_directory: Path, *, distributions: Mapping[str, str], python_version: str
) -> Digest:
    """Digest a runner's sources, its runtime distributions and its Python.

    Args:
        package_directory: Directory of the installed package.
        distributions: Name to version of what the runner imports.
        python_version: For example ``3.11.7``.

    Raises:
        MalformedError: A symbolic link or compiled module in the package, or a
            name or version of another form.
        UnavailableError: A file cannot be read.
    """
    files = runner_files(package_directory)
    if not files:
        raise MalformedError("runner: a package without sources", code="measurement.empty")
    files["runtime/distributions"] = _distribution_lines(distributions)
    files["runtime/python"] = f"{_form(python_version, _VERSION)}\n".encode("ascii")
    return dir_hash(files)


def runner_files(package_directory: Path) -> dict[str, bytes]:
    """Read the sources of a package by their path below its parent directory.

    Raises:
        MalformedError: A symbolic link or compiled module in the package.
        UnavailableError: A file cannot be read.
    """
    return {
        place: read_limited(path, what=f"runner file {path.name}", limit=MAX_SOURCE_FILE_BYTES)
        for place, path in _sources(package_directory, place=package_directory.name)
    }


def dir_hash(files: Mapping[str, bytes]) -> Digest:
    """Compute the in-toto ``dirHash`` of a tree of files.

    Raises:
        MalformedError: A path with a line break, which could imitate another line.
    """
    if any("\n" in path for path in files):
        raise MalformedError("dirHash: a path with a line break", code="measurement.path")
    lines = sorted((path, hashlib.sha256(data).hexdigest()) for path, data in files.items())
    return Digest.of("".join(f"{digest}  {path}\n" for path, digest in lines).encode())


def _sources(directory: Path, *, place: str) -> Iterator[tuple[str, Path]]:
    # Every run measures hundreds of files first: one call a directory, not one a file.
    with os.scandir(directory) as found:
        for entry in sorted(found, key=lambda entry: entry.name):
            if entry.name == CACHE_DIRECTORY:
                continue
            _require_measurable(entry)
            below = f"{place}/{entry.name}"
            if entry.is_dir():
                yield from _sources(directory / entry.name, place=below)
            elif entry.name.endswith(MEASURED_SUFFIXES):
                yield below, directory / entry.name


def _require_measurable(entry: os.DirEntry[str]) -> None:
    # A link could be pointed elsewhere after it was measured.
    if entry.is_symlink():
        raise MalformedError(f"runner: {entry.name} is a symbolic link", code="measurement.symlink")
    if entry.name.endswith(UNMEASURED_SUFFIXES):
        raise MalformedError(
            f"runner: {entry.name} is compiled code beside the sources",
            code="measurement.compiled",
            hint="install the package again from its wheel",
        )


def _distribution_lines(distributions: Mapping[str, str]) -> bytes:
    # Spelling is normalised as in PEP 503: installers write names differently.
    lines = sorted(
        re.sub(r"[-_.]+", "-", _form(name, _DISTRIBUTION)).lower() + "==" + _form(version, _VERSION)
        for name, version in distributions.items()
    )
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def _form(text: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(text):
        raise MalformedError(
            "runner: a distribution, version or Python of another form", code="measurement.form"
        )
    return text
