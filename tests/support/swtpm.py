# SPDX-License-Identifier: Apache-2.0
"""A software TPM in a process of its own, for tests against a real implementation."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cleanroom.attestation.platforms.tpm.transport import Transport, open_socket

STARTED_SECONDS = 300


def require_program(*names: str) -> None:
    """Skip the test unless programs of the Debian package are installed."""
    packages = {"swtpm_setup": "swtpm-tools", "tpm2_checkquote": "tpm2-tools"}
    for name in names:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed (Debian package {packages.get(name, name)})")


@contextlib.contextmanager
def running_swtpm(state: Path) -> Iterator[Path]:
    """Start swtpm over a directory of state, and give the path of its socket."""
    require_program("swtpm")
    # A Unix socket's path is at most 107 bytes; pytest's directories are longer.
    with tempfile.TemporaryDirectory(prefix="swtpm-") as short:
        path = Path(short) / "tpm"
        command = [
            *("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}"),
            *("--server", f"type=unixio,path={path}"),
            *("--ctrl", f"type=unixio,path={path}.ctrl"),
            *("--flags", "not-need-init,startup-clear"),
            *("--pid", f"file={path}.pid"),
        ]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait_for(path, process)
            yield path
        finally:
            process.terminate()
            process.wait(timeout=STARTED_SECONDS)


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(STARTED_SECONDS * 50):
        if path.exists():
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.02)
            break
    pytest.fail("swtpm did not start")


@contextlib.contextmanager
def swtpm_transport(state: Path) -> Iterator[Transport]:
    """Start swtpm and connect to it."""
    with running_swtpm(state) as path, open_socket(path) as transport:
        yield transport


def set_up(state: Path) -> bytes:
    """Give a TPM an endorsement certificate of a local authority; return that as PEM."""
    require_program("swtpm", "swtpm_setup")
    authority = state / "authority"
    authority.mkdir(parents=True)
    config = state / "setup.conf"
    local = state / "localca.conf"
    options = state / "options.conf"
    local.write_text(
        f"statedir = {authority}\n"
        f"signingkey = {authority}/signkey.pem\n"
        f"issuercert = {authority}/issuercert.pem\n"
        f"certserial = {authority}/certserial\n"
    )
    options.write_text(
        "--platform-manufacturer Tests\n--platform-version 1\n--platform-model None\n"
    )
    config.write_text(
        f"create_certs_tool = {shutil.which('swtpm_localca')}\n"
        f"create_certs_tool_config = {local}\n"
        f"create_certs_tool_options = {options}\n"
    )
    subprocess.run(
        [
            *("swtpm_setup", "--tpm2", "--tpmstate", str(state), "--config", str(config)),
            *("--create-ek-cert", "--pcr-banks", "sha256", "--lock-nvram", "--not-overwrite"),
        ],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    return (authority / "issuercert.pem").read_bytes() + (
        authority / "swtpm-localca-rootca-cert.pem"
    ).read_bytes()
