# SPDX-License-Identifier: Apache-2.0
"""T-09, T-12: the analyst changes code after approval, or asks with other values."""

from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.agreement import agree
from cleanroom.contract.approved_run import approve_run
from cleanroom.contract.document_render import render_query, render_run_request
from cleanroom.contract.query import CodeFile, Parameter
from cleanroom.contract.types import ParameterType
from cleanroom.errors import CleanroomError, IntegrityError, MalformedError, RefusedError
from cleanroom.kernel.digest import Digest
from tests.support.room_documents import CODE, NOW, USED, build_room, with_file

ROOM = build_room()
AGREEMENT = agree(ROOM.bundle.agreement, trust=ROOM.pins)
VALUES = {"region": "north", "born": 1960, "since": "2025-01-01"}


def changed_query(**changes):
    """Sign another query and a request for it, with the approvals of the old one."""
    data = render_query(dataclasses.replace(ROOM.query_terms, **changes))
    query = ROOM.sign(data, kind="query", by="insurer")
    request = dataclasses.replace(ROOM.run_terms, query=Digest.of(data))
    run = ROOM.sign(render_run_request(request), kind="run", by="insurer")
    return with_file(with_file(ROOM.bundle, "query", query), "run", run)


@pytest.mark.parametrize("position", range(0, len(CODE), 23))
def test_code_changed_by_one_byte_after_approval_is_refused(position):
    code = CODE[:position] + bytes([CODE[position] ^ 1]) + CODE[position + 1 :]
    bundle = dataclasses.replace(ROOM.bundle, code={"query.sql": code})
    with pytest.raises(IntegrityError, match="^code query.sql: found"):
        approve_run(AGREEMENT, bundle, at=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"code": (CodeFile(file="query.sql", digest=Digest.of(CODE + b" ")),)},
        {"datasets": {**USED, "hospital.patients": ("patient_id", "person_key", "sex")}},
        {"resources": dataclasses.replace(ROOM.query_terms.resources, rows=1_000_000)},
        {
            "parameters": {
                **ROOM.query_terms.parameters,
                "region": Parameter(
                    name="region", type=ParameterType.STRING, values=("north", "south", "east")
                ),
            }
        },
    ],
)
def test_a_query_that_was_changed_and_signed_again_has_no_approval(change):
    bundle = changed_query(**change)
    if "code" in change:
        bundle = dataclasses.replace(bundle, code={"query.sql": CODE + b" "})
    with pytest.raises(RefusedError, match="approval of hospital: found one for another contract"):
        approve_run(AGREEMENT, bundle, at=NOW)


def test_a_query_listed_in_the_contract_is_listed_by_its_bytes():
    listed = build_room(contract={"queries": frozenset({ROOM.query_digest})}, approvals={})
    assert listed.approved()
    other = build_room(
        contract={"queries": frozenset({ROOM.query_digest})}, approvals={}, code=CODE + b" "
    )
    with pytest.raises(RefusedError, match="approval of hospital: found none"):
        other.approved()


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"region": "north"},
        {**VALUES, "extra": 1},
        {**VALUES, "region": "north' OR 1=1 --"},
        {**VALUES, "region": "NORTH"},
        {**VALUES, "region": "north "},
        {**VALUES, "born": 1961},
        {**VALUES, "born": -1960},
        {**VALUES, "born": "1960"},
        {**VALUES, "since": "2025-01-02"},
        {**VALUES, "since": "2025-1-1"},
        {**VALUES, "since": 20250101},
    ],
)
def test_a_value_outside_the_approved_domain_is_refused_without_quoting_it(parameters):
    with pytest.raises(CleanroomError) as refused:
        build_room(run={"parameters": parameters}).approved()
    assert isinstance(refused.value, RefusedError | MalformedError)
    assert refused.value.message.startswith("run.toml: parameters.")
    given = [str(value) for value in parameters.values()]
    assert not [value for value in given if value in refused.value.message + refused.value.hint]


@pytest.mark.parametrize("text", ["true", "1960.0", "[1960]", "{ a = 1 }", "2025-01-01"])
def test_a_value_of_a_type_that_no_parameter_has_is_refused(text):
    data = ROOM.bundle.run.data.replace(b"born = 1960", f"born = {text}".encode())
    run = ROOM.sign(data, kind="run", by="insurer")
    with pytest.raises(MalformedError, match="^run.toml: "):
        approve_run(AGREEMENT, with_file(ROOM.bundle, "run", run), at=NOW)
