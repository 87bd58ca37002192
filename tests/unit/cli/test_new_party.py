# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from cleanroom.cli.new_party import default_address, require_free, signing_choice
from cleanroom.cli.passphrase import PassphraseSource
from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.identity.new_profile import AgentSigningKey, ExistingSigningKey, NewSigningKey
from tests.support.keys import throwaway_party

NOWHERE = PassphraseSource(file=None, descriptor=None, signing_file=None)


def test_the_broker_listens_in_the_profile_if_its_path_is_short() -> None:
    assert default_address(Path("/home/a/h")) == "unix:/home/a/h/broker/broker.sock"


def test_a_long_path_gives_a_short_socket_that_belongs_to_one_profile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    long = Path("/home") / ("a" * 120)
    first, other = default_address(long / "h"), default_address(long / "i")
    assert first != other
    assert first == default_address(long / "h")
    assert len(first) < 100


def test_the_runtime_directory_is_preferred_for_short_sockets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert default_address(Path("/home") / ("a" * 120)).startswith("unix:/run/user/1000/")


def test_a_name_that_somebody_in_the_room_has_is_not_taken_from_him(tmp_path: Path) -> None:
    require_free(tmp_path, "hospital")
    (tmp_path / "parties").mkdir()
    (tmp_path / "parties" / "hospital.toml").write_text("another's")
    with pytest.raises(RefusedError, match=r"^parties/hospital\.toml: ") as refused:
        require_free(tmp_path, "hospital")
    assert refused.value.code == "party.taken"
    require_free(tmp_path, "insurer")


def test_a_party_gets_a_new_key_under_its_passphrase_by_default() -> None:
    choice = signing_choice(None, None, NOWHERE, b"correct horse")
    assert choice == NewSigningKey(passphrase=b"correct horse")


def test_an_existing_key_may_have_a_passphrase_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "signing"
    file.touch(mode=0o600)
    file.write_bytes(b"another one\n")
    source = PassphraseSource(file=None, descriptor=None, signing_file=file)
    choice = signing_choice(tmp_path / "id_ed25519", None, source, b"correct horse")
    assert choice == ExistingSigningKey(path=tmp_path / "id_ed25519", passphrase=b"another one")


def test_an_agents_key_is_named_by_its_public_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = throwaway_party("hospital").document.signing_keys[0]
    file = tmp_path / "id.pub"
    file.write_text(f"{key.line()} somebody@example.org\n")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/tmp/agent")  # noqa: S108 - never opened
    choice = signing_choice(None, file, NOWHERE, b"correct horse")
    assert choice == AgentSigningKey(public_key=key, socket=Path("/tmp/agent"))  # noqa: S108


def test_an_agents_key_needs_an_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with pytest.raises(UnavailableError, match="^ssh-agent"):
        signing_choice(None, tmp_path / "id.pub", NOWHERE, b"correct horse")


def test_two_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match="agreed one of them"):
        signing_choice(tmp_path / "a", tmp_path / "b", NOWHERE, b"correct horse")
