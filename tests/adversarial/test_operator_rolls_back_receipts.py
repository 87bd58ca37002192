# SPDX-License-Identifier: Apache-2.0
"""The operator shows older documents, data versions or histories (T-02)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cleanroom.contract import places
from cleanroom.contract.state_chain import genesis_head, next_head
from cleanroom.contract.statements import DatasetRelease, StateEntry
from cleanroom.errors import IntegrityError
from cleanroom.kernel.digest import Digest
from tests.support.receipt_forge import ENTRY, Forge, Lies
from tests.support.receipt_room import make_documents

EARLIER = Digest.of(b"an entry of last week")
LINEAGE = "hospital.stays"


def release_with_history(forge, entries, head):
    honest = forge.release("hospital", forge.agreement()).datasets[0]
    history = tuple(StateEntry(digest=entry, owners=("hospital",)) for entry in entries)
    return {"hospital": {"datasets": (replace(honest, head=head, entries=history),)}}


def test_a_run_cannot_continue_from_before_an_earlier_release():
    # T-02: the broker released with one entry in the history; the runner went on from none.
    head = next_head(genesis_head(LINEAGE), EARLIER)
    release = release_with_history(Forge(), [EARLIER], head)
    step, error = Forge(lies=Lies(release=release)).refusal()
    assert (step, type(error)) == ("history", IntegrityError)


def test_a_history_that_hides_an_entry_does_not_lead_to_its_head():
    head = next_head(next_head(genesis_head(LINEAGE), EARLIER), ENTRY)
    release = release_with_history(Forge(), [ENTRY], head)
    step, error = Forge(lies=Lies(release=release)).refusal()
    assert (step, type(error)) == ("key releases", IntegrityError)


def test_a_run_that_continues_the_history_is_fine():
    head = next_head(genesis_head(LINEAGE), EARLIER)
    forge = Forge()
    first, second = forge.honest_names().state
    state = (replace(first, previous=head, next=next_head(head, ENTRY)), second)
    release = release_with_history(forge, [EARLIER], head)
    assert Forge(lies=Lies(release=release, body={"state": state})).verify()


@pytest.mark.parametrize("number", [1, 2])
def test_an_older_data_version_under_the_newer_ones_release_is_refused(number):
    forge = Forge()
    honest = forge.release("hospital", forge.agreement()).datasets[0]
    older = DatasetRelease(
        lineage=honest.lineage,
        version=Digest.of(b"version %d" % number),
        number=number,
        key_id=honest.key_id,
        head=honest.head,
        entries=(),
    )
    step, _ = Forge(lies=Lies(release={"hospital": {"datasets": (older,)}})).refusal()
    assert step == "key releases"


@pytest.mark.parametrize(
    "place",
    [places.CONTRACT, places.party_file("hospital"), places.policy_file(LINEAGE)],
)
def test_an_older_document_in_the_room_does_not_stand_in(place):
    # T-02: the operator keeps the name and serves other bytes under it.
    documents, older = make_documents(), make_documents(max_runs=7)
    for key in [key for key in documents.room.files if key[0] == place]:
        honest = documents.room.files[key]
        stale = next(file for (name, _), file in older.room.files.items() if name == place)
        changed = replace(stale, data=stale.data + b"# older\n")
        documents.room.files[key] = changed
        assert changed.data != honest.data
    step, error = Forge(documents=documents).refusal_of(Forge().receipt())
    assert step == "contract"
    assert isinstance(error, IntegrityError)
