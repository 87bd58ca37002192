# SPDX-License-Identifier: Apache-2.0
"""An operator shows tokens of cloud services, and brings the keys that signed them (T-04)."""

from base64 import b64encode
from dataclasses import replace

import pytest

from cleanroom.attestation import late
from cleanroom.attestation.appraisal import appraise
from cleanroom.attestation.binding import Channel, bind64, expected_in
from cleanroom.attestation.evidence import Evidence, EvidenceItem
from cleanroom.attestation.result import Status
from cleanroom.attestation.trust import trust_for
from cleanroom.attestation.verifier import verify_evidence
from cleanroom.contract.attestation_profile import parse_profile
from cleanroom.contract.attestation_render import render_profile
from cleanroom.contract.attestation_terms import NoCollateral, TrustedKeySet
from cleanroom.errors import EvidenceRefusedError, IntegrityError
from cleanroom.kernel.digest import Digest
from tests.support.attested_machines import ANY, DAY, MAA_CLAUSE, WORKLOAD_CLAUSE
from tests.support.attested_runs import make_profile, make_runtime
from tests.support.test_pki import AT, rsa_key
from tests.support.token_forge import (
    CS_ISSUER,
    MAA_ISSUER,
    cs_claims,
    jwk,
    key_set,
    maa_claims,
    rsa_set,
    sign_token,
    signing_rsa,
)

THREATS = ("T-04",)
RUNTIME = make_runtime()
NONCE = expected_in(Channel.TOKEN, bind64(RUNTIME.raw))
AGE = 30 * DAY
WORKLOAD = replace(
    WORKLOAD_CLAUSE,
    images=frozenset({Digest.parse("sha256:" + "ab" * 32)}),
    arguments=frozenset({"/runner"}),
    environment=frozenset({"PATH=/bin"}),
    projects=frozenset({"project"}),
    service_accounts=frozenset({"a@project.iam"}),
)
MAA = replace(
    MAA_CLAUSE,
    compliance=ANY,
    launch=frozenset({b"\xab" * 48}),
    host_data=frozenset({bytes(32)}),
    minimum_tcb={"bootloader": 3, "tee": 0, "snp": 8, "microcode": 115},
)


def vouched(issuer, document=None, *, fetched_at=AT):
    digest = Digest.of(rsa_set() if document is None else document)
    return TrustedKeySet(issuer=issuer, digest=digest, fetched_at=fetched_at, max_age=AGE)


def profile_of(platform, clause, *key_sets, age=AGE):
    """Make a profile the way that parties do: written, signed elsewhere, and read again."""
    profile = make_profile(
        platforms=frozenset({platform}),
        clauses=(clause,),
        key_sets=key_sets,
        max_collateral_age=age,
    )
    assert parse_profile(render_profile(profile), what="profile.toml") == profile
    return profile


GOOGLE = profile_of("gcp-cs-jwt", WORKLOAD, vouched(CS_ISSUER))
AZURE = profile_of("maa-jwt", MAA, vouched(MAA_ISSUER))


def google(document=None, *, key=None, **changes):
    claims = cs_claims(eat_nonce=NONCE.decode()) | changes
    return token("gcp-cs-jwt", claims, document, key=key)


def azure(document=None, *, key=None, **changes):
    """Write a token of the direct interface: the hardware's claims stand at the top."""
    given = maa_claims()
    claims = given.pop("x-ms-isolation-tee") | {
        name: value for name, value in given.items() if not name.startswith(("x-ms-att", "secure"))
    }
    claims["x-ms-runtime"] = {"client-payload": {"nonce": expected_nonce()}}
    return token("maa-jwt", claims | changes, document, key=key)


def expected_nonce():
    return b64encode(NONCE).decode()


def token(platform, claims, document, *, key):
    return Evidence.of(
        EvidenceItem(
            platform=platform,
            report=sign_token(claims, key or signing_rsa()),
            collateral={"key-set": rsa_set() if document is None else document},
        )
    )


def judge(evidence, profile, *, at=AT):
    claims = verify_evidence(evidence, binding=bind64(RUNTIME.raw), at=at, trust=trust_for(profile))
    return appraise(claims, profile=profile, runtime=RUNTIME, at=at)


@pytest.mark.parametrize(("evidence", "profile"), [(google(), GOOGLE), (azure(), AZURE)])
def test_a_token_under_keys_that_every_party_vouched_for_is_affirmed(evidence, profile):
    result = judge(evidence, profile)
    assert (result.status, result.banner) == (Status.AFFIRMING, "")


@pytest.mark.parametrize(
    ("make", "profile"), [(google, GOOGLE), (azure, AZURE)], ids=["google", "azure"]
)
def test_keys_that_come_with_the_token_are_not_believed_for_coming(make, profile):
    own = rsa_key("operator")
    document = key_set(jwk(own))
    with pytest.raises(IntegrityError, match="key set: found sha256:.*, agreed sha256:") as refused:
        judge(make(document, key=own), profile)
    assert refused.value.code == "token.key-set"
    # The vouched set beside a signature of another key.
    with pytest.raises(IntegrityError):
        judge(make(key=own), profile)


def test_without_a_key_set_in_the_contract_nobodys_keys_count():
    bare = make_profile(platforms=frozenset({"gcp-cs-jwt"}), clauses=(WORKLOAD,))
    assert isinstance(bare.max_collateral_age, NoCollateral)
    with pytest.raises(IntegrityError, match="key set: found sha256:.*, agreed none"):
        judge(google(), bare)


def test_one_services_keys_speak_for_no_other():
    swapped = replace(GOOGLE, key_sets=(vouched(MAA_ISSUER),))
    with pytest.raises(EvidenceRefusedError, match="key set: found one of https://sharedtest"):
        judge(google(), swapped)


def test_keys_count_for_as_long_as_the_parties_signed():
    old = vouched(CS_ISSUER, fetched_at=AT - AGE - DAY)
    with pytest.raises(EvidenceRefusedError, match="agreed within 2592000 seconds"):
        judge(google(), replace(GOOGLE, key_sets=(old,)))
    judge(google(), replace(GOOGLE, key_sets=(vouched(CS_ISSUER, fetched_at=AT - AGE + DAY),)))


@pytest.mark.parametrize(
    ("evidence", "profile", "match"),
    [
        (google(eat_nonce="another"), GOOGLE, "binding"),
        (google(dbgstat="enabled"), GOOGLE, "debug: found on"),
        (google(hwmodel="GCP_SHIELDED_VM"), GOOGLE, "workload hardware"),
        (google(aud="someone-else"), GOOGLE, "workload audience"),
        (google(secboot=False), GOOGLE, "workload secure boot"),
        (azure(**{"x-ms-runtime": {}}), AZURE, "binding"),
        (azure(**{"x-ms-sevsnpvm-is-debuggable": True}), AZURE, "debug: found on"),
        (azure(**{"x-ms-sevsnpvm-launchmeasurement": "00" * 48}), AZURE, "maa launch"),
        (azure(**{"x-ms-sevsnpvm-microcode-svn": 1}), AZURE, "maa tcb microcode"),
    ],
)
def test_a_genuine_token_of_what_nobody_agreed_to_is_refused(evidence, profile, match):
    with pytest.raises(EvidenceRefusedError, match=f"{match}"):
        judge(evidence, profile)


def test_guest_attestation_measures_no_code_and_gets_no_key():
    nonce = {"client-payload": {"nonce": expected_nonce()}}
    evidence = token("maa-jwt", maa_claims(**{"x-ms-runtime": nonce}), None, key=None)
    with pytest.raises(EvidenceRefusedError, match="^maa interface: found guest attestation"):
        judge(evidence, AZURE)


def test_two_argument_lists_are_never_one_line():
    joined = cs_claims(**{"container/args": ["/runner --safe"]})
    clause = replace(WORKLOAD, arguments=frozenset({"/runner --safe"}))
    profile = profile_of("gcp-cs-jwt", clause, vouched(CS_ISSUER))
    apart = cs_claims(**{"container/args": ["/runner", "--safe"]})
    for claims, accepted in ((apart, True), (joined, False)):
        evidence = token("gcp-cs-jwt", claims | {"eat_nonce": NONCE.decode()}, None, key=None)
        if accepted:
            assert judge(evidence, profile).status is Status.AFFIRMING
            continue
        with pytest.raises(EvidenceRefusedError, match="^workload arguments"):
            judge(evidence, profile)


def test_keys_are_vouched_for_in_this_contract_alone():
    judge(google(), GOOGLE)
    (verifier,) = [item for item in late.PLATFORMS if item.platform == "gcp-cs-jwt"]
    assert verifier.key_sets == ()
    with pytest.raises(IntegrityError, match="agreed none"):
        judge(google(), replace(GOOGLE, key_sets=()))
