# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract.contract import (
    Quorum,
    SandboxLevel,
    Waived,
    parse_contract,
)
from cleanroom.contract.contract_render import render_contract
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.documents import terms_of
from tests.support.room_documents import build_room

TERMS = build_room().contract_terms
VALID = render_contract(TERMS).decode()
LINK = '[[links]]\nleft = "hospital.patients.person_key"\nright = "insurer.members.person_key"\n'


def test_a_written_contract_reads_as_the_same_terms():
    assert terms_of(parse_contract(VALID.encode())) == terms_of(TERMS)


@pytest.mark.parametrize(
    "change",
    [
        {"predecessor": Digest.of(b"before")},
        {"queries": frozenset({Digest.of(b"one"), Digest.of(b"two")})},
        {"links": ()},
        {"datasets": (), "links": ()},
        {"quorum": Quorum.ALL_PARTIES, "sandbox": SandboxLevel.FULL},
        {"attestation": dataclasses.replace(TERMS.attestation, debug=Waived(reason="a trial"))},
        {"attestation": dataclasses.replace(TERMS.attestation, measurements=frozenset())},
        {"datasets": (dataclasses.replace(TERMS.datasets[0], version=Digest.of(b"one")),),
         "links": ()},
    ],
)  # fmt: skip
def test_every_form_of_a_clause_reads_as_the_same_terms(change):
    terms = dataclasses.replace(TERMS, **change)
    assert terms_of(parse_contract(render_contract(terms))) == terms_of(terms)


def test_owners_parties_and_lineages_are_what_the_contract_lists():
    contract = parse_contract(VALID.encode())
    assert contract.owners == ("hospital", "insurer")
    assert contract.party_names == {"hospital", "insurer"}
    assert contract.lineages == set(build_room().contract_bundle.policies)
    assert contract.links[0].pair == {
        "hospital.patients.person_key",
        "insurer.members.person_key",
    }


@pytest.mark.parametrize(
    ("old", "new", "clause"),
    [
        ("expires = 2027-11-01T12", "expires = 2026-11-01T12", "expires"),
        ('name = "insurer"', 'name = "hospital"', "parties: found 'hospital' twice"),
        ('receivers = ["insurer"]', 'receivers = ["stranger"]', "receivers: found 'stranger'"),
        ('submitters = ["insurer"]', 'submitters = ["stranger"]', "submitters: found 'stranger'"),
        ('receivers = ["insurer"]', 'receivers = ["insurer", "insurer"]', "receivers"),
        ('roles = ["owner", "receiver"]', 'roles = ["receiver"]', "datasets.hospital.patients.own"),
        ('roles = ["owner", "receiver"]', "roles = []", r"parties\[1\].roles: found fewer"),
        ('roles = ["owner", "receiver"]', 'roles = ["king"]', r"parties\[1\].roles\[1\]: found an"),
        ('owner = "hospital"', 'owner = "insurer"', "datasets.hospital.patients.owner: found"),
        ('lineage = "hospital.encounters"', 'lineage = "hospital.patients"', "datasets: found"),
        ('right = "insurer.members.p', 'right = "insurer.nothing.p', r"links\[1\]: found 'insurer"),
        ('right = "insurer.members.p', 'right = "hospital.patients.p', r"links\[1\]: found one da"),
        (LINK, LINK + "\n" + LINK, "links: found"),
        ('["simulated"]', '["simulated", "sev-snp"]', "attestation.platforms: found 'simulated' b"),
        ('debug = "forbidden"', 'debug = "waived: "', "attestation.debug"),
        ('debug = "forbidden"', 'debug = "allowed"', "attestation.debug"),
        ("max_evidence_age_seconds = 300", "max_evidence_age_seconds = 0", "attestation.max_evid"),
        ("max_runs = 100", "max_runs = 0", "max_runs"),
        ('sandbox = "process"', 'sandbox = "none"', "sandbox"),
        ('predecessor = "none"', 'predecessor = ""', "predecessor"),
        ('currency = "EUR"', 'currency = "euro"', "price.currency"),
        ("queries = []", "", "queries: found no such clause"),
    ],
)
def test_one_wrong_clause_is_refused_by_name(old, new, clause):
    assert VALID.count(old) >= 1
    with pytest.raises(MalformedError, match=f"^contract.toml: {clause}"):
        parse_contract(VALID.replace(old, new, 1).encode())


def test_two_parties_never_share_one_document():
    same = tuple(dataclasses.replace(party, document=Digest.of(b"one")) for party in TERMS.parties)
    with pytest.raises(MalformedError, match="^contract.toml: parties: found 'sha256:.*' twice"):
        parse_contract(render_contract(dataclasses.replace(TERMS, parties=same)))


def test_a_sandbox_level_satisfies_itself_and_weaker_ones_only():
    levels = list(SandboxLevel)
    for strength, level in enumerate(levels):
        for least, other in enumerate(levels):
            assert level.satisfies(other) == (strength >= least)
