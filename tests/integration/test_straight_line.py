# SPDX-License-Identifier: Apache-2.0
"""The whole line, from two tables to a verified result, and what happens around it."""

import csv
import json
from collections import defaultdict
from fractions import Fraction

import pytest

from cleanroom.contract import places
from cleanroom.contract.types import ParameterType
from cleanroom.errors import (
    AdmissionRefusedError,
    IntegrityError,
    KeyRefusedError,
    MalformedError,
    RefusedError,
    UnavailableError,
)
from cleanroom.receipt.model import Answered
from tests.support.room_simulator import EXAMPLE, RoomSimulator, domain

PROGRAMMES = (EXAMPLE / "programmes.sql").read_bytes()
YEARS = domain("year", ParameterType.INTEGER, 2024, 2025)
BY_WARD = b"SELECT ward, count(*) AS stays FROM hospital.stays GROUP BY ward"
JOINED = (
    b"SELECT s.ward, count(*) AS stays FROM hospital.stays AS s "
    b"JOIN insurer.members AS m ON s.email = m.email GROUP BY s.ward"
)
THRESHOLD = 10


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A room in which one query ran once."""
    simulator = RoomSimulator(tmp_path_factory.mktemp("ran"))
    simulator.agree(receivers=("insurer",))
    query = simulator.approved(PROGRAMMES, name="programmes", parameters=YEARS)
    simulator.execute_request(query, run="run-00000001", parameters={"year": 2025})
    simulator.execute_request(query, run="run-00000009", parameters={"year": 2024})
    yield simulator, query
    simulator.close()


def plain_answer(year):
    """Compute the same by hand: ward and programme to persons and stays."""
    with (EXAMPLE / "data" / "members.csv").open() as file:
        members = {row["email"].strip().lower(): row["programme"] for row in csv.DictReader(file)}
    people, stays = defaultdict(set), defaultdict(int)
    with (EXAMPLE / "data" / "stays.csv").open() as file:
        for row in csv.DictReader(file):
            email = row["email"].strip().lower()
            if int(row["year"]) == year and email in members:
                group = (row["ward"], members[email])
                people[group].add(email)
                stays[group] += 1
    return people, stays


def test_the_released_rows_are_the_plain_ones_on_the_policys_grid(ran):
    simulator, _ = ran
    table = simulator.result("run-00000001")
    people, stays = plain_answer(2025)
    released = {(row[0], row[1]): row[2:4] for row in table.rows}
    large = {group for group, members in people.items() if len(members) >= THRESHOLD}
    assert set(released) <= large
    assert released
    for group, (patients, count) in released.items():
        assert abs(patients - len(people[group])) <= Fraction(5, 2)
        assert abs(count - stays[group]) <= Fraction(5, 2)
        assert patients % 5 == count % 5 == 0


def test_a_group_of_few_is_withheld_and_nothing_names_it(ran):
    simulator, _ = ran
    people, _ = plain_answer(2025)
    few = {group for group, members in people.items() if 0 < len(members) < THRESHOLD}
    assert {ward for ward, _ in few} == {"burns"}
    table = simulator.result("run-00000001")
    assert all(row[0] != "burns" for row in table.rows)
    receipt = (simulator.room / places.receipt_file("run-00000001")).read_text()
    assert "burns" not in receipt


def test_the_receipt_verifies_line_by_line_and_shouts_that_it_is_simulated(ran):
    simulator, _ = ran
    verified = simulator.verify("run-00000001")
    assert all(line.held for line in verified.lines)
    assert len(verified.lines) >= 10
    assert "SIMULATED" in verified.body.banner
    assert verified.body.answered is Answered.COMPUTED


def test_an_identical_request_gets_the_stored_answer_word_for_word(ran):
    simulator, query = ran
    before = simulator.brokers["hospital"].status().heads
    simulator.execute_request(query, run="run-00000002", parameters={"year": 2025})
    assert simulator.verify("run-00000002").body.answered is Answered.STORED
    assert simulator.result("run-00000002") == simulator.result("run-00000001")
    assert simulator.brokers["hospital"].status().heads == before


def test_another_parameter_value_is_another_request(ran):
    simulator, _ = ran
    assert simulator.verify("run-00000009").body.answered is Answered.COMPUTED
    assert simulator.result("run-00000009") != simulator.result("run-00000001")


def test_a_party_that_is_no_receiver_cannot_open_the_result(ran):
    simulator, _ = ran
    with pytest.raises(RefusedError, match="not sealed to hospital") as refused:
        simulator.result("run-00000001", by="hospital")
    assert refused.value.code == "result.receiver"


def test_a_run_id_runs_once(ran):
    simulator, _ = ran
    with pytest.raises(KeyRefusedError) as refused:
        simulator.execute("run-00000001")
    assert refused.value.code == "broker.run-committed"


@pytest.mark.parametrize(
    "values", [{}, {"year": 1999}, {"year": 2025, "ward": "burns"}], ids=["none", "foreign", "more"]
)
def test_a_value_outside_the_approved_domain_never_reaches_a_broker(ran, values):
    simulator, query = ran
    run = simulator.request(query, run="run-outside01", parameters=values)
    with pytest.raises(RefusedError):
        simulator.execute(run)


def test_a_query_that_singles_out_is_refused_before_anything_is_signed(ran):
    simulator, _ = ran
    with pytest.raises(AdmissionRefusedError):
        simulator.submit(b"SELECT email, count(*) AS n FROM hospital.stays GROUP BY email")
    assert not (simulator.room / "queries" / "asked").exists()


def test_a_part_that_was_changed_stops_the_run_by_name_and_leaves_no_result(tmp_path):
    simulator = RoomSimulator(tmp_path)
    simulator.agree(receivers=("insurer",))
    query = simulator.approved(BY_WARD)
    part = next((simulator.room / "datasets" / "hospital.stays" / "parts").glob("*.part"))
    data = bytearray(part.read_bytes())
    data[-40] ^= 1
    part.write_bytes(data)
    run = simulator.request(query)
    with pytest.raises(IntegrityError, match=r"hospital\.stays"):
        simulator.execute(run)
    assert not (simulator.room / places.result_file(run)).exists()
    assert not (simulator.room / places.receipt_file(run)).exists()
    simulator.close()


def test_code_changed_by_one_byte_after_approval_gets_no_keys(tmp_path):
    simulator = RoomSimulator(tmp_path)
    simulator.agree(receivers=("insurer",))
    query = simulator.approved(BY_WARD)
    run = simulator.request(query)
    code = simulator.room / places.code_file(query.name, "query.sql")
    code.write_bytes(code.read_bytes() + b" ")
    with pytest.raises(IntegrityError, match="query.sql"):
        simulator.execute(run)
    simulator.close()


class Withholding:
    """A broker that releases keys and then refuses to countersign."""

    def __init__(self, broker):
        self.broker = broker

    def __getattr__(self, name):
        return getattr(self.broker, name)

    def commit(self, request):
        del request
        raise KeyRefusedError("commit: no", code="broker.head-moved")


def test_without_every_countersignature_nothing_leaves(tmp_path):
    simulator = RoomSimulator(tmp_path)
    simulator.agree(receivers=("insurer",))
    query = simulator.approved(JOINED)
    honest = simulator.brokers["insurer"]
    simulator.brokers["insurer"] = Withholding(honest)
    run = simulator.request(query)
    with pytest.raises(KeyRefusedError):
        simulator.execute(run)
    assert not (simulator.room / places.result_file(run)).exists()
    # What the other broker countersigned counts as released for ever. It is no stored
    # answer, for the insurer never heard of it: the next run computes and gates again.
    simulator.brokers["insurer"] = honest
    simulator.execute_request(query, run="run-00000002")
    assert simulator.verify("run-00000002").body.answered is Answered.COMPUTED
    simulator.close()


class LosingAnswers:
    """A broker that commits, and whose first answers get lost on the way."""

    def __init__(self, broker, lost):
        self.broker = broker
        self.lost = lost

    def __getattr__(self, name):
        return getattr(self.broker, name)

    def commit(self, request):
        answer = self.broker.commit(request)
        if self.lost:
            self.lost -= 1
            raise UnavailableError("broker: the connection was lost", code="broker.unreachable")
        return answer


def test_a_lost_countersignature_is_asked_for_again(tmp_path):
    simulator = RoomSimulator(tmp_path)
    simulator.agree(receivers=("insurer",))
    query = simulator.approved(JOINED)
    honest = simulator.brokers["insurer"]
    simulator.brokers["insurer"] = LosingAnswers(honest, lost=2)
    simulator.execute_request(query, run="run-00000001")
    assert simulator.result("run-00000001").rows
    simulator.brokers["insurer"] = LosingAnswers(honest, lost=3)
    run = simulator.request(query, run="run-00000002")
    with pytest.raises(UnavailableError):
        simulator.execute(run)
    assert not (simulator.room / places.receipt_file(run)).exists()
    simulator.close()


def test_a_half_committed_run_does_not_lock_either_owners_data(tmp_path):
    simulator = RoomSimulator(tmp_path)
    simulator.agree(receivers=("insurer",))
    joined = simulator.approved(PROGRAMMES, name="programmes", parameters=YEARS)
    honest = simulator.brokers["insurer"]
    simulator.brokers["insurer"] = Withholding(honest)
    run = simulator.request(joined, parameters={"year": 2025})
    with pytest.raises(KeyRefusedError):
        simulator.execute(run)
    simulator.brokers["insurer"] = honest
    alone = simulator.approved(BY_WARD, name="wards")
    simulator.execute_request(alone, run="run-00000002")
    assert simulator.result("run-00000002").rows
    simulator.close()


def test_history_shared_by_two_owners_opens_for_a_query_over_one_of_them(tmp_path):
    simulator = RoomSimulator(tmp_path)
    simulator.agree(receivers=("insurer",))
    joined = simulator.approved(PROGRAMMES, name="programmes", parameters=YEARS)
    simulator.execute_request(joined, run="run-00000001", parameters={"year": 2025})
    alone = simulator.approved(BY_WARD, name="wards")
    simulator.execute_request(alone, run="run-00000002")
    assert simulator.result("run-00000002").rows
    simulator.close()


def test_countersignatures_of_another_run_do_not_serve(ran):
    simulator, _ = ran
    receipt = json.loads((simulator.room / places.receipt_file("run-00000001")).read_text())
    other = simulator.room / places.receipt_file("run-00000009")
    original = other.read_bytes()
    mixed = {**json.loads(original), "countersignatures": receipt["countersignatures"]}
    other.write_text(json.dumps(mixed))
    try:
        with pytest.raises((IntegrityError, MalformedError)):
            simulator.verify("run-00000009")
    finally:
        other.write_bytes(original)
