# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from cleanroom.contract.contract import Price, Waived
from cleanroom.contract.policy import parse_policy
from cleanroom.contract.policy_render import render_policy
from cleanroom.contract.show import show_contract, show_policy
from cleanroom.kernel.digest import Digest
from tests.support.attested_machines import SNP_CLAUSE
from tests.support.room_documents import PARTIES, build_room
from tests.unit.contract.test_policy import ENCOUNTERS, NOISE, PUBLIC

ROOM = build_room()


def shown(**changes) -> str:
    agreement = build_room(contract=changes).agreement()
    return show_contract(agreement.contract, parties=agreement.parties, policies=agreement.policies)


def test_every_party_dataset_and_policy_is_named():
    text = shown()
    agreement = ROOM.agreement()
    for name in PARTIES:
        assert agreement.parties[name].title in text
        assert str(agreement.parties[name].digest) in text
    for lineage, policy in agreement.policies.items():
        assert lineage in text
        for column in policy.columns:
            assert column in text
    assert str(agreement.contract.digest) in text
    assert agreement.contract.purpose in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"predecessor": Digest.of(b"old")}, f"It replaces {Digest.of(b'old')}"),
        ({}, "It replaces no other contract."),
        ({"queries": frozenset({Digest.of(b"q")})}, "1 of them are approved by signing"),
        ({"price": Price(currency="none", amount_per_run=0)}, "A run costs nothing."),
        ({}, "250 minor units of EUR"),
        ({}, "SIMULATED platform"),
        ({}, "WITHOUT a kernel sandbox"),
        ({"receivers": frozenset()}, "Only nobody or nothing may receive"),
    ],
)
def test_what_is_unusual_is_said(change, words):
    assert words in shown(**change)


def test_a_waived_check_is_loud_and_a_real_platform_is_not():
    profile = dataclasses.replace(
        ROOM.contract_terms.attestation,
        debug=Waived(reason="a trial"),
        platforms=frozenset({"sev-snp"}),
    )
    text = shown(attestation=profile)
    assert "DEBUGGING is accepted, because: a trial" in text
    assert "SIMULATED" not in text


SNP = {"platforms": frozenset({"snp"}), "max_collateral_age": dt.timedelta(days=7)}


def test_every_term_about_the_machine_is_shown():
    clause = dataclasses.replace(SNP_CLAUSE, alias_check=Waived(reason="old firmware"))
    profile = dataclasses.replace(ROOM.contract_terms.attestation, clauses=(clause,), **SNP)
    text = shown(attestation=profile)
    assert "snp.products must be Genoa" in text
    assert "WAIVED: snp alias_check: old firmware" in text


def test_a_pinned_version_is_shown():
    digest = Digest.of(ROOM.bundle.agreement.datasets["hospital.patients"].data)
    datasets = tuple(
        dataclasses.replace(dataset, version=digest)
        if dataset.lineage == "hospital.patients"
        else dataset
        for dataset in ROOM.contract_terms.datasets
    )
    assert f"only the version {digest} counts" in shown(datasets=datasets)


def test_a_contract_is_shown_before_its_documents_are_there():
    contract = ROOM.agreement().contract
    text = show_contract(contract, parties={}, policies={})
    assert "hospital.patients" in text
    assert "hospital: owner, receiver" in text


def test_a_policy_is_shown_with_its_rules():
    text = show_policy(parse_policy(render_policy(ENCOUNTERS)))
    assert "fewer than 10 of them" in text
    assert "cost: measure in EUR, cut off below 0 and above 20000" in text
    assert "No calibrated noise." in text
    noisy = dataclasses.replace(ENCOUNTERS, noise=NOISE)
    assert "epsilon 1/10 a release" in show_policy(parse_policy(render_policy(noisy)))


def test_a_public_policy_says_so():
    assert "PUBLIC: it protects nobody." in show_policy(parse_policy(render_policy(PUBLIC)))
