# SPDX-License-Identifier: Apache-2.0
import signal
import subprocess
import sys

import pytest

from cleanroom.envelope import sshsig
from cleanroom.errors import IntegrityError, MalformedError, RefusedError, UnavailableError
from cleanroom.identity.homes import list_profiles
from cleanroom.identity.new_profile import (
    AgentSigningKey,
    ExistingSigningKey,
    NewSigningKey,
    create_profile,
)
from cleanroom.identity.pins import load_pins
from cleanroom.identity.profile import load_profile, unlock
from cleanroom.identity.ssh_key import SSHPublicKey
from tests.support.keys import PASSPHRASE, throwaway_party, write_profile
from tests.support.openssh import (
    accepts,
    needs_ssh_agent,
    needs_ssh_keygen,
    new_key,
    running_agent,
)

SIGNING_PASSPHRASE = b"another staple"
WANTED = {
    "name": "hospital",
    "title": "St. Anna",
    "broker_address": "unix:/run/cleanroom/hospital.sock",
    "passphrase": PASSPHRASE,
    "signing": NewSigningKey(passphrase=SIGNING_PASSPHRASE),
    "sign": sshsig.sign,
}

KILLED = """
import os, sys
from pathlib import Path
from cleanroom.envelope import sshsig
from cleanroom.identity.new_profile import NewSigningKey, create_profile

def stop(event, arguments):
    if event == "os.rename":
        os.kill(os.getpid(), 9)

sys.addaudithook(stop)
create_profile(
    Path(sys.argv[1]), name="hospital", title="St. Anna", broker_address="http://127.0.0.1:8001",
    passphrase=b"passphrase", signing=NewSigningKey(passphrase=b"passphrase"), sign=sshsig.sign,
)
"""


@pytest.fixture(scope="module")
def created(tmp_path_factory):
    directory = tmp_path_factory.mktemp("config") / "deep" / "cleanroom"
    return directory, create_profile(directory, **WANTED)


@pytest.fixture(scope="module")
def unlocked(created):
    return unlock(created[1], PASSPHRASE, SIGNING_PASSPHRASE)


def test_a_new_profile_loads_and_unlocks(created, unlocked):
    directory, profile = created
    assert load_profile(directory, "hospital") == profile
    assert profile.party.signing_keys == (unlocked.signer.public_key,)


def test_a_new_party_signed_its_own_document_and_pinned_itself(created):
    _, profile = created
    key = sshsig.verify_signed_by(
        profile.party_signature,
        profile.party.raw,
        namespace="cleanroom.party.v0",
        keys=profile.party.signing_keys,
        what="party document",
    )
    assert key == profile.party.signing_keys[0]
    assert load_pins(profile.pins_directory).documents == {"hospital": profile.party}


@needs_ssh_keygen
def test_ssh_keygen_accepts_a_new_partys_document(created, tmp_path):
    _, profile = created
    assert accepts(
        tmp_path,
        key=(profile.directory / "keys/signing.pub").read_text(),
        signature=profile.party_signature,
        message=profile.party.raw,
        namespace="cleanroom.party.v0",
    )


def test_nothing_in_a_new_profile_is_open_to_others(created):
    directory, _ = created
    paths = [directory, *directory.rglob("*")]
    assert len(paths) > 8
    for path in paths:
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_no_secret_lies_in_plain_in_a_new_profile(created, unlocked):
    directory, _ = created
    secrets = [unlocked.broker_seed, unlocked.state_seed, unlocked.signer.key.private_bytes_raw()]
    for path in directory.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not any(secret in data for secret in [*secrets, PASSPHRASE, SIGNING_PASSPHRASE])


def test_two_profiles_share_no_key(created, tmp_path):
    _, profile = created
    other = create_profile(tmp_path / "cleanroom", **WANTED)
    assert other.party.digest != profile.party.digest
    assert other.party.receiving_key != profile.party.receiving_key
    assert other.party.broker_key != profile.party.broker_key


def test_an_existing_profile_is_never_replaced(created):
    directory, profile = created
    with pytest.raises(RefusedError, match="^profile hospital: exists already$"):
        create_profile(directory, **WANTED)
    assert load_profile(directory, "hospital") == profile


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"name": "../x"}, MalformedError),
        ({"title": "a\nb"}, MalformedError),
        ({"broker_address": "http://0.0.0.0:80"}, MalformedError),
        ({"passphrase": b""}, RefusedError),
        ({"passphrase": b"1234567"}, RefusedError),
        ({"signing": NewSigningKey(passphrase=b"")}, RefusedError),
    ],
    ids=["name", "title", "address", "empty", "short", "signing"],
)
def test_one_wrong_wish_makes_nothing(tmp_path, change, error):
    with pytest.raises(error):
        create_profile(tmp_path / "cleanroom", **WANTED | change)
    assert not (tmp_path / "cleanroom").exists()


def test_a_config_directory_open_to_others_is_refused(tmp_path):
    (tmp_path / "cleanroom").mkdir()
    (tmp_path / "cleanroom").chmod(0o777)
    with pytest.raises(RefusedError, match="^cleanroom: open to other users"):
        create_profile(tmp_path / "cleanroom", **WANTED)
    assert list((tmp_path / "cleanroom").iterdir()) == []


@needs_ssh_keygen
def test_an_existing_key_signs_for_a_new_profile(tmp_path):
    path = new_key(tmp_path / "id_ed25519", passphrase="ssh passphrase")
    signing = ExistingSigningKey(path=path, passphrase=b"ssh passphrase")
    profile = create_profile(tmp_path / "cleanroom", **WANTED | {"signing": signing})
    assert profile.party.signing_keys[0].line() in path.with_suffix(".pub").read_text()
    assert not (profile.directory / "keys/signing").exists()
    unlock(profile, PASSPHRASE, b"ssh passphrase")


@needs_ssh_keygen
@pytest.mark.parametrize("spoil", ["passphrase", "mode", "link", "absent"])
def test_an_unusable_existing_key_makes_nothing(tmp_path, spoil):
    path = new_key(tmp_path / "id_ed25519", passphrase="ssh passphrase")
    passphrase = b"ssh passphrase"
    if spoil == "passphrase":
        passphrase = b"wrong"
    elif spoil == "mode":
        path.chmod(0o644)
    elif spoil == "link":
        path = path.rename(tmp_path / "moved").with_name("id_ed25519")
        path.symlink_to(tmp_path / "moved")
    else:
        path.unlink()
    signing = ExistingSigningKey(path=path, passphrase=passphrase)
    with pytest.raises((IntegrityError, RefusedError, UnavailableError), match="^id_ed25519: "):
        create_profile(tmp_path / "cleanroom", **WANTED | {"signing": signing})
    assert not (tmp_path / "cleanroom").exists()


@needs_ssh_keygen
@needs_ssh_agent
def test_an_agents_key_signs_for_a_new_profile(tmp_path):
    path = new_key(tmp_path / "key")
    public_key = SSHPublicKey.parse(path.with_suffix(".pub").read_text().strip())
    with running_agent(tmp_path, path) as agent:
        path.unlink()
        signing = AgentSigningKey(public_key=public_key, socket=agent)
        profile = create_profile(tmp_path / "cleanroom", **WANTED | {"signing": signing})
        unlocked = unlock(profile, PASSPHRASE, b"", agent_socket=agent)
        public_key.verify(unlocked.signer.sign(b"message"), b"message", what="document")
    assert not (profile.directory / "keys/signing").exists()


def test_asking_for_a_key_does_not_show_its_passphrase(tmp_path):
    existing = ExistingSigningKey(path=tmp_path, passphrase=SIGNING_PASSPHRASE)
    for choice in (WANTED["signing"], existing):
        assert "staple" not in repr(choice)


def test_a_kill_just_before_the_end_leaves_no_profile_and_no_obstacle(tmp_path):
    directory = tmp_path / "cleanroom"
    command = [sys.executable, "-c", KILLED, str(directory)]
    killed = subprocess.run(command, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert list_profiles(directory) == ()
    assert not (directory / "hospital").exists()
    write_profile(directory, throwaway_party("hospital"))
    assert list_profiles(directory) == ("hospital",)
    assert sorted(path.name for path in directory.iterdir()) == [".lock", "hospital"]
