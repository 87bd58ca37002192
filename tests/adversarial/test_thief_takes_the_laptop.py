# SPDX-License-Identifier: Apache-2.0
"""T-16: a stolen, borrowed or backed-up laptop with a party's profile on it.

The thief reads every file and may put altered ones back; he does not know the
passphrases. Whoever shares the machine may read what its modes let him read.
"""

import json
import re
import shutil

import pytest

from cleanroom.envelope import sshsig
from cleanroom.errors import CleanroomError, IntegrityError, RefusedError
from cleanroom.identity.new_profile import NewSigningKey, create_profile
from cleanroom.identity.openssh_file import read_key_header
from cleanroom.identity.pins import load_pins
from cleanroom.identity.profile import load_profile, unlock, unlock_seeds
from cleanroom.identity.seed_file import open_seeds, seal_seeds
from cleanroom.kernel.strict_base64 import encode_base64
from cleanroom.keybroker.kek.file import FileKek
from cleanroom.keybroker.kek.wrapped import open_wrapped, wrap_seeds
from tests.support.keys import PASSPHRASE, derive, throwaway_party, write_profile

THREATS = frozenset({"T-16"})

SIGNING_PASSPHRASE = b"signing passphrase"
THIEF = throwaway_party("thief")


@pytest.fixture(scope="module")
def stolen(tmp_path_factory):
    directory = tmp_path_factory.mktemp("laptop") / "cleanroom"
    profile = create_profile(
        directory,
        name="hospital",
        title="St. Anna",
        broker_address="unix:/run/cleanroom/hospital.sock",
        passphrase=PASSPHRASE,
        signing=NewSigningKey(passphrase=SIGNING_PASSPHRASE),
        sign=sshsig.sign,
    )
    return directory, unlock(profile, PASSPHRASE, SIGNING_PASSPHRASE)


@pytest.fixture
def altered(stolen, tmp_path):
    """A copy of the profile that the thief may alter."""
    shutil.copytree(stolen[0], tmp_path / "cleanroom")
    return tmp_path / "cleanroom"


def test_no_file_holds_a_secret_in_any_usual_spelling(stolen):
    directory, unlocked = stolen
    data = b"\n".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())
    for secret in (
        unlocked.broker_seed,
        unlocked.state_seed,
        unlocked.signer.key.private_bytes_raw(),
    ):
        assert secret not in data
        assert secret.hex().encode() not in data.lower()


def test_a_guess_at_the_passphrase_costs_what_the_documentation_says(stolen):
    directory, _ = stolen
    kdf = json.loads((directory / "hospital/keys/seeds.json").read_bytes())["kdf"]
    assert kdf["memory_kib"] * kdf["iterations"] >= 3 * 64 * 1024
    assert read_key_header((directory / "hospital/keys/signing").read_bytes(), what="x").encrypted


def test_a_wrong_guess_tells_nothing_but_that_it_is_wrong(stolen):
    data = (stolen[0] / "hospital/keys/seeds.json").read_bytes()
    messages = set()
    for guess in (b"", b"a", PASSPHRASE[:-1]):
        with pytest.raises(IntegrityError) as refusal:
            open_seeds(data, guess)
        messages.add(str(refusal.value))
    assert messages == {"seed file: wrong passphrase, or the file was altered"}


def test_no_byte_of_the_seed_file_can_change_unnoticed(stolen):
    good = (stolen[0] / "hospital/keys/seeds.json").read_bytes()
    assert re.search(rb'"memory_kib":65536', good)
    for at in range(0, len(good), 37):
        bad = bytearray(good)
        bad[at] ^= 4
        with pytest.raises(CleanroomError):
            open_seeds(bytes(bad), PASSPHRASE)


def test_a_file_with_the_thiefs_seeds_is_not_taken_into_use(altered):
    # He cannot know the passphrase, so he waits until its owner makes a new file
    # under it, or guesses that it is the one of his own demo.
    seeds = {name: derive(f"thief/{name}") for name in ("receiving", "broker", "state")}
    (altered / "hospital/keys/seeds.json").write_bytes(seal_seeds(seeds, PASSPHRASE))
    with pytest.raises(IntegrityError, match="its receiving key is not the one"):
        unlock_seeds(load_profile(altered, "hospital"), PASSPHRASE)


def test_an_unencrypted_key_of_the_thief_does_not_sign_for_the_party(altered, tmp_path):
    theirs = write_profile(tmp_path / "theirs", THIEF).directory
    shutil.copy(theirs / "keys/signing", altered / "hospital/keys/signing")
    with pytest.raises(IntegrityError, match="its signing key is not the one"):
        unlock(load_profile(altered, "hospital"), PASSPHRASE, b"")


def test_pointing_the_profile_at_another_key_file_does_not_help(altered, tmp_path):
    theirs = write_profile(tmp_path / "theirs", THIEF).directory
    path = altered / "hospital/profile.toml"
    path.write_text(path.read_text().replace("keys/signing", str(theirs / "keys/signing")))
    with pytest.raises(IntegrityError, match="its signing key is not the one"):
        unlock(load_profile(altered, "hospital"), PASSPHRASE, b"")


@pytest.mark.parametrize("file", ["keys/seeds.json", "keys/signing"])
def test_a_key_file_that_a_colleague_could_read_is_refused_until_its_owner_knows(altered, file):
    path = altered / "hospital" / file
    path.chmod(0o640)
    with pytest.raises(RefusedError, match=f"^{path.name}: open to other users") as refusal:
        unlock(load_profile(altered, "hospital"), PASSPHRASE, SIGNING_PASSPHRASE)
    assert "who may have read" in refusal.value.hint


def test_a_pin_that_a_colleague_could_plant_is_refused(altered):
    pins = altered / "hospital/pins"
    (pins / "thief.toml").write_bytes(THIEF.document.raw)
    (pins / "thief.toml").chmod(0o666)
    with pytest.raises(RefusedError, match=r"^thief.toml: open to other users"):
        load_pins(pins)


def test_opened_keys_do_not_show_in_a_crash_report(stolen):
    _, unlocked = stolen
    shown = f"{unlocked!r} {unlocked.receiving!r} {unlocked.signer!r}"
    for secret in (unlocked.broker_seed, unlocked.state_seed):
        assert repr(secret) not in shown
    assert "PrivateKey" not in shown


def test_wrapped_seeds_of_the_thief_s_own_are_not_served(tmp_path):
    # He may use the owner's key service, and hopes that the broker seals and signs with his keys.
    owner, thief = throwaway_party("hospital"), throwaway_party("hospital", edition=2)
    path = tmp_path / "kek"
    path.write_bytes(encode_base64(bytes(range(32))).encode())
    path.chmod(0o600)
    kek = FileKek(path=path)
    seeds = {
        "receiving": thief.receiving_seed,
        "broker": thief.unlocked.broker_seed,
        "state": thief.unlocked.state_seed,
    }
    planted = wrap_seeds(seeds, party="hospital", kek=kek)
    with pytest.raises(IntegrityError) as refused:
        open_wrapped(planted, party=owner.document, kek=kek)
    assert refused.value.code == "kek.foreign-seeds"
