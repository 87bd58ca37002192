# SPDX-License-Identifier: Apache-2.0
"""A sealed part that was damaged at home is found out there, by name, and nobody gets it."""

import dataclasses
import os

import pytest

from cleanroom.contract.dataset import Part, parse_dataset
from cleanroom.contract.document_render import render_dataset
from cleanroom.contract.layout import RoomDirectory
from cleanroom.errors import IntegrityError, UnavailableError
from cleanroom.hub.wire import OBJECT_BYTES
from cleanroom.kernel.digest import Digest
from cleanroom.mirror.state import LocalFile, load_state, save_state
from tests.support.keys import sign_by
from tests.support.mirrors import share_room
from tests.support.room_documents import build_room
from tests.support.served_hub import content_of, files_of

DOCUMENTS = build_room()
DATASET = "datasets/hospital.encounters/dataset.toml"
PART = "datasets/hospital.encounters/parts/7-00000.part"
SEALED = os.urandom(2 * OBJECT_BYTES + 99)
CONTENT = content_of(SEALED)
FLIPPED = SEALED[:OBJECT_BYTES] + bytes([SEALED[OBJECT_BYTES] ^ 1]) + SEALED[OBJECT_BYTES + 1 :]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return share_room(tmp_path_factory.mktemp("shared"), DOCUMENTS)


@pytest.fixture
def bench(tmp_path, shared):
    with shared.copied(tmp_path) as opened:
        yield opened


@pytest.fixture
def owner(bench):
    """Return a mirror whose owner has signed for a part that the hub has not seen."""
    mirror = bench.mirrors["hospital"]
    before = parse_dataset(files_of(DOCUMENTS.files())[DATASET])
    part = Part(
        file="parts/7-00000.part",
        digest=CONTENT.digest,
        size=CONTENT.size,
        file_id=before.parts[0].file_id,
    )
    data = render_dataset(dataclasses.replace(before, version=7, parts=(part,)))
    signed = sign_by(data, kind="dataset", parties=(DOCUMENTS.parties["hospital"],))
    RoomDirectory(path=mirror.path).publish(DATASET, data, signed.signatures)
    lay(mirror, SEALED)
    return mirror


def lay(mirror, data):
    path = mirror.path / PART
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def remember(mirror, path):
    """Let a mirror know the part as it was when it was whole, as after a push that was cut."""
    state = load_state(mirror.path)
    state.files[PART] = LocalFile(changed=path.stat().st_mtime_ns, content=CONTENT)
    save_state(mirror.path, state)


def entries_of(bench):
    with bench.operator() as operator:
        return {entry.place: entry.content for entry in operator.index.since(0).entries}


def missing_in(bench):
    with bench.operator() as operator:
        return operator.index.missing(CONTENT.objects)


@pytest.mark.parametrize(
    "damaged",
    [FLIPPED, SEALED[:-1], SEALED[:OBJECT_BYTES], SEALED + b"x", b""],
    ids=["a bit", "cut", "cut at an object", "longer", "empty"],
)
def test_a_part_that_is_not_what_was_signed_is_named_and_nothing_is_sent(bench, owner, damaged):
    lay(owner, damaged)
    before = entries_of(bench)
    with pytest.raises(IntegrityError, match=f"^{PART}: found") as refused:
        owner.push()
    assert refused.value.code == "mirror.damaged-part"
    assert entries_of(bench) == before
    assert missing_in(bench) == CONTENT.objects
    lay(owner, SEALED)
    assert PART in owner.push()
    bench.mirrors["insurer"].pull(data=True)
    assert (bench.mirrors["insurer"].path / PART).read_bytes() == SEALED


def test_a_part_that_was_damaged_later_does_not_replace_the_good_one_in_the_hub(bench, owner):
    owner.push()
    lay(owner, FLIPPED)
    with pytest.raises(IntegrityError) as refused:
        owner.push()
    assert refused.value.code == "mirror.damaged-part"
    assert entries_of(bench)[PART] == CONTENT


def test_damage_that_left_time_and_size_alone_is_found_by_the_hub_and_named_here(bench, owner):
    path = lay(owner, FLIPPED)
    remember(owner, path)
    with pytest.raises(IntegrityError, match=f"^{PART}: found other bytes") as refused:
        owner.push()
    assert refused.value.code == "mirror.file-changed"
    assert PART not in entries_of(bench)
    assert CONTENT.objects[1] in missing_in(bench)
    # What was hashed is not believed any more.
    with pytest.raises(IntegrityError) as refused:
        owner.push()
    assert refused.value.code == "mirror.damaged-part"
    lay(owner, SEALED)
    assert PART in owner.push()
    assert entries_of(bench)[PART] == CONTENT


def test_a_part_that_cannot_be_read_is_named(bench, owner):
    path = owner.path / PART
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    path.chmod(0)
    with pytest.raises(UnavailableError, match=f"^{PART}: cannot be read"):
        owner.push()
    assert PART not in entries_of(bench)


def test_what_was_hashed_is_known_to_the_next_push_whatever_ends_this_one(bench, owner):
    owner.pull(data=False)  # the hub has opened the room
    home = bench.hub.directory / "rooms" / "readmissions" / "incoming"
    home.rename(home.with_name("gone"))
    with pytest.raises(UnavailableError) as refused:
        owner.push()
    assert refused.value.code == "hub.disk"
    assert load_state(owner.path).files[PART].content == CONTENT
    home.with_name("gone").rename(home)
    assert PART in owner.push()
    assert Digest.of((owner.path / PART).read_bytes()) == entries_of(bench)[PART].digest
