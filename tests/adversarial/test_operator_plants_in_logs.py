# SPDX-License-Identifier: Apache-2.0
"""An operator plants links, pipes and receipts where an auditor looks for logs.

Threats: T-14 (a broker is blamed for what it never said), T-15 (a forged receipt), T-01 and
T-18 (links and pipes in a room).
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from cleanroom.cli.auditing import COPY, audit_room
from cleanroom.contract.statements import log_leaf, make_key_release
from cleanroom.envelope.dsse import sign_statement
from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from cleanroom.ledger.checkpoint import log_origin
from cleanroom.ledger.log import TileLog
from tests.support.keys import signing_key, throwaway_party
from tests.support.receipt_forge import HONEST, Forge
from tests.support.receipt_room import OWNERS, RUN

THREATS = ("T-01", "T-14", "T-15", "T-18")
FORGE = Forge()
AGREEMENT = FORGE.agreement()


def place_in(log: TileLog, payload: bytes) -> dict[str, Any]:
    """Log a statement, and say where it stands as a receipt does."""
    place = log.logged(log.append(log_leaf(payload)))
    return {"index": place.index, "checkpoint": place.checkpoint.decode(), "proof": place.proof}


@pytest.fixture
def room(tmp_path):
    """Write the room's copies of all logs, and the receipt of the run that they tell of."""
    room = tmp_path / "room"
    logs = {
        owner: TileLog(
            room / "log" / owner, origin=log_origin(owner), key=throwaway_party(owner).broker_key
        )
        for owner in OWNERS
    }
    released = {
        owner: place_in(log, make_key_release(FORGE.release(owner, AGREEMENT)))
        for owner, log in logs.items()
    }
    forge = Forge(lies=replace(HONEST, release_log=released))
    body = forge.body()
    commits = forge.countersignatures(body, forge.envelope(body))
    committed = {
        owner: place_in(log, commits[owner].statement.payload) for owner, log in logs.items()
    }
    for log in logs.values():
        log.close()
    honest = replace(HONEST, release_log=released, commit_log=committed)
    put(room, honest)
    return room, honest


def put(room, lies):
    path = room / "runs" / RUN / "receipt.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(Forge(lies=lies).receipt())


def audit(room):
    return audit_room(room, AGREEMENT, authorities="")


def test_an_honest_copy_holds_every_statement(room):
    found = [(item.party, item.source, item.entries, item.receipts) for item in audit(room[0])]
    assert found == [(owner, COPY, 2, 1) for owner in OWNERS]


def test_t14_a_log_without_a_statement_that_its_broker_signed_is_named(room):
    place, honest = room
    unlogged = {"hospital": {"epoch": "1" * 32}}
    put(place, replace(honest, commit=unlogged))
    with pytest.raises(IntegrityError, match="^log of hospital: lacks a statement") as refused:
        audit(place)
    assert refused.value.code == "audit.missing"


@pytest.mark.parametrize("signer", ["stranger", "run"])
def test_t15_a_forged_receipt_does_not_make_a_broker_look_guilty(room, signer):
    place, honest = room
    payload = make_key_release(replace(FORGE.release("hospital", AGREEMENT), epoch="1" * 32))
    forged = {"statement": sign_statement(payload, signing_key(signer))}
    release = {**honest.release_log, "hospital": {**honest.release_log["hospital"], **forged}}
    put(place, replace(honest, release_log=release))
    with pytest.raises(IntegrityError, match="^receipt: statement of hospital: ") as refused:
        audit(place)
    assert refused.value.code == "dsse.key"


@pytest.mark.parametrize("name", ["log", "log/hospital", "log/hospital/checkpoint", f"runs/{RUN}"])
def test_t01_no_link_leads_an_auditor_elsewhere(room, tmp_path, name):
    place, _ = room
    (place / name).rename(tmp_path / "elsewhere")
    (place / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MalformedError) as refused:
        audit(place)
    assert refused.value.code == "room.link"


@pytest.mark.parametrize("name", ["log/hospital/checkpoint", f"runs/{RUN}/receipt.json"])
def test_t18_no_pipe_makes_an_auditor_wait(room, name):
    place, _ = room
    (place / name).unlink()
    os.mkfifo(place / name)
    with pytest.raises(MalformedError) as refused:
        audit(place)
    assert refused.value.code == "room.kind"


def test_a_copy_that_lacks_a_file_is_no_log(room):
    place, _ = room
    (place / "log/hospital/tile/entries/000.p/2").unlink()
    with pytest.raises(IntegrityError, match="^log of hospital: tile/entries/000.p/2 is missing"):
        audit(place)
    (place / "log/hospital/checkpoint").unlink()
    with pytest.raises(UnavailableError, match="^log of hospital: "):
        audit(place)
