# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from cleanroom.contract.contract import (
    ByOwner,
    Link,
    Price,
    Quorum,
    SandboxLevel,
    Waived,
)
from cleanroom.contract.diff import ABSENT, diff_contracts, show_changes
from cleanroom.kernel.digest import Digest
from tests.support.attested_machines import AZURE_CLAUSE, SNP_CLAUSE
from tests.support.room_documents import DAY, build_room

TERMS = build_room().contract_terms
PROFILE = TERMS.attestation
ONE = Digest.of(b"one")
CHANGES = [
    ({"name": "other"}, "name"),
    ({"purpose": "other"}, "purpose"),
    ({"purpose_code": "other"}, "purpose_code"),
    ({"not_before": TERMS.not_before - DAY}, "not_before"),
    ({"expires": TERMS.expires + DAY}, "expires"),
    ({"predecessor": ONE}, "predecessor"),
    ({"quorum": Quorum.ALL_OWNERS}, "quorum"),
    ({"max_runs": 1}, "max_runs"),
    ({"sandbox": SandboxLevel.FULL}, "sandbox"),
    ({"receivers": frozenset()}, "receivers"),
    ({"submitters": frozenset()}, "submitters"),
    ({"queries": frozenset({ONE})}, "queries"),
    ({"attestation": dataclasses.replace(PROFILE, platforms=frozenset())}, "attestation.platforms"),
    (
        {"attestation": dataclasses.replace(PROFILE, measurements=frozenset())},
        "attestation.measurements",
    ),
    ({"attestation": dataclasses.replace(PROFILE, debug=Waived(reason="x"))}, "attestation.debug"),
    (
        {"attestation": dataclasses.replace(PROFILE, max_evidence_age=dt.timedelta(seconds=1))},
        "attestation.max_evidence_age_seconds",
    ),
    ({"price": Price(currency="USD", amount_per_run=250)}, "price.currency"),
    ({"price": Price(currency="EUR", amount_per_run=1)}, "price.amount_per_run"),
]


@pytest.mark.parametrize(("change", "clause"), CHANGES, ids=[clause for _, clause in CHANGES])
def test_each_changed_clause_is_listed_and_no_other(change, clause):
    changes = diff_contracts(TERMS, dataclasses.replace(TERMS, **change))
    assert [item.clause for item in changes] == [clause]


@pytest.mark.parametrize("field", ["document", "roles"])
def test_a_changed_party_is_listed(field):
    value = {"document": ONE, "roles": frozenset({"payer"})}[field]
    parties = (dataclasses.replace(TERMS.parties[0], **{field: value}), TERMS.parties[1])
    changes = diff_contracts(TERMS, dataclasses.replace(TERMS, parties=parties))
    assert [item.clause for item in changes] == [f"parties.hospital.{field}"]


@pytest.mark.parametrize("field", ["owner", "schema", "policy", "version"])
def test_a_changed_dataset_is_listed(field):
    value = "insurer" if field == "owner" else ONE
    datasets = (dataclasses.replace(TERMS.datasets[0], **{field: value}), *TERMS.datasets[1:])
    changes = diff_contracts(TERMS, dataclasses.replace(TERMS, datasets=datasets))
    assert [item.clause for item in changes] == [f"datasets.hospital.patients.{field}"]
    assert changes[0].after == str(value)


def test_each_changed_term_about_a_machine_is_listed_and_no_other():
    before = dataclasses.replace(PROFILE, clauses=(SNP_CLAUSE, AZURE_CLAUSE))
    clause = dataclasses.replace(SNP_CLAUSE, minimum_tcb={}, vmpl=frozenset({2}))
    after = dataclasses.replace(PROFILE, clauses=(clause, AZURE_CLAUSE))
    changes = diff_contracts(
        dataclasses.replace(TERMS, attestation=before),
        dataclasses.replace(TERMS, attestation=after),
    )
    assert [(item.clause, item.after) for item in changes] == [
        ("attestation.snp.vmpl", "2"),
        ("attestation.snp.minimum_tcb", "(empty)"),
    ]
    assert "product Genoa bootloader 9" in changes[1].before


def test_what_is_gone_or_new_is_called_absent():
    without = dataclasses.replace(TERMS, datasets=TERMS.datasets[1:], links=())
    gone = diff_contracts(TERMS, without)
    assert {item.after for item in gone} == {ABSENT}
    assert {item.before for item in diff_contracts(without, TERMS)} == {ABSENT}
    assert len(gone) == 5


def test_the_order_of_parties_and_links_is_no_change():
    turned = tuple(Link(left=link.right, right=link.left) for link in TERMS.links)
    other = dataclasses.replace(TERMS, parties=TERMS.parties[::-1], links=turned)
    assert diff_contracts(TERMS, other) == ()
    assert isinstance(TERMS.datasets[0].version, ByOwner)


def test_changes_are_written_old_above_new():
    changes = diff_contracts(TERMS, dataclasses.replace(TERMS, max_runs=1))
    assert show_changes(changes) == "max_runs\n  - 100\n  + 1\n"
    assert show_changes(()) == "No clause differs.\n"
