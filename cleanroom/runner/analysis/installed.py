# SPDX-License-Identifier: Apache-2.0
"""Are the files of the analysis environment those that their distributions brought?

A lock pins wheels by hash, and an installed wheel lists the hash of each of its files
(``RECORD``, Python packaging specification "recording installed projects"). Every listed file
is read and compared, and a file that nobody listed is refused, before code may import it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from cleanroom.errors import RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import MIB

MAX_RECORD_BYTES = 16 * MIB
_CHUNK_BYTES = MIB
_CACHE = "__pycache__"
_READERS = 4
_SHA256 = "sha256="


def require_installed_files(names: Iterable[str]) -> Digest:
    """Compare every file of some distributions with what they list, and digest all of it.

    Files outside of the libraries' directory (programs, whose first line an installer
    writes) and caches of compiled modules are left out; so is what an installer notes in
    ``*.dist-info`` without a hash. The digest is the in-toto ``dirHash`` of the rest.

    Raises:
        RefusedError: A file is absent, altered, a link, or listed by nobody; or a list is none.
    """
    listed: dict[Path, str] = {}
    roots: set[Path] = set()
    for name in names:
        place, files = _record(name)
        listed |= {place / path: digest for path, digest in files.items()}
        roots |= {place / PurePosixPath(path).parts[0] for path in files}
    for path in _present(roots):
        if path not in listed:
            raise _refused(path.name, "found a file that no distribution lists")
    with ThreadPoolExecutor(max_workers=_READERS) as readers:
        found = dict(zip(listed, readers.map(_digest, listed), strict=True))
    for path, digest in listed.items():
        if found[path] != digest:
            raise _refused(path.name, "found other bytes than its distribution lists")
    place = min(roots).parent
    lines = sorted((path.relative_to(place).as_posix(), found[path]) for path in listed)
    return Digest.of("".join(f"{digest}  {path}\n" for path, digest in lines).encode())


def _record(name: str) -> tuple[Path, Mapping[str, str]]:
    """Return where a distribution lies, and the SHA-256 of its files by path."""
    distribution = importlib.metadata.distribution(name)
    place = Path(str(distribution.locate_file("")))
    (record,) = [Path(str(distribution.locate_file(item))) for item in _own_record(distribution)]
    text = read_limited(record, what=f"{name} RECORD", limit=MAX_RECORD_BYTES).decode()
    files: dict[str, str] = {}
    for row in csv.reader(text.splitlines()):
        path, digest = row[0], row[1]
        parts = PurePosixPath(path).parts
        if parts[0] == ".." or parts[0].startswith("/") or _CACHE in parts:
            continue
        if digest.startswith(_SHA256):
            files[path] = _hexadecimal(digest)
        elif not parts[0].endswith(".dist-info"):
            raise _refused(name, f"found {parts[-1]} listed without a SHA-256")
    return place, files


def _own_record(distribution: importlib.metadata.Distribution) -> Iterator[str]:
    for item in distribution.files or ():
        if item.name == "RECORD" and item.parent.name.endswith(".dist-info"):
            yield str(item)


def _hexadecimal(digest: str) -> str:
    text = digest.removeprefix(_SHA256)
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).hex()


def _present(roots: Iterable[Path]) -> Iterator[Path]:
    """List every file below the libraries' own directories that could be imported or read."""
    for root in roots:
        if root.name.endswith(".dist-info") or not root.is_dir():
            continue
        for path in root.rglob("*"):
            if path.is_symlink() or (path.is_file() and _CACHE not in path.parts):
                yield path


def _digest(path: Path) -> str:
    hashed = hashlib.sha256()
    try:
        if path.is_symlink():
            raise _refused(path.name, "found a symbolic link")
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                hashed.update(chunk)
    except OSError:
        return ""
    return hashed.hexdigest()


def _refused(what: str, found: str) -> RefusedError:
    return RefusedError(
        f"environment: {what}: {found}, agreed what the lock's wheels hold",
        code="analysis.environment",
        hint="on the runner: install the analysis environment again from its lock",
    )
