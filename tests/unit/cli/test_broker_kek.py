# SPDX-License-Identifier: Apache-2.0
"""A broker that starts without a passphrase: `broker init`, `serve --kek`, `rewrap`."""

import base64
import hashlib
import subprocess
import sys

import pytest

from tests.support.command_line import Party
from tests.support.keys import throwaway_party, write_profile


@pytest.fixture
def party(tmp_path):
    made = Party(name="hospital", home=tmp_path / "hospital").settle()
    known = throwaway_party("hospital", broker_address=f"unix:{tmp_path}/b.sock")
    write_profile(made.home / "cleanroom", known)
    return made


def kek(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(base64.b64encode(hashlib.sha256(name.encode()).digest()) + b"\n")
    path.chmod(0o600)
    return f"file:{path}"


def test_a_broker_starts_with_its_kek_and_nobody_at_a_terminal(party, tmp_path):
    first, second = kek(tmp_path, "first"), kek(tmp_path, "second")
    assert party.refused("broker", "serve", "--kek", first).code == "file.absent"
    assert party.succeeds("broker", "init", "--kek", first)["kek"] == first
    assert party.refused("broker", "init", "--kek", second).code == "kek.exists"
    party.passphrase_file.unlink()
    assert party.refused("broker", "serve", "--kek", second).code == "kek.kek"
    assert party.refused("broker", "rewrap", "--kek", second, "--to", first).code == "kek.kek"
    party.succeeds("broker", "rewrap", "--kek", first, "--to", second)
    assert party.refused("broker", "serve", "--kek", first).code == "kek.kek"
    command = [sys.executable, "-m", "cleanroom.cli", "--profile", "hospital", "broker", "serve"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(
        [*command, "--kek", second, "--stop-with-stdin"], env=party.environment, **pipes
    ) as serving:
        assert serving.stdout.readline().decode() == f"hospital unix:{tmp_path}/b.sock\n"
        serving.stdin.close()
        assert serving.wait(timeout=300) == 0
