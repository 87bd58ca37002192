# SPDX-License-Identifier: Apache-2.0
"""T-01, T-02, T-15: the operator changes one byte of one file, anywhere in a room."""

import itertools

import pytest

from cleanroom.contract import places
from cleanroom.contract.types import ParameterType
from cleanroom.errors import CleanroomError, IntegrityError, MalformedError
from tests.support.room_simulator import EXAMPLE, RoomSimulator, domain

THREATS = ("T-01", "T-02", "T-15")
RUN = "run-00000001"
SAMPLES = 4  # bytes of each file; `slow` tries many more
PLAIN_TEXT = (".toml", ".sql", ".json", ".sig", ".sealed")


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    simulator = RoomSimulator(tmp_path_factory.mktemp("room"))
    simulator.agree(receivers=("insurer",))
    query = simulator.approved(
        (EXAMPLE / "programmes.sql").read_bytes(),
        name="programmes",
        parameters=domain("year", ParameterType.INTEGER, 2024, 2025),
    )
    simulator.execute_request(query, run=RUN, parameters={"year": 2025})
    simulator.verify(RUN)
    yield simulator
    simulator.close()


def documents(simulator):
    """Every file of the room but the sealed parts."""
    found = sorted(path for path in simulator.room.rglob("*") if path.is_file())
    return [path for path in found if path.suffix in PLAIN_TEXT]


def mutations(data, count):
    """Change bytes at places spread over the file, each in two ways."""
    step = max(1, len(data) // count)
    for place, bit in itertools.product(range(0, len(data), step), (0x01, 0x80)):
        changed = bytearray(data)
        changed[place] ^= bit
        yield place, bytes(changed)


def survivors(simulator, count):
    """List the changes that the verifier did not notice."""
    unnoticed = []
    for path in documents(simulator):
        data = path.read_bytes()
        for place, changed in mutations(data, count):
            path.write_bytes(changed)
            try:
                simulator.verify(RUN)
            except CleanroomError as refused:
                assert refused.message.partition(":")[0]
                assert str(simulator.room) not in refused.message
            else:
                unnoticed.append((str(path.relative_to(simulator.room)), place))
        path.write_bytes(data)
    return unnoticed


def test_no_changed_byte_of_any_document_goes_unnoticed(simulator):
    assert survivors(simulator, SAMPLES) == []
    simulator.verify(RUN)


@pytest.mark.slow
def test_no_changed_byte_goes_unnoticed_wherever_it_is(simulator):
    assert survivors(simulator, 20 * SAMPLES) == []


def test_a_missing_document_is_named(simulator):
    for path in documents(simulator):
        relative = str(path.relative_to(simulator.room))
        data = path.read_bytes()
        path.unlink()
        try:
            with pytest.raises(CleanroomError) as refused:
                simulator.verify(RUN)
        finally:
            path.write_bytes(data)
        document = relative.partition(".sig/")[0]
        named = (document, document.rpartition("/")[2], document.split("/")[1:2] or [document])
        assert any(str(name).strip("[]'") in str(refused.value) for name in named), relative


def test_the_verifier_names_the_document_that_was_changed(simulator):
    for place in (
        places.CONTRACT,
        places.policy_file("hospital.stays"),
        places.dataset_file("insurer.members"),
        places.query_file("programmes"),
        places.code_file("programmes", "query.sql"),
        places.run_file(RUN),
    ):
        path = simulator.room / place
        data = path.read_bytes()
        path.write_bytes(data + b"\n")
        try:
            with pytest.raises((IntegrityError, MalformedError)) as refused:
                simulator.verify(RUN)
        finally:
            path.write_bytes(data)
        assert place.rpartition("/")[2] in str(refused.value), place


def test_a_changed_sealed_part_stops_the_next_run_by_name(simulator):
    parts = sorted(simulator.room.glob("datasets/*/parts/*.part"))
    assert parts
    query = simulator.approved(
        b"SELECT s.ward, count(*) AS n FROM hospital.stays AS s "
        b"JOIN insurer.members AS m ON s.email = m.email GROUP BY s.ward",
        name="joined",
    )
    for number, path in enumerate(parts):
        data = path.read_bytes()
        for place in (0, 100, len(data) // 2, len(data) - 1):
            changed = bytearray(data)
            changed[place] ^= 1
            path.write_bytes(changed)
            run = simulator.request(query, run=f"run-part-{number}-{place}")
            with pytest.raises((IntegrityError, MalformedError)) as refused:
                simulator.execute(run)
            assert path.parents[1].name in str(refused.value)
            assert not (simulator.room / places.result_file(run)).exists()
        path.write_bytes(data)
