# SPDX-License-Identifier: Apache-2.0
"""Print what a contract names for the runner installed here."""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import cleanroom
from cleanroom.attestation.measurement import runner_files
from cleanroom.cli.session import Session
from cleanroom.errors import RefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.runner.analysis.environment import (
    environment_digest,
    environment_files,
    require_environment,
)
from cleanroom.runner.attest import measure_this_runner, runtime_versions

CHUNK_BYTES = 1 << 20


def print_measurement(
    session: Session, *, lock: Path | None, image: Path | None, files: bool
) -> None:
    """Print the runner's digest, what it is made of, and digests of files given beside it.

    Raises:
        MalformedError: The installed package is not measurable, for example a symbolic link.
        UnavailableError: A file cannot be read.
    """
    measurement = measure_this_runner()
    versions = runtime_versions()
    sources = {
        name: Digest.of(data).hex
        for name, data in sorted(runner_files(Path(cleanroom.__file__).parent).items())
    }
    value: dict[str, object] = {
        "measurement": str(measurement),
        "python": platform.python_version(),
        "distributions": dict(versions),
        "source_files": len(sources),
    }
    lines = [
        f"{measurement}  # attestation.measurements",
        f"python {platform.python_version()}, {len(sources)} source files, distributions:",
        *(f"  {name}=={version}" for name, version in sorted(versions.items())),
    ]
    environment = _environment()
    value["analysis_environment"] = environment
    lines += [f"{text}  # analysis environment: {name}" for name, text in environment.items()]
    for name, path in (("lock", lock), ("image", image)):
        if path is not None:
            digests = _digests(path)
            value[name] = digests
            lines += [f"{algorithm}:{text}  # {name}" for algorithm, text in digests.items()]
    if files:
        value["files"] = sources
        lines += [f"{digest}  {name}" for name, digest in sources.items()]
    session.emit(value, "\n".join(lines))


def _environment() -> dict[str, str]:
    """Name the analysis environment by its lock and, where it is installed, by its files."""
    agreed = environment_digest()
    try:
        require_environment(agreed)
    except RefusedError:
        return {"lock": str(agreed)}
    return {"lock": str(agreed), "files": str(environment_files())}


def _digests(path: Path) -> dict[str, str]:
    sha256, sha384 = hashlib.sha256(), hashlib.sha384()
    try:
        with path.open("rb") as source:
            while chunk := source.read(CHUNK_BYTES):
                sha256.update(chunk)
                sha384.update(chunk)
    except OSError as error:
        raise UnavailableError(f"{path.name}: cannot be read", code="system.failed") from error
    return {"sha256": sha256.hexdigest(), "sha384": sha384.hexdigest()}
