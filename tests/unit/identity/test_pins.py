# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from types import MappingProxyType

import pytest

from cleanroom.errors import IntegrityError, MalformedError, RefusedError, UnavailableError
from cleanroom.identity.party import parse_party, render_party
from cleanroom.identity.pins import Replace, load_pins, pin
from tests.support.keys import throwaway_party

HOSPITAL = throwaway_party("hospital").document
INSURER = throwaway_party("insurer").document
NEW_KEYS = throwaway_party("hospital", edition=2).document


def rendered(document, **changes):
    names = (
        "name", "title", "signing_keys", "receiving_key", "broker_address", "broker_key",
    )  # fmt: skip
    return parse_party(render_party(**{name: getattr(document, name) for name in names} | changes))


@pytest.fixture
def pins(tmp_path):
    directory = tmp_path / "pins"
    pin(directory, HOSPITAL, confirmed=HOSPITAL.digest)
    return directory


def test_a_confirmed_document_is_pinned_to_the_byte(pins):
    assert load_pins(pins).documents == {"hospital": HOSPITAL}
    assert (pins / "hospital.toml").read_bytes() == HOSPITAL.raw
    assert (pins / "hospital.toml").stat().st_mode & 0o077 == 0


def test_several_parties_are_pinned_side_by_side(pins):
    pin(pins, INSURER, confirmed=INSURER.digest)
    assert set(load_pins(pins).documents) == {"hospital", "insurer"}


def test_pins_cannot_be_changed_in_memory(pins):
    assert isinstance(load_pins(pins).documents, MappingProxyType)


def test_another_fingerprint_pins_nothing(tmp_path):
    with pytest.raises(IntegrityError, match="^party hospital: fingerprint") as refusal:
        pin(tmp_path / "pins", HOSPITAL, confirmed=INSURER.digest)
    assert refusal.value.code == "pins.fingerprint"
    assert not (tmp_path / "pins").exists()


def test_pinning_the_same_document_again_changes_nothing(pins):
    pin(pins, HOSPITAL, confirmed=HOSPITAL.digest)
    assert load_pins(pins).documents == {"hospital": HOSPITAL}


def test_other_keys_of_a_pinned_party_are_refused_unless_asked_for(pins):
    with pytest.raises(RefusedError, match="^party hospital: another document is pinned") as no:
        pin(pins, NEW_KEYS, confirmed=NEW_KEYS.digest)
    assert no.value.code == "pins.exists"
    assert load_pins(pins).documents == {"hospital": HOSPITAL}
    pin(pins, NEW_KEYS, confirmed=NEW_KEYS.digest, replace=Replace.YES)
    assert load_pins(pins).documents == {"hospital": NEW_KEYS}


@pytest.mark.parametrize(
    "shared",
    [
        {"signing_keys": HOSPITAL.signing_keys},
        {"receiving_key": HOSPITAL.receiving_key},
        {"broker_key": HOSPITAL.broker_key},
        {"broker_key": HOSPITAL.signing_keys[0].raw},
    ],
    ids=["signing", "receiving", "broker", "across"],
)
def test_one_organisation_under_two_names_is_refused(pins, shared):
    double = rendered(INSURER, **shared)
    with pytest.raises(RefusedError, match="^party insurer: uses a key of party hospital") as no:
        pin(pins, double, confirmed=double.digest)
    assert no.value.code == "pins.shared-key"
    assert set(load_pins(pins).documents) == {"hospital"}


def test_a_shared_key_is_refused_when_pins_were_edited_by_hand(pins):
    double = rendered(INSURER, broker_key=HOSPITAL.broker_key)
    (pins / "insurer.toml").write_bytes(double.raw)
    (pins / "insurer.toml").chmod(0o600)
    with pytest.raises(RefusedError, match="uses a key of party"):
        load_pins(pins)


def test_a_file_named_unlike_its_party_is_refused(pins):
    (pins / "hospital.toml").rename(pins / "insurer.toml")
    with pytest.raises(IntegrityError, match="^pinned insurer.toml: .* party hospital$"):
        load_pins(pins)


def test_a_pin_that_is_no_party_document_is_refused(pins):
    (pins / "hospital.toml").write_bytes(b"")
    with pytest.raises(MalformedError, match="^pinned hospital.toml: "):
        load_pins(pins)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_pin_that_others_can_change_is_refused(pins, mode):
    (pins / "hospital.toml").chmod(mode)
    with pytest.raises(RefusedError, match=r"^hospital.toml: open to other users"):
        load_pins(pins)


def test_a_directory_where_others_can_add_pins_is_refused(pins):
    pins.chmod(0o770)
    with pytest.raises(RefusedError, match="^pins: open to other users"):
        load_pins(pins)
    pins.chmod(0o700)


def test_a_pin_that_is_a_link_is_refused(pins, tmp_path):
    (tmp_path / "elsewhere").write_bytes(INSURER.raw)
    (pins / "insurer.toml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match="^insurer.toml: a symbolic link$"):
        load_pins(pins)


def test_a_killed_writers_leftover_is_no_pin(pins):
    (pins / ".insurer.toml.1234.tmp").write_bytes(INSURER.raw[:100])
    assert set(load_pins(pins).documents) == {"hospital"}


def test_an_absent_directory_is_reported(tmp_path):
    with pytest.raises(UnavailableError, match="^pins: no such directory$"):
        load_pins(tmp_path / "pins")


def test_an_empty_directory_trusts_nobody(tmp_path):
    assert load_pins(tmp_path).documents == {}


def test_a_document_made_in_memory_with_a_false_digest_is_not_pinned(pins):
    # The digest in the object is only as good as the parser that made it.
    forged = replace(INSURER, digest=HOSPITAL.digest)
    with pytest.raises(IntegrityError):
        pin(pins, forged, confirmed=HOSPITAL.digest)
