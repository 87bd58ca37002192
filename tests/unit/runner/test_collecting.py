# SPDX-License-Identifier: Apache-2.0
"""Which device a runner asks follows from the contract alone."""

from dataclasses import replace

import pytest

from cleanroom.attestation.collectors import collector_for
from cleanroom.contract.attestation_draft import draft_profile
from cleanroom.errors import UnavailableError
from cleanroom.runner.collecting import machine_collectors, register_collectors
from tests.support.attested_machines import MAA_CLAUSE, MAA_ISSUER, WORKLOAD_CLAUSE
from tests.support.attested_runs import make_profile
from tests.support.tpm_evidence import EVENTS


def test_the_collectors_quote_the_registers_that_the_contract_names():
    profile = draft_profile(("tpm",), measurements=(), gpus=0)
    collectors = {item.platform: item for item in register_collectors(profile, EVENTS)}
    assert collectors.keys() == {
        "snp-azure-vtpm",
        "tdx-azure-vtpm",
        "tpm",
        "vtpm-software",
    }
    for item in collectors.values():
        assert str(item.selection) == "sha256:0,1,2,3,4,7,14"
        log = getattr(item, "runtime", item)
        assert (log.register, log.events) == (14, EVENTS)


def test_a_contract_without_registers_needs_no_such_collector():
    profile = draft_profile(("simulated",), measurements=(), gpus=0)
    assert register_collectors(profile, EVENTS) == ()
    with pytest.raises(UnavailableError, match="^no-such-kind: no collector makes it"):
        collector_for("no-such-kind", collectors=machine_collectors())


def test_outside_a_run_every_register_is_quoted_and_none_is_extended():
    collectors = {item.platform: item for item in machine_collectors()}
    for name in ("tpm", "vtpm-software"):
        assert collectors[name].selection.pcrs == frozenset(range(24))
        assert collectors[name].events == ()


def test_a_token_is_asked_for_whom_and_where_the_contract_says():
    profile = make_profile(
        clauses=(
            replace(WORKLOAD_CLAUSE, audiences=frozenset({"b", "a"})),
            MAA_CLAUSE,
        )
    )
    google, azure = register_collectors(profile, EVENTS)
    assert (google.platform, google.audience) == ("gcp-cs-jwt", "a")
    assert (azure.platform, azure.issuer) == ("maa-jwt", MAA_ISSUER)
    assert azure.machine.platform == "snp"
    nobody = make_profile(
        clauses=(
            replace(WORKLOAD_CLAUSE, audiences=frozenset()),
            replace(MAA_CLAUSE, issuers=frozenset()),
        )
    )
    assert register_collectors(nobody, EVENTS) == ()
