# SPDX-License-Identifier: Apache-2.0
import dataclasses
import datetime as dt

import pytest

from cleanroom.contract import places
from cleanroom.contract.contract_render import render_contract
from cleanroom.contract.layout import RoomDirectory
from cleanroom.errors import IntegrityError, MalformedError, RefusedError, UnavailableError
from cleanroom.hub.wire import OBJECT_BYTES
from cleanroom.mirror.login import REQUEST_KEY_FILE
from cleanroom.mirror.mirror import Mirror, mirrored
from cleanroom.mirror.state import STATE_FILE
from tests.support.keys import sign_by
from tests.support.mirrors import share_room
from tests.support.room_documents import build_room
from tests.support.served_hub import content_of, files_of

DOCUMENTS = build_room()
FILES = files_of(DOCUMENTS.files())
PART = "datasets/hospital.encounters/parts/7-00000.part"
SEALED = bytes(range(256)) * (OBJECT_BYTES // 256) + b"the last of it"
LOST = "datasets/hospital.patients/parts/9-00000.part"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return share_room(tmp_path_factory.mktemp("shared"), DOCUMENTS)


@pytest.fixture
def bench(tmp_path, shared):
    with shared.copied(tmp_path) as opened:
        yield opened


def put(mirror, place, data):
    """Write a file into a mirror, as a command does."""
    path = mirror.path / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def sign_again(bench, party):
    """Let a party replace the contract by another one that it signs."""
    other = render_contract(dataclasses.replace(DOCUMENTS.contract_terms, max_runs=3))
    signed = sign_by(other, kind="contract", parties=(DOCUMENTS.parties[party],))
    room = RoomDirectory(path=bench.mirrors[party].path)
    room.publish(places.CONTRACT, other, signed.signatures)
    return other


def test_two_mirrors_of_a_room_come_to_agree(bench):
    for mirror in bench.mirrors.values():
        assert all((mirror.path / place).read_bytes() == data for place, data in FILES.items())
        # What works on a directory works on it.
        agreed = RoomDirectory(path=mirror.path).load_contract_bundle()
        assert agreed == DOCUMENTS.contract_bundle
        assert mirror.pull(data=True) == ()
        assert mirror.push() == ()


def test_sealed_parts_come_when_they_are_wanted(bench):
    owner, other = bench.mirrors["hospital"], bench.mirrors["insurer"]
    put(owner, PART, SEALED)
    assert owner.push() == (PART,)
    assert other.pull(data=False) == ()
    assert not (other.path / PART).exists()
    assert other.pull(data=True) == (PART,)
    assert (other.path / PART).read_bytes() == SEALED


@pytest.mark.parametrize("left", [SEALED[: OBJECT_BYTES + 3], b"x" * 9])
def test_a_part_that_was_cut_off_is_completed(bench, left):
    owner, other = bench.mirrors["hospital"], bench.mirrors["insurer"]
    put(owner, PART, SEALED)
    owner.push()
    other.pull(data=False)
    temporary = (other.path / PART).with_name(f".{content_of(SEALED).digest.hex}.pull")
    temporary.parent.mkdir(parents=True)
    temporary.write_bytes(left)
    other.pull(data=True)
    assert (other.path / PART).read_bytes() == SEALED
    assert not temporary.exists()


def test_a_replaced_contract_loses_its_signatures_everywhere(bench):
    new = sign_again(bench, "hospital")
    hospital, insurer = bench.mirrors["hospital"], bench.mirrors["insurer"]
    assert hospital.push() == ("contract.toml", "contract.toml.sig/hospital.sig")
    insurer.pull(data=False)
    room = RoomDirectory(path=insurer.path)
    found = room.load(places.CONTRACT)
    assert (found.data, set(found.signatures)) == (new, {"hospital"})
    # The agreed one is still found, with both signatures.
    old = room.find(places.CONTRACT, DOCUMENTS.contract_digest)
    assert old == DOCUMENTS.contract_bundle.contract
    # The other party signs the new one; nothing remembers its old signature.
    signed = sign_by(new, kind="contract", parties=(DOCUMENTS.parties["insurer"],))
    room.publish(places.CONTRACT, new, signed.signatures)
    assert insurer.push() == ("contract.toml.sig/insurer.sig",)
    hospital.pull(data=False)
    both = RoomDirectory(path=hospital.path).load(places.CONTRACT).signatures
    assert set(both) == {"hospital", "insurer"}


def test_what_changed_here_and_there_is_left_alone_and_named(bench):
    sign_again(bench, "hospital")
    bench.mirrors["hospital"].push()
    insurer = bench.mirrors["insurer"]
    mine = render_contract(dataclasses.replace(DOCUMENTS.contract_terms, max_runs=4))
    put(insurer, "contract.toml", mine)
    with pytest.raises(RefusedError, match=r"^contract\.toml: changed") as refused:
        insurer.pull(data=False)
    assert refused.value.code == "mirror.conflict"
    assert (insurer.path / "contract.toml").read_bytes() == mine
    with pytest.raises(RefusedError) as refused:
        insurer.push()
    assert refused.value.code == "hub.changed"


def test_what_lies_beside_the_room_stays_here(bench):
    mirror = bench.mirrors["hospital"]
    put(mirror, "notes.txt", b"private")
    put(mirror, "datasets/hospital.encounters/parts/.journal", b"private")
    (mirror.path / "runs").mkdir(exist_ok=True)
    (mirror.path / "queries" / "leak.sql").symlink_to("/etc/hostname")
    assert mirror.push() == ()


def test_a_room_by_its_address_is_a_directory_for_the_length_of_a_block(bench):
    mirror = bench.mirrors["hospital"]
    with mirrored(bench.hub.url(), mirror.profile, data=False, clock=bench.clock) as path:
        assert (path / "contract.toml").read_bytes() == FILES["contract.toml"]
        RoomDirectory(path=path).publish("contract.toml", b"draft", {})
    bench.mirrors["insurer"].pull(data=False)
    assert (bench.mirrors["insurer"].path / "contract.toml").read_bytes() == b"draft"


def test_a_block_that_fails_gives_the_hub_nothing(bench):
    profile = bench.mirrors["hospital"].profile

    def fail():
        with mirrored(bench.hub.url(), profile, data=False, clock=bench.clock) as path:
            RoomDirectory(path=path).publish("contract.toml", b"draft", {})
            raise MalformedError("stop", code="test.stop")

    with pytest.raises(MalformedError):
        fail()
    assert bench.mirrors["insurer"].pull(data=False) == ()


def test_who_is_not_logged_in_is_told_how(bench):
    mirror = bench.mirrors["hospital"]
    bench.clock.advance(hours=13)
    with pytest.raises(RefusedError, match="expired") as refused:
        mirror.pull(data=False)
    assert "room login" in refused.value.hint
    (mirror.profile.directory / REQUEST_KEY_FILE).unlink()
    with pytest.raises(RefusedError, match="none yet"):
        mirror.pull(data=False)


def test_a_request_key_that_others_can_read_is_refused(bench):
    mirror = bench.mirrors["hospital"]
    (mirror.profile.directory / REQUEST_KEY_FILE).chmod(0o644)
    with pytest.raises(RefusedError):
        mirror.clone(bench.hub.url(), data=False)


def test_a_directory_mirrors_one_room(bench, tmp_path):
    mirror = bench.mirrors["hospital"]
    with pytest.raises(RefusedError, match="agreed") as refused:
        mirror.clone(bench.hub.url("other"), data=False)
    assert refused.value.code == "mirror.other-room"
    with pytest.raises(UnavailableError, match="no mirror"):
        Mirror(path=tmp_path, profile=mirror.profile, clock=bench.clock).pull(data=False)
    (mirror.path / STATE_FILE).write_bytes(b"{}")
    with pytest.raises(MalformedError):
        mirror.pull(data=False)


def test_what_is_no_mirror_is_said_to_be_none_and_left_alone(bench, tmp_path):
    plain = tmp_path / "plain"
    plain.mkdir()
    for path in (plain, tmp_path / "absent"):
        mirror = dataclasses.replace(bench.mirrors["hospital"], path=path)
        for act in (lambda: mirror.pull(data=False), mirror.push):  # noqa: B023
            with pytest.raises(UnavailableError, match="no mirror") as refused:
                act()
            assert refused.value.code == "mirror.absent"
    assert list(tmp_path.glob("plain/*")) == []


def test_a_hub_that_was_restored_is_noticed_and_gets_everything_back(bench):
    """T-02: by every party whose mirror has seen more."""
    hospital = bench.mirrors["hospital"]
    with bench.operator() as operator:
        operator.restore(3)
    with pytest.raises(IntegrityError, match="revision 3") as refused:
        hospital.pull(data=False)
    assert refused.value.code == "mirror.rolled-back"
    assert f"room pull --again {hospital.path}, then room push" in refused.value.hint
    for party, mirror in bench.mirrors.items():
        mirror.pull(data=False, again=True)
        assert (party, mirror.push()) != (party, ())
    for mirror in bench.mirrors.values():
        mirror.pull(data=False, again=True)
        assert mirror.push() == ()


def test_a_hub_that_lost_what_a_party_just_put_there_is_noticed_by_that_party(bench):
    """T-02: it has pulled nothing since, and knows all the same how far the room had come."""
    hospital = bench.mirrors["hospital"]
    before = hospital.pull(data=False)
    assert before == ()
    with bench.operator() as operator:
        revision = operator.index.revision()
        place = hospital.path / LOST
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"sealed")
        assert hospital.push() == (LOST,)
        assert operator.index.revision() == revision + 1
        operator.restore(revision)
    with pytest.raises(IntegrityError, match=f"revision {revision}") as refused:
        hospital.pull(data=False)
    assert refused.value.code == "mirror.rolled-back"
    hospital.pull(data=False, again=True)
    assert hospital.push() == (LOST,)


def test_a_request_key_lives_twelve_hours(bench):
    mirror = bench.mirrors["hospital"]
    bench.clock.advance(hours=11, minutes=58)
    mirror.pull(data=False)
    bench.clock.now += dt.timedelta(minutes=2)
    with pytest.raises(RefusedError):
        mirror.pull(data=False)
