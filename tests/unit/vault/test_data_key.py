# SPDX-License-Identifier: Apache-2.0
import json
import stat

import pytest

from cleanroom.errors import CleanroomError, IntegrityError, MalformedError, UnavailableError
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.vault.data_key import (
    delete_data_key,
    discard_staged_key,
    list_versions,
    name_data_key,
    new_data_key,
    next_version,
    open_data_key,
    open_staged_key,
    settle_data_key,
    stage_data_key,
)

OWNER = ReceivingKey.from_seed(b"h" * 32)
THIEF = ReceivingKey.from_seed(b"t" * 32)
LINEAGE = "hospital.encounters"


@pytest.fixture
def home(tmp_path):
    return tmp_path / "broker"


def staged(home, version=1):
    key = new_data_key(lineage=LINEAGE, version=version)
    stage_data_key(home, key, receiving_key=OWNER.public_bytes)
    return key


def settled(home, version=1):
    key = staged(home, version)
    settle_data_key(home, lineage=LINEAGE, version=version)
    return key


def path_of(home, version=1):
    return home / "data-keys" / LINEAGE / f"{version}.json"


def test_a_settled_key_opens_for_its_owner(home):
    key = settled(home)
    assert open_data_key(home, lineage=LINEAGE, version=1, receiving=OWNER) == key


def test_a_key_is_named_without_opening_it(home):
    key = settled(home)
    assert name_data_key(home, lineage=LINEAGE, version=1) == key.key_id.hex()
    path_of(home).rename(path_of(home, 2))
    with pytest.raises(IntegrityError, match="another version's"):
        name_data_key(home, lineage=LINEAGE, version=2)


def test_a_staged_key_is_no_version_yet(home):
    key = staged(home)
    assert list_versions(home, LINEAGE) == ()
    assert open_staged_key(home, lineage=LINEAGE, version=1, receiving=OWNER) == key
    with pytest.raises(UnavailableError):
        open_data_key(home, lineage=LINEAGE, version=1, receiving=OWNER)


def test_settling_twice_is_harmless(home):
    key = settled(home)
    settle_data_key(home, lineage=LINEAGE, version=1)
    assert open_data_key(home, lineage=LINEAGE, version=1, receiving=OWNER) == key
    assert open_staged_key(home, lineage=LINEAGE, version=1, receiving=OWNER) is None


def test_versions_are_listed_ascending_as_numbers(home):
    for version in (10, 2, 1):
        settled(home, version)
    (home / "data-keys" / LINEAGE / "notes.txt").write_text("x")
    assert list_versions(home, LINEAGE) == (1, 2, 10)


def test_two_keys_share_nothing():
    first, second = (new_data_key(lineage=LINEAGE, version=1) for _ in range(2))
    assert first.secret != second.secret
    assert first.key_id != second.key_id
    assert repr(first.secret) not in repr(first)


def test_a_key_file_is_for_its_owner_alone(home):
    settled(home)
    assert stat.S_IMODE(path_of(home).stat().st_mode) == 0o600
    assert stat.S_IMODE(path_of(home).parent.stat().st_mode) == 0o700


def test_a_stolen_key_file_opens_for_nobody_else(home):
    """T-16."""
    settled(home)
    with pytest.raises(IntegrityError):
        open_data_key(home, lineage=LINEAGE, version=1, receiving=THIEF)


def test_a_key_renamed_to_another_version_is_refused(home):
    settled(home)
    path_of(home).rename(path_of(home, 2))
    with pytest.raises(IntegrityError, match="another version's"):
        open_data_key(home, lineage=LINEAGE, version=2, receiving=OWNER)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"version": 2}, IntegrityError),
        ({"lineage": "hospital.patients"}, IntegrityError),
        ({"key_id": "0" * 32}, IntegrityError),
        ({"key_id": "0" * 31}, MalformedError),
        ({"format": "cleanroom.data-key.v1"}, MalformedError),
        ({"sealed": "!"}, MalformedError),
        ({"sealed": "AAAA"}, CleanroomError),
        ({"more": 1}, MalformedError),
    ],
)
def test_one_changed_field_is_refused_by_name(home, change, error):
    settled(home)
    document = json.loads(path_of(home).read_bytes()) | change
    path_of(home).write_text(json.dumps(document))
    with pytest.raises(error):
        open_data_key(home, lineage=LINEAGE, version=1, receiving=OWNER)


def test_a_deleted_key_is_gone(home):
    settled(home)
    delete_data_key(home, lineage=LINEAGE, version=1)
    assert list_versions(home, LINEAGE) == ()
    with pytest.raises(UnavailableError, match="cannot be deleted"):
        delete_data_key(home, lineage=LINEAGE, version=1)


def test_a_key_that_was_never_staged_cannot_be_settled(home):
    with pytest.raises(UnavailableError, match="cannot be settled") as refused:
        settle_data_key(home, lineage=LINEAGE, version=1)
    assert refused.value.code == "vault.key-absent"


def test_discarding_what_is_not_there_is_harmless(home):
    discard_staged_key(home, lineage=LINEAGE, version=1)
    staged(home)
    discard_staged_key(home, lineage=LINEAGE, version=1)
    assert open_staged_key(home, lineage=LINEAGE, version=1, receiving=OWNER) is None


def test_no_versions_where_nothing_was_sealed(home):
    assert list_versions(home, LINEAGE) == ()


@pytest.mark.parametrize("lineage", ["../../etc", "hospital", "hospital.a/b", ""])
def test_a_lineage_is_never_a_path(home, lineage):
    for attempt in (
        lambda: list_versions(home, lineage),
        lambda: new_data_key(lineage=lineage, version=1),
        lambda: delete_data_key(home, lineage=lineage, version=1),
    ):
        with pytest.raises(MalformedError, match="^lineage: "):
            attempt()


def test_a_deleted_version_keeps_its_number_for_ever(home):
    assert next_version(home, LINEAGE) == 1
    settled(home)
    settled(home, 2)
    delete_data_key(home, lineage=LINEAGE, version=2)
    delete_data_key(home, lineage=LINEAGE, version=1)
    assert list_versions(home, LINEAGE) == ()
    assert next_version(home, LINEAGE) == 3
