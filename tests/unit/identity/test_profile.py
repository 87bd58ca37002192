# SPDX-License-Identifier: Apache-2.0
import shutil
from pathlib import Path

import pytest

from cleanroom.errors import IntegrityError, MalformedError, RefusedError, UnavailableError
from cleanroom.identity.homes import config_directory, list_profiles
from cleanroom.identity.pins import load_pins
from cleanroom.identity.profile import load_profile, unlock, unlock_seeds
from cleanroom.identity.profile_file import SigningAgent, SigningFile, render_profile_file
from cleanroom.identity.seed_file import seal_seeds
from tests.support.keys import PASSPHRASE, derive, signer, throwaway_party, write_profile

HOSPITAL = throwaway_party("hospital")
INSURER = throwaway_party("insurer")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    directory = tmp_path_factory.mktemp("config") / "cleanroom"
    write_profile(directory, HOSPITAL)
    write_profile(directory, INSURER)
    return directory


@pytest.fixture
def profiles(written, tmp_path):
    """A copy that a test may spoil."""
    directory = tmp_path / "cleanroom"
    shutil.copytree(written, directory)
    return directory


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"XDG_CONFIG_HOME": "/xdg", "HOME": "/home/a"}, "/xdg/cleanroom"),
        ({"HOME": "/home/a"}, "/home/a/.config/cleanroom"),
        ({"XDG_CONFIG_HOME": "", "HOME": "/home/a"}, "/home/a/.config/cleanroom"),
        ({"XDG_CONFIG_HOME": "relative", "HOME": "/home/a"}, "/home/a/.config/cleanroom"),
    ],
)
def test_profiles_are_kept_where_the_xdg_specification_says(environ, path):
    assert config_directory(environ) == Path(path)


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}, {"HOME": "relative"}])
def test_no_place_for_profiles_is_reported(environ):
    with pytest.raises(UnavailableError, match="^profiles: neither"):
        config_directory(environ)


def test_a_profile_loads_locked(written):
    profile = load_profile(written, "hospital")
    assert profile.party == HOSPITAL.document
    assert profile.party_signature == HOSPITAL.document_signature
    assert profile.signing == SigningFile(path=written / "hospital/keys/signing")
    assert profile.broker_home.is_dir()
    assert load_pins(profile.pins_directory).documents == {"hospital": HOSPITAL.document}


def test_profiles_are_listed_by_name(profiles):
    (profiles / ".broken.1234.new").mkdir()
    shutil.copytree(profiles / "hospital", profiles / "Backup of hospital")
    (profiles / "empty").mkdir()
    assert list_profiles(profiles) == ("hospital", "insurer")
    assert list_profiles(profiles / "absent") == ()


def test_unlocking_gives_the_documents_keys(written):
    unlocked = unlock(load_profile(written, "hospital"), PASSPHRASE, b"")
    assert unlocked.signer.public_key in HOSPITAL.document.signing_keys
    assert unlocked.receiving.public_bytes == HOSPITAL.document.receiving_key
    assert unlocked.broker_seed == HOSPITAL.unlocked.broker_seed
    assert unlocked.state_seed == HOSPITAL.unlocked.state_seed


def test_a_broker_unlocks_without_the_signing_key(profiles):
    (profiles / "hospital/keys/signing").unlink()
    seeds = unlock_seeds(load_profile(profiles, "hospital"), PASSPHRASE)
    assert seeds.broker_seed == HOSPITAL.unlocked.broker_seed
    assert not hasattr(seeds, "signer")


def test_showing_unlocked_keys_shows_none(written):
    unlocked = unlock(load_profile(written, "hospital"), PASSPHRASE, b"")
    for shown in (repr(unlocked), str(unlocked), f"{unlocked}"):
        assert "seed" not in shown
        assert "PrivateKey" not in shown


def test_a_wrong_passphrase_refuses(written):
    with pytest.raises(IntegrityError) as refusal:
        unlock(load_profile(written, "hospital"), b"wrong passphrase", b"")
    assert refusal.value.code == "identity.passphrase"


def test_an_absent_profile_names_the_command_that_makes_it(written):
    with pytest.raises(UnavailableError, match="^profile clinic: there is none") as refusal:
        load_profile(written, "clinic")
    assert "cleanroom init clinic" in refusal.value.hint


@pytest.mark.parametrize("name", ["", "..", "../hospital", "Hospital", "a/b", "hospital\0"])
def test_a_name_that_is_no_name_is_refused(written, name):
    with pytest.raises(MalformedError, match="^profile: not a short lower-case name$"):
        load_profile(written, name)


@pytest.mark.parametrize(
    ("file", "subject"),
    [
        ("profile.toml", "profile.toml"),
        ("party.toml", "party.toml"),
        ("party.toml.sig", "party.toml.sig"),
        ("keys/signing", "signing"),
        ("keys/seeds.json", "seeds.json"),
    ],
)
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_open_to_others_is_refused_by_name(profiles, file, subject, mode):
    (profiles / "hospital" / file).chmod(mode)
    with pytest.raises(RefusedError, match=f"^{subject}: open to other users"):
        unlock(load_profile(profiles, "hospital"), PASSPHRASE, b"")


@pytest.mark.parametrize("file", ["party.toml", "keys/signing", "keys/seeds.json"])
def test_a_linked_file_is_refused_by_name(profiles, tmp_path, file):
    path = profiles / "hospital" / file
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    with pytest.raises(RefusedError, match=f"^{path.name}: a symbolic link$"):
        unlock(load_profile(profiles, "hospital"), PASSPHRASE, b"")


def test_a_profile_directory_open_to_others_is_refused(profiles):
    (profiles / "hospital").chmod(0o710)
    with pytest.raises(RefusedError, match="^hospital: open to other users"):
        load_profile(profiles, "hospital")


def test_another_partys_document_in_the_profile_is_refused(profiles):
    (profiles / "hospital/party.toml").write_bytes(INSURER.document.raw)
    with pytest.raises(IntegrityError, match="found the document of party insurer"):
        load_profile(profiles, "hospital")


def test_another_profiles_settings_are_refused(profiles):
    shutil.copy(profiles / "insurer/profile.toml", profiles / "hospital/profile.toml")
    with pytest.raises(IntegrityError, match=r"^profile.toml: not that of profile hospital$"):
        load_profile(profiles, "hospital")


def test_exchanged_seeds_are_refused_even_under_the_right_passphrase(profiles):
    shutil.copy(profiles / "insurer/keys/seeds.json", profiles / "hospital/keys/seeds.json")
    with pytest.raises(IntegrityError, match="its receiving key is not the one") as refusal:
        unlock(load_profile(profiles, "hospital"), PASSPHRASE, b"")
    assert refusal.value.code == "profile.foreign-key"


def test_an_exchanged_broker_seed_is_refused(profiles):
    seeds = {
        "receiving": HOSPITAL.receiving_seed,
        "broker": derive("thief"),
        "state": HOSPITAL.unlocked.state_seed,
    }
    (profiles / "hospital/keys/seeds.json").write_bytes(seal_seeds(seeds, PASSPHRASE))
    with pytest.raises(IntegrityError, match="its broker key is not the one"):
        unlock_seeds(load_profile(profiles, "hospital"), PASSPHRASE)


def test_an_exchanged_signing_key_is_refused(profiles):
    shutil.copy(profiles / "insurer/keys/signing", profiles / "hospital/keys/signing")
    with pytest.raises(IntegrityError, match="its signing key is not the one"):
        unlock(load_profile(profiles, "hospital"), PASSPHRASE, b"")


def test_a_key_file_elsewhere_is_used_where_it_lies(profiles, tmp_path):
    home = profiles / "hospital"
    (home / "keys/signing").rename(tmp_path / "id_ed25519")
    signing = SigningFile(path=tmp_path / "id_ed25519")
    (home / "profile.toml").write_bytes(render_profile_file("hospital", signing, home=home))
    profile = load_profile(profiles, "hospital")
    assert profile.signing == signing
    unlock(profile, PASSPHRASE, b"")


def test_a_profile_that_signs_through_an_agent_needs_one(profiles):
    home = profiles / "hospital"
    signing = SigningAgent(public_key=HOSPITAL.unlocked.signer.public_key)
    (home / "profile.toml").write_bytes(render_profile_file("hospital", signing, home=home))
    profile = load_profile(profiles, "hospital")
    assert profile.signing == signing
    with pytest.raises(UnavailableError, match="signs through an ssh-agent") as refusal:
        unlock(profile, PASSPHRASE, b"")
    assert "SSH_AUTH_SOCK" in refusal.value.hint
    unlocked = unlock(profile, PASSPHRASE, b"", agent_socket=profiles / "agent.sock")
    assert unlocked.signer.public_key == signing.public_key


def test_an_agents_key_that_is_not_the_documents_is_refused(profiles):
    home = profiles / "hospital"
    signing = SigningAgent(public_key=signer("stranger").public_key)
    (home / "profile.toml").write_bytes(render_profile_file("hospital", signing, home=home))
    with pytest.raises(IntegrityError, match="its signing key is not the one"):
        unlock(load_profile(profiles, "hospital"), PASSPHRASE, b"", agent_socket=profiles)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cleanroom.profile.v0", "cleanroom.profile.v9"),
        ('kind = "file"', 'kind = "token"'),
        ('kind = "file"\n', ""),
        ('path = "keys/signing"', ""),
        ('path = "keys/signing"', 'path = "../insurer/keys/signing"'),
        ('path = "keys/signing"', 'path = "keys/signing"\nextra = 1'),
        ("[signing]", "[signing"),
    ],
)
def test_one_change_of_the_settings_is_refused(profiles, old, new):
    path = profiles / "hospital/profile.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(MalformedError, match=r"^profile.toml: "):
        load_profile(profiles, "hospital")
