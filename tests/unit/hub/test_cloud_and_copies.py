# SPDX-License-Identifier: Apache-2.0
"""Objects in other stores, and copies of a hub that are put back whole or not at all."""

import os
from unittest.mock import patch

import pytest
from obstore.store import MemoryStore

from cleanroom.errors import (
    CleanroomError,
    IntegrityError,
    MalformedError,
    RefusedError,
    UnavailableError,
)
from cleanroom.hub.cloud import CloudObjects, open_storage
from cleanroom.hub.copies import MANIFEST, copy_hub, migrate_hub, restore_hub
from cleanroom.hub.hub import Hub
from cleanroom.hub.objects import local_storage
from cleanroom.hub.wire import OBJECT_BYTES
from cleanroom.kernel.digest import Digest
from tests.support.brokers import TickingClock
from tests.support.room_documents import build_room
from tests.support.s3_fake import s3_fake
from tests.support.served_hub import QUOTA, ROOM, admit, content_of, file_in, files_of, put_files
from tests.support.served_hub import served_hub as serve

DOCUMENTS = build_room()
HOSPITAL = DOCUMENTS.parties["hospital"]
CONTRACT = {"contract.toml": files_of(DOCUMENTS.files())["contract.toml"]}
PLACE = "datasets/hospital.stays/parts/1-0.part"
PART = b"sealed " * 1000
DIGEST = Digest.of(PART)


def fill(hub):
    """Let a party put a document and a part there."""
    put_files(hub.room(ROOM), "hospital", CONTRACT | {PLACE: PART})


def opened(directory, storage=local_storage):
    """Open a hub with one room."""
    admit(directory, ROOM, HOSPITAL)
    return Hub(directory, quota=QUOTA, clock=TickingClock(), storage=storage)


@pytest.fixture(params=["memory", "file", "s3", "gs"])
def storage(request, tmp_path):
    """Open a store of each kind."""
    if request.param == "memory":
        bucket = MemoryStore()
        yield lambda home, room: CloudObjects(home, bucket=bucket, room=room)
    elif request.param == "file":
        (tmp_path / "store").mkdir()
        yield open_storage((tmp_path / "store").as_uri(), to_write=True)
    else:
        with s3_fake() as bucket:
            google = bucket.google_environment(tmp_path / "account.json")
            settings = google if request.param == "gs" else bucket.environment()
            with patch.dict(os.environ, settings):
                yield open_storage(f"{request.param}://rooms/below", to_write=True)


def test_a_room_lives_in_any_store(tmp_path, storage):
    with opened(tmp_path / "hub", storage) as hub:
        fill(hub)
        fill_again = hub.room(ROOM)
        assert file_in(fill_again, PLACE) == PART
        assert fill_again.require_object(DIGEST) is None
        assert fill_again.objects.holds(DIGEST)
        assert not fill_again.objects.holds(Digest.of(b"absent"))
        with pytest.raises(UnavailableError):
            fill_again.objects.read(Digest.of(b"absent"))
    # Nothing of it lies in the hub's own directory.
    assert not list((tmp_path / "hub" / "rooms" / ROOM / "objects").iterdir())
    assert not list((tmp_path / "hub" / "rooms" / ROOM / "incoming").iterdir())


def test_an_upload_to_s3_goes_on_where_it_was_cut_off(tmp_path):
    data = b"x" * (OBJECT_BYTES + 10)
    content = content_of(data)
    with s3_fake() as bucket, patch.dict(os.environ, bucket.environment()):
        with (
            serve(
                tmp_path / "hub",
                TickingClock(),
                rooms={ROOM: (HOSPITAL,)},
                storage=open_storage("s3://rooms", to_write=False),
            ) as hub,
            hub.client(HOSPITAL) as client,
        ):
            client.put(content.objects[0], data[:OBJECT_BYTES])
            assert client.missing(content.objects) == content.objects[1:]
            client.put(content.objects[1], data[OBJECT_BYTES:])
            assert client.missing(content.objects) == ()
            assert client.get(content.objects[0]) == data[:OBJECT_BYTES]
        puts = [path for method, path in bucket.asked if method == "PUT"]
        assert len(puts) == len(set(puts)) == 2
        assert all(f"rooms/{ROOM}/objects/" in path for path in puts)


def test_a_store_never_replaces_an_object(tmp_path):
    """Two that bring one object, and a store whose operator changed it."""
    with s3_fake() as bucket, patch.dict(os.environ, bucket.environment()):
        objects = open_storage("s3://rooms", to_write=False)(tmp_path, ROOM)

        def bring():
            with objects.receive(DIGEST) as incoming:
                incoming.write(PART)
                incoming.finish()

        bring()
        bring()
        ((path, data),) = bucket.objects.items()
        assert data == PART
        bucket.objects[path] = b"other bytes"
        with pytest.raises(IntegrityError, match="^hub object: the store holds other bytes"):
            bring()
        assert bucket.objects[path] == b"other bytes"
        with pytest.raises(IntegrityError):
            objects.read(DIGEST)
        bucket.objects[path] = b"x" * (OBJECT_BYTES + 1)
        with pytest.raises(IntegrityError):
            objects.read(DIGEST)


def test_a_store_that_would_replace_objects_is_refused_at_the_start():
    with s3_fake() as bucket, patch.dict(os.environ, bucket.environment()):
        for _ in range(2):
            open_storage("s3://rooms", to_write=True)
        assert set(bucket.objects) == {"/rooms/cleanroom-hub"}
        bucket.conditions = False
        with pytest.raises(RefusedError) as refused:
            open_storage("s3://rooms", to_write=True)
    assert refused.value.code == "hub.store-replaces"


def test_a_store_that_is_only_read_is_not_written_to():
    with s3_fake() as bucket, patch.dict(os.environ, bucket.environment()):
        open_storage("s3://rooms", to_write=False)
        assert not bucket.asked


def test_a_store_that_cannot_be_written_to_is_told_at_the_start(tmp_path):
    """Not when the first party brings something."""
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError) as refused:
        open_storage((tmp_path / "file").as_uri(), to_write=True)
    assert refused.value.code == "hub.store-failed"


@pytest.mark.parametrize("url", ["ftp://x/y", "rooms", "memory:///", "file://host/x y", "s3://"])
def test_an_address_that_is_no_store_is_refused(url):
    with pytest.raises(MalformedError, match="^--store:"):
        open_storage(url, to_write=True)


def test_a_copy_is_made_while_the_hub_serves_and_restores_it_whole(tmp_path, storage):
    with opened(tmp_path / "hub", storage) as hub:
        fill(hub)
        assert copy_hub(tmp_path / "hub", tmp_path / "copy", storage=storage) == (ROOM,)
    assert restore_hub(tmp_path / "copy", tmp_path / "again", storage=local_storage) == (ROOM,)
    with Hub(tmp_path / "again", quota=QUOTA, clock=TickingClock()) as hub:
        room = hub.room(ROOM)
        assert file_in(room, PLACE) == PART
        assert file_in(room, "contract.toml") == CONTRACT["contract.toml"]
        assert set(room.members().documents) == {"hospital"}


@pytest.mark.parametrize("change", ["alter", "remove", "manifest", "outside"])
def test_a_copy_that_was_changed_is_not_put_back(tmp_path, change):
    with opened(tmp_path / "hub") as hub:
        fill(hub)
    copy_hub(tmp_path / "hub", tmp_path / "copy", storage=local_storage)
    manifest = tmp_path / "copy" / MANIFEST
    part = next(path for path in (tmp_path / "copy").rglob(DIGEST.hex))
    if change == "alter":
        part.write_bytes(PART[:-1] + b"?")
    elif change == "remove":
        part.unlink()
    elif change == "manifest":
        manifest.write_bytes(b"{}")
    else:
        manifest.write_bytes(manifest.read_bytes().replace(b"rooms/", b"x/../../", 1))
    with pytest.raises(CleanroomError):
        restore_hub(tmp_path / "copy", tmp_path / "again", storage=local_storage)
    assert not (tmp_path / "again").exists()
    assert not (tmp_path / ".again.new").exists()


def test_nothing_is_written_over(tmp_path):
    with opened(tmp_path / "hub"):
        pass
    copy_hub(tmp_path / "hub", tmp_path / "copy", storage=local_storage)
    for act in (
        lambda: copy_hub(tmp_path / "hub", tmp_path / "copy", storage=local_storage),
        lambda: restore_hub(tmp_path / "copy", tmp_path / "hub", storage=local_storage),
    ):
        with pytest.raises(CleanroomError) as refused:
            act()
        assert refused.value.code == "file.exists"


def test_objects_move_to_another_store_and_back(tmp_path, storage):
    with opened(tmp_path / "hub") as hub:
        fill(hub)
        with pytest.raises(UnavailableError):
            migrate_hub(tmp_path / "hub", source=local_storage, target=storage)
    for _ in range(2):
        assert migrate_hub(tmp_path / "hub", source=local_storage, target=storage) == 2
    with opened(tmp_path / "hub", storage) as hub:
        assert file_in(hub.room(ROOM), PLACE) == PART


def test_a_store_that_fails_is_told_without_its_words(tmp_path):
    objects = CloudObjects(tmp_path, bucket=MemoryStore(), room=ROOM)
    with pytest.raises(UnavailableError) as refused:
        objects.read(DIGEST)
    assert refused.value.code == "hub.store-failed"
    assert DIGEST.hex not in refused.value.message
