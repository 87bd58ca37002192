# SPDX-License-Identifier: Apache-2.0
"""T-20: a party uses an expired contract, a lapsed approval or a contract that was replaced."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from cleanroom.contract.broker_requests import ContractNotice
from cleanroom.contract.document_render import render_run_request
from cleanroom.errors import IntegrityError, KeyRefusedError, RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.brokers import ScriptedRunner, broker_bench
from tests.support.keys import sign_by, throwaway_party
from tests.support.room_documents import DAY, NOW, PARTIES, build_room, with_file

ROOM = build_room()
SECOND = dt.timedelta(seconds=1)
LONG = {"expires": NOW + 2000 * DAY}


def test_nothing_runs_before_a_contract_starts_or_after_it_ends():
    room = build_room(run=LONG, approvals=dict.fromkeys(PARTIES, LONG))
    terms = room.contract_terms
    for at in (terms.not_before - SECOND, terms.expires, terms.expires + 1000 * DAY):
        with pytest.raises(RefusedError, match="^contract.toml: (not_before|expires): found"):
            room.approved(at=at)


@pytest.mark.parametrize("name", PARTIES)
def test_an_approval_does_not_outlive_its_date(name):
    room = build_room(approvals={**{party: {} for party in PARTIES}, name: {"expires": NOW}})
    with pytest.raises(RefusedError, match=f"approval of {name}: found one that has expired"):
        room.approved()
    assert room.approved(at=NOW - SECOND)


def test_an_approval_lapses_with_its_contract():
    amended = build_room(contract={"predecessor": ROOM.contract_digest})
    bundle = amended.bundle
    for name, file in ROOM.bundle.approvals.items():
        bundle = with_file(bundle, "approvals", file, name=name)
    with pytest.raises(RefusedError, match="found one for another contract or query"):
        dataclasses.replace(amended, bundle=bundle).approved()


def test_a_run_request_does_not_move_to_the_next_contract():
    amended = build_room(contract={"predecessor": ROOM.contract_digest})
    bundle = with_file(amended.bundle, "run", ROOM.bundle.run)
    with pytest.raises(IntegrityError, match="^run.toml: contract: found"):
        dataclasses.replace(amended, bundle=bundle).approved()


def test_a_request_under_the_old_contract_is_not_approved_under_the_new_one():
    amended = build_room(contract={"predecessor": ROOM.contract_digest})
    old = dataclasses.replace(amended.run_terms, contract=ROOM.contract_digest)
    run = amended.sign(render_run_request(old), kind="run", by="insurer")
    with pytest.raises(IntegrityError, match="^run.toml: contract: found"):
        dataclasses.replace(amended, bundle=with_file(amended.bundle, "run", run)).approved()


def test_a_contract_is_not_replaced_behind_the_back_of_a_party(tmp_path):
    third = throwaway_party("third")
    old = build_room(parties={**ROOM.parties, "third": third})
    new = build_room(contract={"predecessor": old.contract_digest})
    with broker_bench(tmp_path, old) as bench:
        broker = bench.brokers["hospital"]
        broker.notice(ContractNotice(bundle=old.contract_bundle))
        with pytest.raises(KeyRefusedError, match="third, a party of its predecessor, did not"):
            broker.notice(ContractNotice(bundle=new.contract_bundle))
        parties = (*new.parties.values(), third)
        signed = sign_by(new.contract_bundle.contract.data, kind="contract", parties=parties)
        bundle = dataclasses.replace(new.contract_bundle, contract=signed)
        assert broker.notice(ContractNotice(bundle=bundle))


def test_an_unrelated_contract_replaces_nothing(tmp_path):
    for predecessor in (None, Digest.of(b"another contract")):
        other = build_room(contract={"predecessor": predecessor, "name": "unrelated"})
        with broker_bench(tmp_path / str(predecessor is None), ROOM) as bench:
            request = ScriptedRunner(room=ROOM).ask(bench)
            bench.brokers["hospital"].notice(ContractNotice(bundle=other.contract_bundle))
            assert bench.brokers["hospital"].release(request)
