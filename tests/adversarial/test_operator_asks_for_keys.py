# SPDX-License-Identifier: Apache-2.0
"""T-07: the operator starts runs that nobody signed for, and commits what nobody ran."""

from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.document_render import render_run_request
from cleanroom.envelope.dsse import sign_statement
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import CleanroomError, KeyRefusedError
from cleanroom.receipt.build import build_receipt
from tests.support.brokers import BrokerBench, ScriptedRunner, broker_bench
from tests.support.keys import sign_by, signing_key, throwaway_party
from tests.support.room_documents import build_room, with_file

ROOM = build_room()
RUNNER = ScriptedRunner(room=ROOM)


@pytest.fixture
def bench(tmp_path):
    with broker_bench(tmp_path, ROOM) as opened:
        yield opened


def forged_requests() -> dict[str, SignedFile]:
    """Run requests that no submitter signed."""
    data = ROOM.bundle.run.data
    genuine = ROOM.bundle.run.signatures["insurer"]
    other = render_run_request(dataclasses.replace(ROOM.run_terms, run="another-run-0001"))
    theirs = render_run_request(dataclasses.replace(ROOM.run_terms, submitter="hospital"))
    return {
        "unsigned": SignedFile(data=data, signatures={}),
        "signed by the operator": sign_by(
            data, kind="run", parties=(throwaway_party("insurer", edition=7),)
        ),
        "signed for another run": SignedFile(data=other, signatures={"insurer": genuine}),
        "signed as another kind": sign_by(
            data, kind="approval", parties=(ROOM.parties["insurer"],)
        ),
        "by a party that may not submit": sign_by(
            theirs, kind="run", parties=(ROOM.parties["hospital"],)
        ),
    }


@pytest.mark.parametrize("how", forged_requests())
def test_a_run_that_no_submitter_signed_gets_no_keys(bench: BrokerBench, how: str) -> None:
    bundle = with_file(ROOM.bundle, "run", forged_requests()[how])
    request = dataclasses.replace(RUNNER.ask(bench), bundle=bundle)
    with pytest.raises(CleanroomError):
        bench.brokers["hospital"].release(request)
    assert bench.brokers["hospital"].status().log_size == 0


def test_the_last_use_goes_to_one_of_two_runs(tmp_path) -> None:
    rooms = [
        build_room(contract={"max_runs": 1}, run={"run": f"racing-run-000{number}"})
        for number in (1, 2)
    ]
    with broker_bench(tmp_path, rooms[0]) as bench:
        asked = [ScriptedRunner(room=room).ask(bench) for room in rooms]
        bench.brokers["hospital"].release(asked[1])
        with pytest.raises(KeyRefusedError) as error:
            bench.brokers["hospital"].release(asked[0])
        assert error.value.code == "broker.uses-exhausted"


def test_a_commit_needs_the_key_of_the_runner_that_got_the_keys(bench: BrokerBench) -> None:
    request = RUNNER.ask(bench)
    releases = {"hospital": bench.brokers["hospital"].release(request)}
    body = RUNNER.body(request, releases, state=())
    forged = sign_statement(build_receipt(body), signing_key("operator"))
    commit = dataclasses.replace(RUNNER.commit(request, releases, steps=()), receipt=forged)
    with pytest.raises(CleanroomError):
        bench.brokers["hospital"].commit(commit)
    assert bench.brokers["hospital"].status().heads == {}
