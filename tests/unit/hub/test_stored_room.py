# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest

from cleanroom.contract import places
from cleanroom.contract.contract_render import render_contract
from cleanroom.contract.document_render import render_revocation
from cleanroom.contract.revocation import RevocationKind, RevocationTerms
from cleanroom.errors import IntegrityError, MalformedError, RefusedError, UnavailableError
from cleanroom.hub import stored_room
from cleanroom.hub.hub import Hub
from cleanroom.hub.rights import right_of
from cleanroom.hub.wire import OBJECT_BYTES, Change, Content
from cleanroom.kernel.digest import Digest
from tests.support.brokers import TickingClock
from tests.support.keys import sign_by, throwaway_party
from tests.support.room_documents import DAY, NOW, QUERY, RUN, build_room
from tests.support.served_hub import QUOTA, ROOM, admit, file_in, files_of, put_files, store

DOCUMENTS = build_room()
FILES = files_of(DOCUMENTS.files())
PARTIES = DOCUMENTS.parties
QUERY_FILE = places.query_file(QUERY)


def own(party):
    """Pick the files that a party alone puts into a room."""
    found = {}
    for place, data in FILES.items():
        right = right_of(place)
        claimed = right.claim and f"{right.claim}.sig/{party}.sig" in FILES
        if right.writer == party or claimed or (place == "contract.toml" and party == "hospital"):
            found[place] = data
    return found


@pytest.fixture
def hub(tmp_path):
    admit(tmp_path / "hub", ROOM, *PARTIES.values())
    with Hub(tmp_path / "hub", quota=QUOTA, clock=TickingClock()) as opened:
        yield opened


@pytest.fixture
def room(hub):
    return hub.room(ROOM)


def full(room):
    """Put the whole standard room there, each party its own."""
    for party in PARTIES:
        put_files(room, party, own(party))


def refuse(code, kind, act):
    """Expect an error by its code, and that the room stays as it was."""
    with pytest.raises(kind) as refused:
        act()
    assert refused.value.code == code


def test_both_parties_fill_a_room(room):
    full(room)
    assert {entry.place for entry in room.entries(0).entries} == set(FILES)
    assert all(file_in(room, place) == data for place, data in FILES.items())


def test_entries_come_in_the_order_of_their_revisions(room):
    full(room)
    first = room.entries(0)
    assert [entry.revision for entry in first.entries] == sorted(
        entry.revision for entry in first.entries
    )
    assert room.entries(first.revision).entries == ()
    assert room.entries(first.revision - 1).entries == first.entries[-1:]


@pytest.mark.parametrize(
    "place",
    [
        "contract.toml.sig/insurer.sig",
        "datasets/insurer.premiums/parts/1-0.part",
        "datasets/insurer.premiums/policy.toml",
        f"queries/{QUERY}/approvals/insurer.toml",
        "revocations/insurer-000000000000.toml",
    ],
)
def test_a_party_cannot_write_in_the_place_of_another(room, place):
    """T-26."""
    put_files(room, "hospital", {"contract.toml": FILES["contract.toml"]})
    act = lambda: put_files(room, "hospital", {place: b"mine"})  # noqa: E731
    refuse("hub.place-taken", RefusedError, act)
    assert file_in(room, place) is None


@pytest.mark.parametrize(
    "place",
    [
        QUERY_FILE,
        places.code_file(QUERY, "query.sql"),
        places.run_file(RUN),
        places.receipt_file(RUN),
    ],
)
def test_whoever_signed_a_query_or_a_run_alone_writes_beside_it(room, place):
    """T-26."""
    full(room)
    claim = right_of(place).claim
    other = next(name for name in PARTIES if f"{claim}.sig/{name}.sig" not in FILES)
    act = lambda: put_files(room, other, {place: b"x"}, previous=FILES)  # noqa: E731
    refuse("hub.place-taken", RefusedError, act)


@pytest.mark.parametrize(
    "place",
    [
        "archive/" + "0" * 64,
        "../contract.toml",
        "contract.toml/x",
        "notes.txt",
        "datasets/insurer/policy.toml",
        "datasets/insurer.premiums/parts/../../x",
        "runs/short/run.toml",
        f"queries/{QUERY}/query.sql.sig/hospital.sig",
        "a.sig/hospital.sig",
    ],
)
def test_what_is_no_place_of_a_room_is_refused(room, place):
    refuse("hub.place", MalformedError, lambda: put_files(room, "hospital", {place: b"x"}))


def test_a_party_document_that_lies_there_is_its_own_party_s(room):
    """T-26: anybody may bring another's document, and nobody replaces it."""
    full(room)
    forged = throwaway_party("insurer", edition=2).signed_document
    files = files_of({"parties/insurer.toml": forged})
    act = lambda: put_files(room, "hospital", files, previous=FILES)  # noqa: E731
    refuse("hub.place-taken", RefusedError, act)


def test_a_party_document_lies_under_its_own_name(room):
    """T-26: signed well by its party, and in the place of one that nobody admitted yet."""
    stranger = throwaway_party("pharmacy").signed_document
    files = files_of({"parties/clinic.toml": stranger})
    renamed = {place.replace("/pharmacy.sig", "/clinic.sig"): data for place, data in files.items()}
    refuse("hub.no-member", RefusedError, lambda: put_files(room, "hospital", renamed))


def test_a_room_has_seen_so_many_files_and_no_more(room, monkeypatch):
    monkeypatch.setattr(stored_room, "MAX_ENTRIES", 3)
    refuse("hub.entries", UnavailableError, lambda: full(room))
    assert room.entries(0).entries == ()


def test_a_change_that_is_refused_changes_nothing(room):
    files = own("hospital") | {"datasets/insurer.premiums/policy.toml": b"x"}
    refuse("hub.place-taken", RefusedError, lambda: put_files(room, "hospital", files))
    assert room.entries(0).entries == ()


def test_a_document_comes_with_the_signature_of_its_writer(room):
    files = {"parties/hospital.toml": FILES["parties/hospital.toml"]}
    refuse("signature.missing", RefusedError, lambda: put_files(room, "hospital", files))
    files["parties/hospital.toml.sig/hospital.sig"] = FILES["contract.toml.sig/hospital.sig"]
    refuse("signature.namespace", IntegrityError, lambda: put_files(room, "hospital", files))


def test_a_signature_is_over_what_lies_there(room):
    full(room)
    other = render_contract(dataclasses.replace(DOCUMENTS.contract_terms, max_runs=3))
    signed = sign_by(other, kind="contract", parties=(PARTIES["insurer"],))
    place = "contract.toml.sig/insurer.sig"
    act = lambda: put_files(  # noqa: E731
        room, "insurer", {place: signed.signatures["insurer"]}, previous=FILES
    )
    with pytest.raises(IntegrityError, match="^contract.toml: signature of insurer"):
        act()


def test_a_replaced_document_is_archived_with_its_signatures(room):
    full(room)
    other = render_contract(dataclasses.replace(DOCUMENTS.contract_terms, max_runs=3))
    signed = sign_by(other, kind="contract", parties=(PARTIES["hospital"],))
    put_files(room, "hospital", files_of({"contract.toml": signed}), previous=FILES)
    archive = places.archive_file(DOCUMENTS.contract_digest)
    assert file_in(room, "contract.toml") == other
    assert file_in(room, archive) == FILES["contract.toml"]
    for party in PARTIES:
        old = FILES[f"contract.toml.sig/{party}.sig"]
        assert file_in(room, f"{archive}.sig/{party}.sig") == old
    # The other party's signature was over the old contract.
    assert file_in(room, "contract.toml.sig/insurer.sig") is None


def test_who_has_not_seen_what_lies_there_does_not_replace_it(room):
    full(room)
    act = lambda: put_files(room, "hospital", {"contract.toml": b"draft"})  # noqa: E731
    refuse("hub.changed", RefusedError, act)
    put_files(room, "hospital", {"contract.toml": FILES["contract.toml"]})  # the same again


def test_an_entry_names_objects_that_are_there(room):
    content = Content(size=3, digest=Digest.of(b"abc"), objects=(Digest.of(b"abc"),))
    change = Change(place="contract.toml", previous=None, content=content)
    refuse("hub.content", MalformedError, lambda: room.change("hospital", [change]))
    store(room, b"ab")
    short = dataclasses.replace(content, objects=(Digest.of(b"ab"),))
    change = dataclasses.replace(change, content=short)
    refuse("hub.content", MalformedError, lambda: room.change("hospital", [change]))


def test_an_object_is_its_digest(room, tmp_path):
    digest = Digest.of(b"agreed")
    with room.objects.receive(digest) as incoming:
        incoming.write(b"other")
        refuse("hub.object-digest", IntegrityError, lambda: room.keep(incoming, digest))
    refuse("hub.no-object", RefusedError, lambda: room.require_object(digest))
    assert list((tmp_path / "hub" / "rooms" / ROOM / "incoming").iterdir()) == []


def test_an_object_has_its_size(room):
    with room.objects.receive(Digest.of(b"x")) as incoming:
        incoming.write(b"x" * OBJECT_BYTES)
        refuse("format.oversize", MalformedError, lambda: incoming.write(b"x"))


def test_a_full_room_takes_no_more(tmp_path):
    admit(tmp_path / "hub", ROOM, *PARTIES.values())
    with Hub(tmp_path / "hub", quota=20, clock=TickingClock()) as hub:
        room = hub.room(ROOM)
        store(room, b"12345678")
        store(room, b"12345678")  # the same object again takes no space
        store(room, b"12345678")
        refuse("hub.quota", UnavailableError, lambda: store(room, b"abcdefghijklm"))


def test_what_a_crash_left_is_removed_and_what_was_stored_stays(tmp_path):
    home = tmp_path / "hub" / "rooms" / ROOM
    admit(tmp_path / "hub", ROOM, *PARTIES.values())
    with Hub(tmp_path / "hub", quota=QUOTA, clock=TickingClock()) as hub:
        full(hub.room(ROOM))
    (home / "incoming" / "half").write_bytes(b"half")
    with Hub(tmp_path / "hub", quota=QUOTA, clock=TickingClock()) as hub:
        assert all(file_in(hub.room(ROOM), place) == data for place, data in FILES.items())
        assert list((home / "incoming").iterdir()) == []
        with pytest.raises(UnavailableError):
            Hub(tmp_path / "hub", quota=QUOTA, clock=TickingClock())


def test_a_contract_that_all_admitted_parties_signed_lets_further_ones_in(tmp_path):
    admit(tmp_path / "hub", ROOM, PARTIES["hospital"])
    with Hub(tmp_path / "hub", quota=QUOTA, clock=TickingClock()) as hub:
        room = hub.room(ROOM)
        put_files(room, "hospital", own("hospital"))
        assert set(room.members().documents) == {"hospital"}
        places_of_other = ("parties/insurer.toml", "parties/insurer.toml.sig/insurer.sig")
        put_files(room, "hospital", {place: FILES[place] for place in places_of_other})
        assert set(room.members().documents) == {"hospital", "insurer"}
        put_files(room, "insurer", own("insurer"))


def test_one_party_alone_brings_nobody(tmp_path):
    """T-26: a contract with a puppet, signed by one of two admitted parties."""
    puppet = throwaway_party("puppet")
    admit(tmp_path / "hub", ROOM, *PARTIES.values())
    with Hub(tmp_path / "hub", quota=QUOTA, clock=TickingClock()) as hub:
        room = hub.room(ROOM)
        put_files(
            room,
            "hospital",
            {
                "contract.toml": FILES["contract.toml"],
                "contract.toml.sig/hospital.sig": FILES["contract.toml.sig/hospital.sig"],
            },
        )
        assert puppet.name not in room.members().documents
        assert set(room.members().documents) == set(PARTIES)


def test_a_revoked_key_is_known(room):
    full(room)
    key = PARTIES["hospital"].unlocked.signer.public_key
    assert not room.is_revoked("hospital", key)
    terms = RevocationTerms(
        party="hospital",
        kind=RevocationKind.KEY,
        subject=Digest.of(key.blob),
        since=NOW - DAY,
        reason="lost",
    )
    data = render_revocation(terms)
    place = places.revocation_file("hospital", Digest.of(data))
    signed = sign_by(data, kind="revocation", parties=(PARTIES["hospital"],))
    put_files(room, "hospital", files_of({place: signed}))
    assert room.is_revoked("hospital", key)
    assert not room.is_revoked("insurer", PARTIES["insurer"].unlocked.signer.public_key)


def test_nobody_revokes_for_another(room):
    """T-26: a revocation in one party's place that names another party."""
    key = PARTIES["insurer"].unlocked.signer.public_key
    terms = RevocationTerms(
        party="insurer",
        kind=RevocationKind.KEY,
        subject=Digest.of(key.blob),
        since=NOW - DAY,
        reason="not mine",
    )
    data = render_revocation(terms)
    place = places.revocation_file("hospital", Digest.of(data))
    signed = sign_by(data, kind="revocation", parties=(PARTIES["hospital"],))
    act = lambda: put_files(room, "hospital", files_of({place: signed}))  # noqa: E731
    refuse("hub.place", MalformedError, act)
    assert not room.is_revoked("insurer", key)


@pytest.mark.parametrize("name", ["absent", "../readmissions", ".", ""])
def test_there_is_no_other_room(hub, name):
    assert hub.room(name) is None
