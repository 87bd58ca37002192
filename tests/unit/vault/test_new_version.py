# SPDX-License-Identifier: Apache-2.0
"""A version of a dataset is published whole, or not at all, and never twice."""

import shutil

import pytest

from cleanroom.contract import places
from cleanroom.contract.dataset import parse_dataset
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.signing import SigningParty
from cleanroom.envelope.signed_file import verify_file
from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.vault.data_key import list_versions, open_data_key
from cleanroom.vault.new_version import VersionOwner, abandon_version, seal_version
from cleanroom.vault.seal import clear_stray_parts
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


def owner_of(room, party=HOSPITAL):
    return VersionOwner(
        party=SigningParty(document=party.document, signer=party.unlocked.signer),
        receiving=party.unlocked.receiving,
        broker_home=room.path.parent / "broker",
    )


def seal(room, *, party=HOSPITAL, source=TABLE.source, types=None, progress=silent):
    return seal_version(
        source,
        policy=TABLE.policy.read_bytes(),
        room=room,
        owner=owner_of(room, party),
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


def restart(room):
    abandon_version(TABLE.policy.read_bytes(), room=room, owner=owner_of(room))


def broker_keys(room):
    return {path.name for path in (room.path.parent / "broker" / "data-keys" / LINEAGE).iterdir()}


@pytest.fixture
def source(tmp_path):
    """A source that can be written to."""
    return shutil.copy(TABLE.source, tmp_path / TABLE.source.name)


def test_another_source_is_sealed_once_the_interrupted_sealing_is_abandoned(room, source):
    with pytest.raises(Interrupted):
        seal(room, source=source, progress=interrupted)
    first = next((room.path.parent / "broker" / "data-keys" / LINEAGE).iterdir()).read_bytes()
    source.write_bytes(source.read_bytes())
    with pytest.raises(RefusedError, match="^sealing journal: found another source") as refused:
        seal(room, source=source)
    assert "data seal --restart" in refused.value.hint
    restart(room)
    dataset = seal(room, source=source)
    assert dataset.version == 1
    assert dataset.key_id.encode() not in first
    assert broker_keys(room) == {"1.json"}


def lose_journal(room, *, version):
    (room.path / places.dataset_directory(LINEAGE) / f"parts/.{version}.journal.json").unlink()


def test_parts_whose_journal_is_lost_are_cleared_by_a_restart(room):
    with pytest.raises(Interrupted):
        seal(room, progress=interrupted)
    lose_journal(room, version=1)
    with pytest.raises(RefusedError, match="no journal continues it") as refused:
        seal(room)
    assert "data seal --restart" in refused.value.hint
    restart(room)
    assert not any(room.path.iterdir())
    assert seal(room).version == 1


def test_a_restart_clears_nothing_that_the_owners_document_may_name(room, tmp_path):
    """T-02: a broker home that was restored counts from a version that is published already."""
    seal(room)
    shutil.copytree(room.path.parent / "broker", tmp_path / "backup")
    seal(room)
    shutil.rmtree(room.path.parent / "broker")
    shutil.move(tmp_path / "backup", room.path.parent / "broker")
    parts = room.path / places.dataset_directory(LINEAGE) / "parts"
    before = sorted(path.name for path in parts.iterdir())
    with pytest.raises(RefusedError, match="no journal continues it"):
        seal(room)
    restart(room)
    assert sorted(path.name for path in parts.iterdir()) == before


def test_parts_that_a_journal_continues_are_not_stray(room):
    with pytest.raises(Interrupted):
        seal(room, progress=interrupted)
    parts = room.path / places.dataset_directory(LINEAGE) / "parts"
    before = {path.name for path in parts.iterdir()}
    clear_stray_parts(parts, version=1)
    assert {path.name for path in parts.iterdir()} == before


def test_a_restart_without_anything_begun_changes_nothing(room):
    seal(room)
    parts = room.path / places.dataset_directory(LINEAGE) / "parts"
    (parts / "2-00000.part").write_bytes(b"put there by somebody else")
    restart(room)
    assert (parts / "2-00000.part").exists()


@pytest.mark.parametrize("has_document", [True, False])
def test_a_version_whose_document_is_out_is_finished_and_not_made_a_second_time(room, has_document):
    """T-02: no two genuine documents have one number."""
    first = seal(room)
    unsettle(room)
    file = room.path / places.dataset_file(LINEAGE)
    if not has_document:
        file.unlink()
    restart(room)
    assert broker_keys(room) == ({"1.json"} if has_document else set())
    second = seal(room)
    assert (second.version, second.key_id == first.key_id) == (1 + has_document, False)


def unsettle(room):
    """Go back to where a kill right after publishing leaves things."""
    keys = room.path.parent / "broker" / "data-keys" / LINEAGE
    (keys / "1.json").rename(keys / ".1.sealing.json")
    parts = room.path / places.dataset_directory(LINEAGE) / "parts"
    (parts / ".1.journal.json").touch()


def test_abandoning_nothing_changes_nothing(room):
    dataset = seal(room)
    restart(room)
    assert parse_dataset(room.load(places.dataset_file(LINEAGE)).data) == dataset
    assert broker_keys(room) == {"1.json"}


def test_another_partys_policy_is_refused(room):
    with pytest.raises(RefusedError, match="of hospital, sealed by insurer") as refused:
        seal(room, party=INSURER)
    assert refused.value.code == "vault.policy-owner"
    assert not any(room.path.iterdir())


def test_a_refused_sealing_leaves_no_empty_folder(room):
    with pytest.raises(MalformedError, match="ward"):
        seal(room, types={"ward": "integer"})
    assert not any(room.path.iterdir())


@pytest.mark.parametrize(("column", "kind"), [("cost", "string"), ("cost", "date")])
def test_a_type_that_the_policy_cannot_protect_is_refused_before_anything_is_sealed(
    room, column, kind
):
    with pytest.raises(RefusedError, match=rf"^source: columns\.{column}: found type {kind}") as no:
        seal(room, types={column: kind})
    assert (no.value.code, f"--type {column}=TYPE" in no.value.hint) == ("policy.type", True)
    assert not any(room.path.iterdir())


def test_a_file_that_breaks_off_in_the_middle_stands_in_nobodys_way(room, tmp_path):
    table = tmp_path / "stays.csv"
    # Types are found without reading the wards so far down; sealing stumbles.
    table.write_bytes(TABLE.source.read_bytes() + b"2001,a@example.org,\xff,2025,1,1.00\n")
    with pytest.raises(MalformedError):
        seal(room, source=table)
    assert not any(room.path.iterdir())
    assert seal(room).version == 1


def test_a_refused_sealing_leaves_what_lay_there(room):
    kept = room.path / "datasets/hospital.stays/policy.toml"
    kept.parent.mkdir(parents=True)
    kept.write_text("somebody's")
    with pytest.raises(MalformedError, match="ward"):
        seal(room, types={"ward": "integer"})
    assert [path for path in room.path.rglob("*") if not path.is_dir()] == [kept]
    assert [path.name for path in kept.parent.iterdir()] == ["policy.toml"]


def test_an_abandoned_sealing_leaves_no_empty_folder(room):
    with pytest.raises(Interrupted):
        seal(room, progress=interrupted)
    assert (room.path / "datasets/hospital.stays/parts").exists()
    restart(room)
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


@pytest.mark.parametrize("link", ["datasets", f"datasets/{LINEAGE}", f"datasets/{LINEAGE}/parts"])
def test_no_link_in_a_room_leads_sealing_elsewhere(room, tmp_path, link):
    """T-01: parts would land, and those of an abandoned sealing be removed, where it leads."""
    with pytest.raises(Interrupted):
        seal(room, progress=interrupted)
    (room.path / link).rename(tmp_path / "elsewhere")
    (room.path / link).symlink_to(tmp_path / "elsewhere")
    before = sorted(path for path in (tmp_path / "elsewhere").rglob("*"))
    for act in (seal, restart):
        with pytest.raises(MalformedError) as refused:
            act(room)
        assert refused.value.code == "room.link"
    assert sorted((tmp_path / "elsewhere").rglob("*")) == before
