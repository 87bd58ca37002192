# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.attestation import registry
from cleanroom.attestation.platform import Collector
from cleanroom.attestation.platforms.vtpm_software import kind
from cleanroom.attestation.platforms.vtpm_software.collect import SoftwareTpmCollector
from cleanroom.attestation.trust import DEFAULT_TRUST, trust_for
from cleanroom.attestation.verifier import require_bound, require_declared
from cleanroom.errors import EvidenceRefusedError, IntegrityError, UnavailableError
from tests.support.attested_runs import make_profile
from tests.support.test_pki import AT
from tests.support.tpm_evidence import (
    BINDING,
    EVENTS,
    SELECTION,
    certificates,
    fake_swtpm,
    with_items,
)
from tests.support.tpm_forge import AK

(KIND,) = kind.KINDS


def collector(search_path):
    return SoftwareTpmCollector(
        selection=SELECTION, register=14, events=EVENTS, search_path=search_path
    )


@pytest.fixture(scope="module")
def item(tmp_path_factory):
    collect: Collector = collector(fake_swtpm(tmp_path_factory.mktemp("bin")))
    assert (collect.platform, collect.missing()) == ("vtpm-software", ())
    return collect.collect(binding=BINDING)


def test_what_is_collected_verifies_and_protects_nothing(item):
    claims = KIND.verifier.verify(item, at=AT)
    require_declared(KIND.verifier, claims)
    require_bound(claims, BINDING)
    assert (claims.platform, claims.confidential) == ("vtpm-software", False)
    (facts,) = claims.facts
    assert facts.key_trust == "unproven"
    assert facts.runtime.events == EVENTS


def test_a_certificate_lends_no_weight_to_a_software_tpm(item):
    certified = with_items(item, **{"ak-certificates": certificates(AK.private)})
    with pytest.raises(IntegrityError, match="agreed none"):
        KIND.verifier.verify(certified, at=AT)


def test_a_software_tpm_is_believed_only_where_a_contract_names_it_alone():
    assert "vtpm-software" not in DEFAULT_TRUST.platforms
    assert KIND in registry.STAND_ALONE
    alone = trust_for(make_profile(platforms=frozenset({"vtpm-software"})))
    assert [item.loaded() for item in alone.verifiers] == [KIND.verifier]
    with pytest.raises(EvidenceRefusedError, match="beside others"):
        trust_for(make_profile(platforms=frozenset({"vtpm-software", "snp"})))


def test_a_machine_without_swtpm_says_which_package_it_lacks(tmp_path):
    collect = collector(str(tmp_path))
    assert collect.missing() == ("swtpm is not installed (Debian package swtpm)",)
    with pytest.raises(UnavailableError, match="^software TPM: swtpm is not installed") as caught:
        collect.collect(binding=BINDING)
    assert caught.value.code == "vtpm.no-program"


def test_a_program_that_is_no_tpm_does_not_answer(tmp_path):
    program = tmp_path / "swtpm"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(UnavailableError, match="^TPM: the socket does not answer"):
        collector(str(tmp_path)).collect(binding=BINDING)


def test_a_software_tpm_says_of_itself_that_it_proves_nothing(item):
    assert KIND.about.proves == ("Nothing: whoever runs the machine holds the key of this TPM.",)
    assert not KIND.recognises(item.report)
    assert KIND.collateral_requests(item) == ()
    assert KIND.intake(item.report, ()) == item
