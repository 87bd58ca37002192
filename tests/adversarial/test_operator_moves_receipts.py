# SPDX-License-Identifier: Apache-2.0
"""T-06, T-09, T-15: the operator exchanges files between reading, signing and receiving."""

import shutil

import pytest

from cleanroom import room as line
from cleanroom.contract import places
from cleanroom.contract.approval import Decision, parse_approval
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.query import parse_query
from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.room_simulator import RoomSimulator

THREATS = ("T-06", "T-09", "T-15")
BY_WARD = b"SELECT ward, count(*) AS n FROM hospital.stays GROUP BY ward"
BY_YEAR = b"SELECT year, count(*) AS n FROM hospital.stays GROUP BY year"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    simulator = RoomSimulator(tmp_path_factory.mktemp("room"))
    simulator.agree(receivers=("insurer",))
    for number, (name, code) in enumerate((("wards", BY_WARD), ("years", BY_YEAR)), start=1):
        query = simulator.approved(code, name=name)
        simulator.execute_request(query, run=f"run-0000000{number}")
    yield simulator
    simulator.close()


def test_a_genuine_receipt_in_the_place_of_another_is_refused(simulator):
    first, second = (simulator.room / places.receipt_file(f"run-0000000{n}") for n in (1, 2))
    kept = second.read_bytes()
    shutil.copyfile(first, second)
    try:
        with pytest.raises(IntegrityError, match="found in the place of run-00000002") as refused:
            simulator.verify("run-00000002")
    finally:
        second.write_bytes(kept)
    assert refused.value.code == "receipt.place"


def decide(simulator, name, digest, *, by="hospital", decision=Decision.APPROVE):
    return line.approve_query(
        simulator.profiles[by],
        simulator.parties[by].unlocked.signer,
        room=simulator.room,
        query=name,
        digest=digest,
        decision=decision,
        reason="read",
        clock=simulator.clock,
    )


def digest_of(simulator, name):
    file = RoomDirectory(path=simulator.room).load(places.query_file(name))
    return parse_query(file.data).digest


def test_a_query_exchanged_after_it_was_read_is_not_approved(simulator):
    read = digest_of(simulator, "wards")
    place = simulator.room / places.query_directory("wards")
    kept = simulator.directory / "kept"
    shutil.copytree(place, kept)
    shutil.rmtree(place)
    shutil.copytree(simulator.room / places.query_directory("years"), place)
    try:
        with pytest.raises(IntegrityError):
            decide(simulator, "wards", read)
        with pytest.raises(IntegrityError, match="name: found 'years', agreed 'wards'"):
            decide(simulator, "wards", digest_of(simulator, "wards"))
    finally:
        shutil.rmtree(place)
        shutil.copytree(kept, place)


def test_code_that_is_not_the_documents_is_not_approved(simulator):
    code = simulator.room / places.code_file("wards", "query.sql")
    kept = code.read_bytes()
    code.write_bytes(kept + b" ")
    try:
        with pytest.raises(IntegrityError, match="query.sql"):
            decide(simulator, "wards", digest_of(simulator, "wards"))
    finally:
        code.write_bytes(kept)


def test_an_unsigned_query_is_not_approved(simulator):
    signature = simulator.room / places.signature_file(places.query_file("wards"), "insurer")
    kept = signature.read_bytes()
    signature.unlink()
    try:
        with pytest.raises(RefusedError, match="signature of insurer: missing"):
            decide(simulator, "wards", digest_of(simulator, "wards"))
    finally:
        signature.write_bytes(kept)


def test_a_contract_exchanged_after_it_was_read_is_not_signed(simulator):
    with pytest.raises(IntegrityError, match="^contract.toml: found"):
        line.sign_contract(
            simulator.profiles["hospital"],
            simulator.parties["hospital"].unlocked.signer,
            simulator.room,
            digest=Digest.of(b"what the hospital read"),
        )


def test_a_planted_number_does_not_let_an_old_approval_outrank_a_rejection(simulator):
    place = simulator.room / places.approval_file("years", "hospital")
    genuine = place.read_bytes()
    approved = parse_approval(genuine)
    # An unsigned file with an enormous number, where the next decision would look.
    planted = genuine.replace(
        f"sequence = {approved.sequence}".encode(), b"sequence = 9007199254740990"
    )
    assert planted != genuine
    place.write_bytes(planted)
    simulator.clock.advance(seconds=5)
    rejection, _ = decide_offline(simulator)
    assert approved.sequence < rejection.sequence < 9007199254740990


def decide_offline(simulator):
    """Reject, with no broker listening; the document is signed all the same."""
    return decide(simulator, "years", digest_of(simulator, "years"), decision=Decision.REJECT)
