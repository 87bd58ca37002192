# SPDX-License-Identifier: Apache-2.0
"""The real OpenSSH programs: the other reader and writer of our formats."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="the program ssh-keygen is not installed"
)
needs_ssh_agent = pytest.mark.skipif(
    not (shutil.which("ssh-agent") and shutil.which("ssh-add")),
    reason="the programs ssh-agent and ssh-add are not installed",
)


def new_key(path: Path, *, passphrase: str = "", kind: str = "ed25519") -> Path:
    """Let ssh-keygen make a key; one round of key derivation keeps tests fast."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-a", "1", "-f", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def sign(path: Path, message: bytes, *, namespace: str, options: tuple[str, ...] = ()) -> bytes:
    """Let ssh-keygen sign with a key file (or a public one, through the agent)."""
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(path), "-n", namespace, *options]
    return subprocess.run(command, input=message, check=True, capture_output=True).stdout


def accepts(directory: Path, *, key: str, signature: bytes, message: bytes, namespace: str) -> bool:
    """Tell whether ssh-keygen accepts a signature by this key, as a program's exit status."""
    (directory / "allowed_signers").write_text(f'party namespaces="{namespace}" {key}\n')
    (directory / "document.sig").write_bytes(signature)
    command = ["ssh-keygen", "-Y", "verify", "-I", "party", "-n", namespace]
    command += ["-f", str(directory / "allowed_signers"), "-s", str(directory / "document.sig")]
    return subprocess.run(command, input=message, capture_output=True, check=False).returncode == 0


@contextmanager
def running_agent(directory: Path, *keys: Path) -> Iterator[Path]:
    """Run an ssh-agent that holds these keys; yields its socket."""
    socket = directory / "agent.sock"
    started = subprocess.run(
        ["ssh-agent", "-s", "-a", str(socket)], check=True, capture_output=True, text=True
    )
    process = int(re.search(r"SSH_AGENT_PID=(\d+)", started.stdout)[1])
    try:
        for key in keys:
            subprocess.run(
                ["ssh-add", "-q", str(key)],
                check=True,
                capture_output=True,
                env=os.environ | {"SSH_AUTH_SOCK": str(socket)},
            )
        yield socket
    finally:
        os.kill(process, signal.SIGTERM)
