# SPDX-License-Identifier: Apache-2.0
"""A run on a machine with GPUs, from the driver's answers up to the broker's appraisal."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.collateral import CollateralCache
from cleanroom.attestation.completing import complete
from cleanroom.attestation.evidence import EvidenceItem, parse_evidence
from cleanroom.attestation.facts import SnpFacts
from cleanroom.attestation.platforms.nvidia_gpu.collect import NvidiaCollector
from cleanroom.attestation.platforms.nvidia_gpu.kind import KINDS
from cleanroom.attestation.platforms.sev_snp import KINDS as SNP_KINDS
from cleanroom.attestation.platforms.sev_snp.intake import requests_of, sort_collateral
from cleanroom.attestation.platforms.sev_snp.verify import SnpVerifier
from cleanroom.attestation.platforms.simulated import KINDS as SIMULATED
from cleanroom.attestation.runtime_data import parse_runtime_data
from cleanroom.attestation.trust import TrustStore
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.contract.agreement import agree
from cleanroom.contract.approved_run import approve_run
from cleanroom.contract.attestation_terms import Required, Waived
from cleanroom.errors import EvidenceRefusedError, UnavailableError
from cleanroom.kernel.clock import system_clock
from cleanroom.kernel.digest import Digest
from cleanroom.runner.attest import attest, measure_this_runner
from cleanroom.runner.keys import new_run_keys
from cleanroom.runner.machine import Machine, this_machine
from tests.support import snp_forge
from tests.support.attested_machines import ANY, CRL, DAY, GPU_CLAUSE, SNP, SNP_CLAUSE
from tests.support.attested_runs import make_profile
from tests.support.nvidia_forge import (
    all_answers,
    device_chain,
    driver_rim,
    make_verifier,
    rim_chain,
    vbios_rim,
)
from tests.support.nvml_fake import Driver
from tests.support.platforms import LaxVerifier, carried
from tests.support.room_documents import NOW, build_room
from tests.support.test_pki import AT

GPU = KINDS[0]
ANSWERS = all_answers((device_chain(), rim_chain()))
# A processor that needs nothing beside its report.
PLAIN = replace(SIMULATED[0], collateral_requests=lambda _: ())
CLAUSE = replace(
    GPU_CLAUSE,
    serials=ANY,
    driver_rims=frozenset({Digest.of(driver_rim())}),
    vbios_rims=frozenset({Digest.of(vbios_rim())}),
    revocation=Required(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """A platform that stands in for SEV-SNP, and notes whether it was asked."""

    asked: list[bytes]
    platform: str = "snp"

    def missing(self):
        return ()

    def collect(self, *, binding):
        self.asked.append(binding)
        return EvidenceItem(platform="snp", report=b"report", collateral={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A broker that gives a nonce."""

    party: str

    def challenge(self, request):
        assert request.run
        return SimpleNamespace(party=self.party, nonce=self.party.encode().ljust(32))


def profile_of(*clauses):
    return make_profile(
        platforms=frozenset({"snp"}),
        measurements=frozenset({measure_this_runner()}),
        clauses=(SNP_CLAUSE, *clauses),
        max_collateral_age=30 * DAY,
    )


def machine_with(driver, directory, *, asked=None, clock=None):
    processor = Processor(asked=[] if asked is None else asked)
    return Machine(
        collectors=lambda _profile, _events: (processor,),
        load=lambda: driver,
        kinds={"snp": PLAIN, GPU.name: GPU},
        kept=CollateralCache(directory=directory),
        clock=system_clock if clock is None else lambda: clock,
    )


def fetched(driver, directory, *, without=()):
    """Keep what an operator's fetch would have: manifests, and answers for all certificates."""
    cache = CollateralCache(directory=directory)
    item = NvidiaCollector(load=lambda: driver, index=0).collect(binding=bytes(64))
    documents = {"driver-rim": driver_rim(), "vbios-rim": vbios_rim()} | ANSWERS

    def answers(requests):
        for request in requests:
            cache.store(request, documents[request.name])
            if request.name in without:
                cache.path_of(request).unlink()
        return cache.load(requests)

    complete(GPU, item, answers)
    return directory


def attested(profile, machine):
    room = build_room(contract={"attestation": profile})
    approved = approve_run(agree(room.bundle.agreement, trust=room.pins), room.bundle, at=NOW)
    keys = new_run_keys()
    brokers = {name: Asked(party=name) for name in ("hospital", "insurer")}
    return attest(approved, keys=keys, brokers=brokers, machine=lambda: machine, at=NOW)


def appraised(run, profile):
    binding = bind64(run.runtime.raw)
    claims = {
        "carried": carried(binding),
        "facts": (SNP,),
        "issued_at": AT,
        "runner": measure_this_runner(),
        "collateral": (replace(CRL, issued_at=AT - DAY, expires_at=AT + DAY),),
    }
    processor = LaxVerifier(platform="snp", confidential=True, claims=claims, facts=(SnpFacts,))
    trust = TrustStore(verifiers=(processor,), devices=(make_verifier(),))
    evidence = parse_evidence(run.evidence_bytes)
    found = verify_evidence(evidence, binding=binding, at=AT, trust=trust)
    runtime = parse_runtime_data(run.runtime.raw)
    return appraise(found, profile=profile, runtime=runtime, at=AT)


def test_a_run_names_its_gpus_and_each_proves_itself_to_the_broker(tmp_path):
    asked, driver = [], Driver()
    profile = profile_of(CLAUSE)
    run = attested(profile, machine_with(driver, fetched(driver, tmp_path), asked=asked))
    assert len(run.runtime.gpus) == len(run.evidence.devices) == 1
    assert asked == [bind64(run.runtime.raw)]
    result = appraised(run, profile)
    assert result.to_ear()["submods"]["gpu0"]["ear.status"] == "affirming"
    assert result.banner.count("WAIVED") == 0
    assert driver.open == 0


def test_a_broker_counts_the_gpus_that_prove_themselves(tmp_path):
    driver = Driver()
    profile = profile_of(replace(CLAUSE, count=2))
    run = attested(profile, machine_with(driver, fetched(driver, tmp_path)))
    with pytest.raises(EvidenceRefusedError, match="^gpu count: found 1, agreed 2"):
        appraised(run, profile)


def test_a_waived_check_of_revocation_needs_no_answers(tmp_path):
    driver = Driver()
    profile = profile_of(replace(CLAUSE, revocation=Waived(reason="nobody can ask")))
    kept = fetched(driver, tmp_path, without={f"ocsp-{number}" for number in range(9)})
    run = attested(profile, machine_with(driver, kept))
    assert appraised(run, profile).banner.count("WAIVED") == 1


@pytest.mark.parametrize(
    ("without", "words"),
    [
        (("driver-rim",), "driver-rim not in"),
        # The one that only shows once a manifest is there.
        (("ocsp-4",), "ocsp-4 not in"),
        (("ocsp-0", "vbios-rim"), "vbios-rim, ocsp-0 not in"),
    ],
)
def test_what_the_contract_needs_and_nobody_fetched_ends_the_run_by_name(without, words, tmp_path):
    driver, asked = Driver(), []
    machine = machine_with(driver, fetched(driver, tmp_path, without=without), asked=asked)
    with pytest.raises(UnavailableError, match=f"^nvidia-gpu collateral: {words}"):
        attested(profile_of(CLAUSE), machine)
    assert asked == []


def test_answers_that_lie_there_for_too_long_end_the_run(tmp_path):
    driver = Driver()
    later = system_clock() + 31 * DAY
    machine = machine_with(driver, fetched(driver, tmp_path), clock=later)
    with pytest.raises(UnavailableError, match=r"^nvidia-gpu collateral: ocsp-0 was fetched 20"):
        attested(profile_of(CLAUSE), machine)
    # Manifests are named by their bytes, and a chip's certificate never changes.
    soon = system_clock() + 29 * DAY
    assert attested(profile_of(CLAUSE), machine_with(driver, tmp_path, clock=soon)).evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Epyc:
    """A SEV-SNP guest whose host hands over no certificates."""

    platform: str = "snp"

    def missing(self):
        return ()

    def collect(self, *, binding):
        report = snp_forge.make_report(report_data=binding)
        return EvidenceItem(platform="snp", report=report, collateral={})


def snp_intake(report, files):
    kept = sort_collateral(
        [*files, snp_forge.make_collateral()["chain"]], pins=snp_forge.all_pins()
    )
    return EvidenceItem(platform="snp", report=report, collateral=kept)


def epyc(directory):
    return Machine(
        collectors=lambda _profile, _events: (Epyc(),),
        load=Driver,
        kinds={"snp": replace(SNP_KINDS[0], intake=snp_intake)},
        kept=CollateralCache(directory=directory),
        clock=system_clock,
    )


def test_a_processors_certificate_and_list_come_from_what_the_operator_fetched(tmp_path):
    machine, profile = epyc(tmp_path), profile_of()
    with pytest.raises(UnavailableError, match=r"^snp collateral: crl, vek not in .* agreed"):
        attested(profile, machine)
    documents = {"crl": snp_forge.make_crl(), "vek": snp_forge.make_collateral()["vek"]}
    bare = Epyc().collect(binding=bytes(64))
    for request in requests_of(bare):
        machine.kept.store(request, documents[request.name])
    run = attested(profile, machine)
    claims = SnpVerifier(pins=snp_forge.all_pins()).verify(run.evidence, at=AT)
    assert [fact.name for fact in claims.collateral] == ["amd-crl"]


def test_a_contract_without_gpus_asks_no_driver(tmp_path):
    profile = profile_of()
    run = attested(profile, machine_with(Driver(fails=("init",)), tmp_path))
    assert run.runtime.gpus == run.evidence.devices == ()
    assert appraised(run, profile)


@pytest.mark.parametrize("step", ["init", "certificate", "report", "state"])
def test_a_gpu_that_does_not_answer_ends_the_run_before_the_platform_is_asked(step, tmp_path):
    asked = []
    machine = machine_with(Driver(fails=(step,)), tmp_path, asked=asked)
    with pytest.raises(UnavailableError, match="^nvidia-gpu:"):
        attested(profile_of(CLAUSE), machine)
    assert asked == []


def test_a_gpu_in_developer_mode_is_named_as_what_the_machine_lacks(tmp_path):
    with pytest.raises(UnavailableError, match="this machine lacks .*developer mode"):
        attested(profile_of(CLAUSE), machine_with(Driver(devToolsMode=1), tmp_path))


def test_this_machine_asks_the_platforms_that_it_knows():
    names = {item.platform for item in this_machine().collectors(profile_of(), ())}
    assert {"snp", "tdx", "nitro", "tpm"} <= names
