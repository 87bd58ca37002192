# SPDX-License-Identifier: Apache-2.0
"""Seeds that a KEK wraps, and KEKs that are no service: a file, a token."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cleanroom.errors import (
    IntegrityError,
    KeyRefusedError,
    MalformedError,
    RefusedError,
    UnavailableError,
)
from cleanroom.keybroker.kek.file import FileKek
from cleanroom.keybroker.kek.uri import open_kek
from cleanroom.keybroker.kek.wrapped import (
    WRAPPED_FILE,
    open_wrapped,
    read_wrapped,
    rewrap,
    unlocked,
    wrap_seeds,
    write_wrapped,
)
from tests.support.key_services import CONTEXT, KEY, FakeVault, b64, key_file, private
from tests.support.keys import throwaway_party

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")


# A file.


def test_a_key_file_wraps(tmp_path):
    kek = open_kek(f"file:{key_file(tmp_path / 'kek')}")
    assert kek.unwrap(kek.wrap(KEY, context=CONTEXT), context=CONTEXT) == KEY
    with pytest.raises(IntegrityError):
        kek.unwrap(b"short", context=CONTEXT)
    (tmp_path / "kek").chmod(0o640)
    with pytest.raises(RefusedError):
        kek.wrap(KEY, context=CONTEXT)


def test_a_key_file_holds_one_key(tmp_path):
    private(tmp_path / "kek", base64.b64encode(b"x" * 16))
    with pytest.raises(MalformedError) as failed:
        open_kek(f"file:{tmp_path / 'kek'}").wrap(KEY, context=CONTEXT)
    assert failed.value.code == "kek.file"


# What is wrapped.


@pytest.fixture
def party():
    return throwaway_party("hospital")


@pytest.fixture
def seeds(party):
    return seeds_of("hospital")


def seeds_of(name):
    made = throwaway_party(name)
    return {
        "receiving": made.receiving_seed,
        "broker": made.unlocked.broker_seed,
        "state": made.unlocked.state_seed,
    }


@pytest.fixture
def kek(tmp_path):
    return FileKek(path=key_file(tmp_path / "kek"))


def test_wrapped_seeds_open_to_what_a_broker_needs(party, seeds, kek):
    data = wrap_seeds(seeds, party="hospital", kek=kek)
    assert all(base64.b64encode(seed) not in data for seed in seeds.values())
    found = unlocked(open_wrapped(data, party=party.document, kek=kek))
    assert found.receiving.public_bytes == party.document.receiving_key
    assert (found.broker_seed, found.state_seed) == (seeds["broker"], seeds["state"])


@pytest.mark.parametrize("member", ["wrapped", "nonce", "sealed"])
def test_one_flipped_bit_is_found(party, seeds, kek, member):
    value = json.loads(wrap_seeds(seeds, party="hospital", kek=kek))
    raw = bytearray(base64.b64decode(value[member]))
    raw[-1] ^= 1
    data = json.dumps(value | {member: b64(bytes(raw))}).encode()
    with pytest.raises(IntegrityError) as failed:
        open_wrapped(data, party=party.document, kek=kek)
    assert failed.value.code == "kek.wrong"


def test_a_wrapped_key_of_another_file_does_not_open(party, seeds, kek):
    one, other = (json.loads(wrap_seeds(seeds, party="hospital", kek=kek)) for _ in range(2))
    data = json.dumps(one | {"wrapped": other["wrapped"]}).encode()
    with pytest.raises(IntegrityError):
        open_wrapped(data, party=party.document, kek=kek)


def test_a_kek_that_gives_no_key_of_the_right_length_is_wrong(party, seeds, kek):
    value = json.loads(wrap_seeds(seeds, party="hospital", kek=kek))
    short = b64(kek.wrap(b"short", context=CONTEXT))
    with pytest.raises(IntegrityError):
        open_wrapped(json.dumps(value | {"wrapped": short}).encode(), party=party.document, kek=kek)


def test_another_party_s_file_and_another_kek_are_named(party, seeds, kek, tmp_path):
    data = wrap_seeds(seeds, party="hospital", kek=kek)
    with pytest.raises(IntegrityError) as failed:
        open_wrapped(data, party=throwaway_party("insurer").document, kek=kek)
    assert failed.value.code == "kek.party"
    other = FileKek(path=key_file(tmp_path / "other"))
    with pytest.raises(IntegrityError) as failed:
        open_wrapped(data, party=party.document, kek=other)
    assert failed.value.code == "kek.kek"
    key_file(tmp_path / "kek")
    with pytest.raises(IntegrityError) as failed:
        open_wrapped(data, party=party.document, kek=kek)
    assert failed.value.code == "kek.wrong"


def test_seeds_of_somebody_else_under_the_right_kek_are_refused(party, kek):
    data = wrap_seeds(seeds_of("insurer"), party="hospital", kek=kek)
    with pytest.raises(IntegrityError) as failed:
        open_wrapped(data, party=party.document, kek=kek)
    assert failed.value.code == "kek.foreign-seeds"


def test_rewrapping_leaves_the_old_file_or_the_new_one(party, seeds, kek, tmp_path):
    (tmp_path / "keys").mkdir()
    write_wrapped(tmp_path, wrap_seeds(seeds, party="hospital", kek=kek), replacing=False)
    before = read_wrapped(tmp_path)
    with pytest.raises(RefusedError) as failed:
        write_wrapped(tmp_path, before, replacing=False)
    assert failed.value.code == "kek.exists"
    absent = FileKek(path=tmp_path / "absent")
    with pytest.raises(UnavailableError):
        rewrap(tmp_path, party=party.document, old=kek, new=absent)
    assert read_wrapped(tmp_path) == before
    other = FileKek(path=key_file(tmp_path / "other"))
    rewrap(tmp_path, party=party.document, old=kek, new=other)
    assert open_wrapped(read_wrapped(tmp_path), party=party.document, kek=other) == seeds
    assert (tmp_path / WRAPPED_FILE).stat().st_mode & 0o077 == 0


def test_a_kek_that_wraps_and_does_not_unwrap_is_not_taken(seeds, kek, tmp_path):
    party = throwaway_party("hospital")
    (tmp_path / "keys").mkdir()
    write_wrapped(tmp_path, wrap_seeds(seeds, party="hospital", kek=kek), replacing=False)
    before = read_wrapped(tmp_path)
    private(tmp_path / "token", b"token")
    uri = f"vault:https://vault.example/transit/kek?token-file={tmp_path}/token"
    new = open_kek(uri, transport=FakeVault(least_version=2))
    with pytest.raises(KeyRefusedError):
        rewrap(tmp_path, party=party.document, old=kek, new=new)
    assert read_wrapped(tmp_path) == before


# A token.


def test_without_the_library_of_tokens_its_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    uri = f"pkcs11:token=T;object=K?module-path=/m&pin-source={tmp_path}/pin"
    with pytest.raises(UnavailableError) as failed:
        open_kek(uri).wrap(KEY, context=CONTEXT)
    assert failed.value.code == "kek.extra"


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """Make a SoftHSM token with an AES key; returns its URI."""
    if not SOFTHSM.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (Debian package softhsm2)")
    pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    path = tmp_path_factory.mktemp("token")
    (path / "tokens").mkdir()
    (path / "conf").write_text(f"directories.tokendir = {path}/tokens\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SOFTHSM2_CONF", str(path / "conf"))
        command = ["softhsm2-util", "--init-token", "--free", "--label", "clean"]
        subprocess.run(
            [*command, "--pin", "1234", "--so-pin", "5678"], check=True, capture_output=True
        )
        private(path / "pin", b"1234\n")
        with (
            pkcs11.lib(str(SOFTHSM))
            .get_token(token_label="clean")
            .open(rw=True, user_pin="1234") as session
        ):
            session.generate_key(pkcs11.KeyType.AES, 256, label="kek", store=True)
        yield f"pkcs11:token=clean;object=kek?module-path={SOFTHSM}&pin-source=file:{path}/pin"


def test_a_token_wraps_without_giving_its_key(token):
    kek = open_kek(token)
    wrapped = kek.wrap(KEY, context=CONTEXT)
    assert KEY not in wrapped
    assert kek.unwrap(wrapped, context=CONTEXT) == KEY
    assert kek.place == "pkcs11:token=clean;object=kek"


def test_what_a_token_did_not_wrap_does_not_open(token):
    kek = open_kek(token)
    wrapped = kek.wrap(KEY, context=CONTEXT)
    for data, context in ((wrapped[:-1] + bytes([wrapped[-1] ^ 1]), CONTEXT), (wrapped, "other")):
        with pytest.raises(IntegrityError) as failed:
            kek.unwrap(data, context=context)
        assert failed.value.code == "kek.wrong"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("token=clean", "token=other"), "kek.absent"),
        (("object=kek", "object=other"), "kek.absent"),
        ((str(SOFTHSM), "/nowhere.so"), "kek.unreachable"),
    ],
)
def test_a_token_that_is_not_there_is_named(token, change, code):
    with pytest.raises((KeyRefusedError, UnavailableError)) as failed:
        open_kek(token.replace(*change)).wrap(KEY, context=CONTEXT)
    assert failed.value.code == code


def test_a_wrong_pin_is_named_and_not_repeated(token, tmp_path):
    pin = private(tmp_path / "pin", b"99999")
    uri = f"{token.partition('&')[0]}&pin-source={pin}"
    with pytest.raises(KeyRefusedError) as failed:
        open_kek(uri).wrap(KEY, context=CONTEXT)
    assert failed.value.code == "kek.denied"
    assert "99999" not in str(failed.value)
