# SPDX-License-Identifier: Apache-2.0
"""A hub's objects and a broker's KEK in what clouds' users test with: moto and Azurite."""

import os
from unittest.mock import patch

import pytest

from cleanroom.errors import (
    CleanroomError,
    IntegrityError,
    KeyRefusedError,
    RefusedError,
    UnavailableError,
)
from cleanroom.hub.cloud import open_storage
from cleanroom.hub.wire import OBJECT_BYTES
from cleanroom.kernel.digest import Digest
from cleanroom.keybroker.kek.uri import open_kek
from tests.support.brokers import TickingClock
from tests.support.command_line import Party, serving
from tests.support.emulators import azurite, moto
from tests.support.key_services import CONTEXT, KEY, private
from tests.support.keys import throwaway_party, write_profile
from tests.support.room_documents import build_room
from tests.support.served_hub import ROOM, content_of, served_hub

pytestmark = pytest.mark.slow

HOSPITAL = build_room().parties["hospital"]
DATA = os.urandom(OBJECT_BYTES) + b"and ten."


@pytest.fixture(scope="module")
def amazon():
    with moto() as found:
        yield found


@pytest.fixture(params=["s3", "az"])
def url(request, tmp_path):
    """Lead this process to a store of each kind, and name it."""
    if request.param == "s3":
        store = request.getfixturevalue("amazon").store()
        with patch.dict(os.environ, store.environment):
            yield store.url
    else:
        with azurite(tmp_path / "azurite") as store, patch.dict(os.environ, store.environment):
            yield store.url


def hub(tmp_path, url):
    """Serve a hub whose objects lie in the store."""
    storage = open_storage(url, to_write=True)
    parties = {ROOM: (HOSPITAL,)}
    return served_hub(tmp_path / "hub", TickingClock(), rooms=parties, storage=storage)


def test_an_upload_goes_on_after_the_hub_was_started_again(tmp_path, url):
    first, second = content_of(DATA).objects
    with hub(tmp_path, url) as served, served.client(HOSPITAL) as client:
        assert client.missing((first, second)) == (first, second)
        client.put(first, DATA[:OBJECT_BYTES])
    with hub(tmp_path, url) as served, served.client(HOSPITAL) as client:
        assert client.missing((first, second)) == (second,)
        client.put(second, DATA[OBJECT_BYTES:])
        client.put(first, DATA[:OBJECT_BYTES])
        assert client.get(first) + client.get(second) == DATA
    assert not list((tmp_path / "hub" / "rooms" / ROOM / "objects").iterdir())


def test_what_the_operator_of_a_store_changed_is_neither_served_nor_replaced(tmp_path, url):
    from obstore.store import from_url  # noqa: PLC0415 - of the extra

    objects = open_storage(url, to_write=True)(tmp_path, ROOM)
    part = os.urandom(1000)
    digest = Digest.of(part)

    def bring():
        with objects.receive(digest) as incoming:
            incoming.write(part)
            incoming.finish()

    bring()
    place = f"rooms/{ROOM}/objects/{digest.hex[:2]}/{digest.hex}"
    from_url(url).put(place, b"other bytes")
    for act in (bring, lambda: objects.read(digest)):
        with pytest.raises(IntegrityError) as refused:
            act()
        assert refused.value.code == "hub.object-digest"
    assert bytes(from_url(url).get(place).bytes()) == b"other bytes"


def test_a_bucket_that_is_not_there_is_told_at_the_start(url):
    with pytest.raises(UnavailableError) as refused:
        open_storage(url.replace("://rooms", "://nowhere"), to_write=True)
    assert refused.value.code == "hub.store-failed"


@pytest.fixture
def kek(amazon, tmp_path):
    """Return what makes the URI of a key of AWS KMS."""
    text = b"[default]\naws_access_key_id = test\naws_secret_access_key = test\n"
    file = private(tmp_path / "aws", text)
    return lambda arn: f"awskms:{arn}?credentials-file={file}&endpoint={amazon.address}"


def test_a_brokers_keys_lie_under_a_key_of_kms_and_move_to_another(kek, amazon, tmp_path):
    party = Party(name="hospital", home=tmp_path / "hospital").settle()
    known = throwaway_party("hospital", broker_address=f"unix:{tmp_path}/b.sock")
    write_profile(party.home / "cleanroom", known)
    first, second = kek(amazon.key()), kek(amazon.key())
    party.succeeds("broker", "init", "--kek", first)
    party.passphrase_file.unlink()
    for _ in range(2):
        with serving(party, options={"hospital": ("--kek", first)}):
            assert party.succeeds("broker", "status")["party"] == "hospital"
    party.succeeds("broker", "rewrap", "--kek", first, "--to", second)
    assert party.refused("broker", "serve", "--kek", first).code == "kek.kek"
    with serving(party, options={"hospital": ("--kek", second)}):
        assert party.succeeds("broker", "status")["party"] == "hospital"


def refusal(act):
    with pytest.raises((KeyRefusedError, RefusedError, IntegrityError)) as failed:
        act()
    return failed.value.code


def test_each_refusal_of_kms_has_its_name(kek, amazon):
    arn, other = amazon.key(), amazon.key()
    ours = open_kek(kek(arn))
    wrapped = ours.wrap(KEY, context=CONTEXT)
    assert ours.unwrap(wrapped, context=CONTEXT) == KEY
    assert refusal(lambda: ours.unwrap(wrapped, context="another")) == "kek.wrong"
    foreign = open_kek(kek(other))
    # Where AWS documents IncorrectKeyException, moto answers AccessDeniedException.
    assert refusal(lambda: foreign.unwrap(wrapped, context=CONTEXT)) == "kek.denied"
    amazon.kms("RotateKeyOnDemand", {"KeyId": arn.rpartition("/")[2]})
    assert ours.unwrap(wrapped, context=CONTEXT) == KEY
    absent = open_kek(kek(arn[:-1] + ("0" if arn[-1] != "0" else "1")))
    with pytest.raises(CleanroomError) as failed:
        absent.wrap(KEY, context=CONTEXT)
    assert failed.value.code == "kek.absent"
