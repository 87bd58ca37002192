# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import subprocess
import sys

import pytest

from cleanroom.attestation import late, registry
from cleanroom.attestation.binding import Channel
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.simulated.root import ROOT_PIN
from cleanroom.attestation.platforms.simulated.verify import SimulatedVerifier
from cleanroom.attestation.trust import DEFAULT_TRUST, TrustStore, trust_for
from cleanroom.contract.attestation_terms import TrustedKeySet
from cleanroom.contract.contract import STAND_ALONE
from cleanroom.errors import EvidenceRefusedError, MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.attested_runs import NOW, make_profile
from tests.support.platforms import LaxVerifier

REAL = LaxVerifier(platform="sev-snp", confidential=True)
OTHER = LaxVerifier(platform="tdx", confidential=True)
GPU = LaxVerifier(platform="nvidia-gpu", confidential=True)


def test_the_default_store_believes_no_simulated_platform():
    assert "simulated" not in DEFAULT_TRUST.platforms
    assert all(verifier.confidential for verifier in DEFAULT_TRUST.verifiers)


def test_simulation_is_believed_where_a_profile_names_it_alone():
    trust = trust_for(make_profile())
    assert trust.verifiers == (SimulatedVerifier(root=ROOT_PIN),)


def test_simulation_beside_a_real_platform_is_refused():
    with pytest.raises(EvidenceRefusedError, match="^platform: found simulated beside") as refused:
        trust_for(make_profile(platforms=frozenset({"simulated", "sev-snp"})))
    assert refused.value.code == "attestation.simulated-mixed"


def test_a_simulated_verifier_put_into_the_store_is_not_handed_on_to_a_real_profile():
    store = TrustStore(verifiers=(REAL, SimulatedVerifier(root=Digest.of(b"mine"))), devices=())
    trust = trust_for(make_profile(platforms=frozenset({"sev-snp"})), store=store)
    assert trust.verifiers == (REAL,)


def test_a_simulated_profile_uses_the_pinned_root_whatever_the_store_holds():
    store = TrustStore(verifiers=(SimulatedVerifier(root=Digest.of(b"mine")),), devices=(GPU,))
    trust = trust_for(make_profile(), store=store)
    assert trust.verifiers == (SimulatedVerifier(root=ROOT_PIN),)
    assert trust.devices == ()


def test_a_store_is_narrowed_to_the_platforms_of_the_profile():
    store = TrustStore(verifiers=(REAL, OTHER), devices=(GPU,))
    trust = trust_for(make_profile(platforms=frozenset({"tdx"})), store=store)
    assert trust.platforms == {"tdx"}
    assert trust.device_verifier_for("nvidia-gpu") is GPU


def test_an_empty_profile_leaves_nobody_to_believe():
    trust = trust_for(
        make_profile(platforms=frozenset()), store=TrustStore(verifiers=(REAL,), devices=())
    )
    with pytest.raises(EvidenceRefusedError, match="^platform: found sev-snp, agreed none"):
        trust.verifier_for("sev-snp")


def test_the_verifier_of_a_platform_is_found_by_its_exact_name():
    store = TrustStore(verifiers=(REAL, OTHER), devices=(GPU,))
    assert store.verifier_for("tdx") is OTHER
    with pytest.raises(EvidenceRefusedError, match="agreed sev-snp, tdx") as refused:
        store.verifier_for("td")
    assert refused.value.code == "attestation.platform"


@pytest.mark.parametrize("kind", registry.all_kinds(), ids=lambda kind: kind.name)
def test_every_kind_says_in_plain_words_what_it_is_and_what_it_binds(kind):
    assert kind.about.title
    assert kind.about.proves
    assert kind.about.does_not_prove
    assert Channel.FREE not in kind.verifier.carriers.values()
    # A stranger's enclave may well be confidential; it is no runner of ours for all that.
    if kind not in registry.FOREIGN:
        assert kind.verifier.confidential is (kind in registry.PLATFORMS + registry.DEVICES)


def test_no_kind_has_two_standings():
    names = [kind.name for kind in registry.all_kinds()]
    assert len(set(names)) == len(names)


def test_what_protects_nothing_is_known_to_the_contract_as_such():
    assert {kind.name for kind in registry.STAND_ALONE} <= STAND_ALONE
    assert not {kind.name for kind in registry.PLATFORMS} & STAND_ALONE


@pytest.mark.parametrize("name", ["PLATFORMS", "DEVICES", "STAND_ALONE"])
def test_what_is_imported_late_is_what_the_registry_has(name):
    eager = {kind.name: kind.verifier for kind in getattr(registry, name)}
    eager.pop("simulated", None)
    later = {verifier.platform: verifier for verifier in getattr(late, name)}
    assert later.keys() == eager.keys()
    for platform, verifier in later.items():
        assert verifier.loaded() is eager[platform]
        assert verifier.confidential is eager[platform].confidential
        assert verifier.carriers == eager[platform].carriers
        assert verifier.facts == eager[platform].facts
        assert verifier.nonce_place == eager[platform].nonce_place


def test_a_late_verifier_refuses_as_its_kind_does():
    item = EvidenceItem(platform="snp", report=b"", collateral={})
    with pytest.raises(MalformedError, match="^snp"):
        DEFAULT_TRUST.verifier_for("snp").verify(item, at=NOW)


def test_believing_imports_no_platform_but_the_simulated_one():
    code = (
        "import sys, cleanroom.attestation.trust;"
        "print([name for name in sys.modules if name.count('.') == 3"
        " and name.startswith('cleanroom.attestation.platforms.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['cleanroom.attestation.platforms.simulated']"


def test_key_sets_of_a_contract_are_believed_there_and_by_token_kinds_alone():
    vouched = TrustedKeySet(
        issuer="https://issuer.example",
        digest=Digest.of(b"keys"),
        fetched_at=NOW,
        max_age=dt.timedelta(days=1),
    )
    profile = make_profile(platforms=frozenset({"gcp-cs-jwt", "snp"}), key_sets=(vouched,))
    trust = trust_for(profile)
    assert trust.verifier_for("gcp-cs-jwt").loaded().key_sets == (vouched,)
    eager = {kind.name: kind.verifier for kind in registry.PLATFORMS}
    assert trust.verifier_for("snp").loaded() is eager["snp"]
    assert DEFAULT_TRUST.verifier_for("gcp-cs-jwt").loaded() is eager["gcp-cs-jwt"]
    # A verifier of no tokens has nobody to vouch for.
    plain = trust_for(
        make_profile(platforms=frozenset({"sev-snp"}), key_sets=(vouched,)),
        store=TrustStore(verifiers=(REAL,), devices=()),
    )
    assert plain.verifier_for("sev-snp") is REAL
