# SPDX-License-Identifier: Apache-2.0
"""A version of a dataset is published whole, or not at all, and never twice."""

import pytest

from cleanroom.contract import places
from cleanroom.contract.dataset import parse_dataset
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.signing import SigningParty
from cleanroom.envelope.signed_file import verify_file
from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.vault.data_key import list_versions, open_data_key
from cleanroom.vault.new_version import VersionOwner, seal_version
from tests.support.keys import throwaway_party
from tests.support.room_simulator import HEALTH

TABLE = HEALTH["hospital"][0]
LINEAGE = "hospital.stays"
HOSPITAL, INSURER = throwaway_party("hospital"), throwaway_party("insurer")


class Interrupted(BaseException):
    """Stands for a kill in the middle of sealing."""


def silent(_done, _total):
    """Say nothing."""


def interrupted(_done, _total):
    raise Interrupted


@pytest.fixture
def room(tmp_path):
    (tmp_path / "room").mkdir()
    return RoomDirectory(path=tmp_path / "room")


def seal(room, *, party=HOSPITAL, source=TABLE.source, types=None, progress=silent):
    return seal_version(
        source,
        policy=TABLE.policy.read_bytes(),
        room=room,
        owner=VersionOwner(
            party=SigningParty(document=party.document, signer=party.unlocked.signer),
            receiving=party.unlocked.receiving,
            broker_home=room.path.parent / "broker",
        ),
        normalisation=TABLE.normalisation,
        types=types or {},
        progress=progress,
    )


def test_policy_and_document_are_published_under_the_owners_signature(room):
    dataset = seal(room)
    assert (dataset.lineage, dataset.owner, dataset.version) == (LINEAGE, "hospital", 1)
    for kind, place in (
        ("dataset", places.dataset_file(LINEAGE)),
        ("policy", places.policy_file(LINEAGE)),
    ):
        verify_file(room.load(place), kind=kind, signer=HOSPITAL.document, what=place)
    part = room.path / places.dataset_directory(LINEAGE) / dataset.parts[0].file
    assert Digest.of(part.read_bytes()) == dataset.parts[0].digest


def test_the_broker_finds_the_key_that_the_document_names(room):
    dataset = seal(room)
    key = open_data_key(
        room.path.parent / "broker",
        lineage=LINEAGE,
        version=1,
        receiving=HOSPITAL.unlocked.receiving,
    )
    assert key.key_id.hex() == dataset.key_id


def test_sealing_again_makes_the_next_version_and_keeps_the_old_document(room):
    first, second = seal(room), seal(room)
    assert (first.version, second.version) == (1, 2)
    assert first.key_id != second.key_id
    assert room.find(places.dataset_file(LINEAGE), first.digest).data == first.raw
    assert parse_dataset(room.load(places.dataset_file(LINEAGE)).data) == second


def test_an_interrupted_sealing_publishes_nothing_and_goes_on_under_its_own_key(room):
    with pytest.raises(Interrupted):
        seal(room, progress=interrupted)
    with pytest.raises(UnavailableError):
        room.load(places.dataset_file(LINEAGE))
    assert list_versions(room.path.parent / "broker", LINEAGE) == ()
    staged = next((room.path.parent / "broker" / "data-keys" / LINEAGE).iterdir()).read_bytes()
    dataset = seal(room)
    assert dataset.version == 1
    assert dataset.key_id.encode() in staged


def test_a_sealing_whose_journal_was_taken_away_starts_again_under_another_key(room):
    with pytest.raises(Interrupted):
        seal(room, progress=interrupted)
    keys = room.path.parent / "broker" / "data-keys" / LINEAGE
    staged = next(keys.iterdir()).read_bytes()
    parts = room.path / places.dataset_directory(LINEAGE) / "parts"
    for path in parts.iterdir():
        path.unlink()
    dataset = seal(room)
    assert dataset.version == 1
    assert dataset.key_id.encode() not in staged


def test_another_partys_policy_is_refused(room):
    with pytest.raises(RefusedError, match="of hospital, sealed by insurer") as refused:
        seal(room, party=INSURER)
    assert refused.value.code == "vault.policy-owner"
    assert not any(room.path.iterdir())


def test_a_missing_source_makes_no_key(room):
    with pytest.raises(UnavailableError, match="no such file"):
        seal(room, source=room.path / "absent.csv")
    assert not (room.path.parent / "broker").exists()


def test_a_policy_that_does_not_parse_makes_no_key(room):
    with pytest.raises(MalformedError):
        seal_version(
            TABLE.source,
            policy=b"format = 'cleanroom.policy.v0'",
            room=room,
            owner=VersionOwner(
                party=SigningParty(document=HOSPITAL.document, signer=HOSPITAL.unlocked.signer),
                receiving=HOSPITAL.unlocked.receiving,
                broker_home=room.path.parent / "broker",
            ),
            normalisation={},
            types={},
            progress=silent,
        )
    assert not (room.path.parent / "broker").exists()


def test_a_stated_type_is_the_one_that_is_sealed(room):
    dataset = seal(room, types={"cost": "decimal(12,2)"})
    assert dict(dataset.columns)["cost"] == "decimal(12,2)"
