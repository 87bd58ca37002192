# SPDX-License-Identifier: Apache-2.0
import datetime as dt
from dataclasses import replace

import pytest

from cleanroom.attestation.facts import TdxFacts
from cleanroom.attestation.foreign_facts import SgxFacts
from cleanroom.attestation.platforms.tdx.claims import domain_of, enclave_of
from cleanroom.attestation.platforms.tdx.pck import platform_of
from cleanroom.attestation.platforms.tdx.verify import (
    SGX_VERIFIER,
    TDX_VERIFIER,
    SgxVerifier,
    TdxVerifier,
    verify_quote,
)
from cleanroom.attestation.verifier import require_declared
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support import test_pki
from tests.support.dcap_extended import extended
from tests.support.dcap_forge import (
    AT,
    FMSPC,
    PPID,
    REPORT_DATA,
    SGX,
    TDX,
    Wrong,
    certificate,
    domain,
    enclave,
    intel,
    make_item,
    make_pck,
    make_quote,
    sgx_extension,
)
from tests.support.der_writer import identifier, integer, octets, sequence

OURS = TdxVerifier(pins=intel().pins)
ENCLAVES = SgxVerifier(pins=intel().pins)
GOOD = make_item()
DAY = dt.timedelta(days=1)


def verify(item=GOOD, *, at=AT, **wrong):
    report = make_quote(wrong=Wrong(**wrong)) if wrong else item.report
    return OURS.verify(replace(item, report=report), at=at)


@pytest.mark.parametrize(("version", "tdx"), [(4, 10), (5, 10), (5, 15)])
def test_a_genuine_quote_of_a_domain_claims_what_it_says(version, tdx):
    claims = OURS.verify(make_item(TDX, version, tdx=tdx), at=AT)
    require_declared(OURS, claims)
    (facts,) = claims.facts
    assert isinstance(facts, TdxFacts)
    assert (facts.tcb_status, facts.advisories) == ("UpToDate", frozenset())
    assert (facts.fmspc, facts.ppid) == (FMSPC, PPID)
    assert (facts.mrtd, facts.rtmrs[3], facts.mrconfigid) == (b"T" * 48, b"3" * 48, b"C" * 48)
    assert (facts.mrowner, facts.mrownerconfig) == (b"O" * 48, b"o" * 48)
    assert (facts.mrseam, facts.mrsignerseam, facts.mrservicetd) == (
        b"S" * 48,
        bytes(48),
        bytes(48),
    )
    assert (facts.attributes, facts.xfam, facts.seam_attributes) == (1 << 28, 0xE7, 0)
    assert (claims.debug, claims.carried[0].found) == (False, REPORT_DATA)
    assert [item.name for item in claims.collateral] == [
        "root-crl",
        "pck-crl",
        "tcb-info",
        "qe-identity",
    ]


def test_a_genuine_quote_of_an_enclave_claims_what_it_says():
    claims = ENCLAVES.verify(make_item(SGX, 3), at=AT)
    require_declared(ENCLAVES, claims)
    (facts,) = claims.facts
    assert isinstance(facts, SgxFacts)
    assert (facts.mrenclave, facts.mrsigner) == (b"E" * 32, b"s" * 32)
    assert (facts.product_id, facts.svn, facts.tcb_status) == (3, 4, "UpToDate")


def test_the_two_kinds_do_not_pass_for_each_other():
    with pytest.raises(MalformedError, match="^dcap quote: found an SGX quote against a TDX"):
        OURS.verify(make_item(SGX, 3), at=AT)
    with pytest.raises(MalformedError, match="^dcap quote: found a TDX quote against an SGX"):
        ENCLAVES.verify(GOOD, at=AT)
    quote = verify_quote(GOOD.report, {}, tee=TDX, pins=intel().pins, at=AT)
    with pytest.raises(MalformedError, match="^dcap quote: found a domain"):
        enclave_of(quote)
    quote = verify_quote(make_quote(SGX, 3), {}, tee=SGX, pins=intel().pins, at=AT)
    with pytest.raises(MalformedError, match="^dcap quote: found an enclave"):
        domain_of(quote)


@pytest.mark.parametrize("verifier", [TDX_VERIFIER, SGX_VERIFIER])
def test_intels_own_verifiers_pin_intel(verifier):
    item = make_item() if verifier is TDX_VERIFIER else make_item(SGX, 3)
    assert verifier.nonce_place in verifier.carriers
    assert verifier.confidential
    with pytest.raises(IntegrityError, match="^intel root: found sha256:.*agreed sha256:44a0196b"):
        verifier.verify(item, at=AT)


def test_debug_is_claimed_for_the_appraisal_to_refuse():
    assert OURS.verify(
        replace(GOOD, collateral={}, report=make_quote(wrong=Wrong(body=domain(attributes=1)))),
        at=AT,
    ).debug


def test_without_collateral_the_level_is_unappraised_and_said_so():
    claims = OURS.verify(replace(GOOD, collateral={}), at=AT)
    assert claims.facts[0].tcb_status == "Unappraised"
    assert claims.collateral == ()
    assert "revocation and TCB level unknown" in str(claims.checks)


def test_padding_behind_a_quote_is_not_read():
    assert verify(replace(GOOD, report=GOOD.report + b"x" * 39)).facts == verify().facts


STRANGER = intel("stranger")
OTHER_ROOT = make_pck(owner="stranger").pem + STRANGER.middle.pem + STRANGER.root.pem
NOT_A_CA = certificate("no authority", issuer=intel().root, ca=False)
RSA_LEAF = certificate("RSA", issuer=intel().middle, ca=False, key=test_pki.rsa_key("snp ark"))
ROOT, MIDDLE = intel().root.pem, intel().middle.pem
OFF_CURVE = b"\x01" * 64
REFUSALS = {
    "vendor": (
        {"header": {"vendor": b"v" * 16}},
        IntegrityError,
        "dcap quote: another vendor",
        "dcap.vendor",
    ),
    "other-root": ({"chain": OTHER_ROOT}, IntegrityError, "intel root: found", "digest.mismatch"),
    "pinned-root-behind-other-chain": (
        {"chain": make_pck(owner="stranger").pem + STRANGER.middle.pem + ROOT},
        IntegrityError,
        "pck chain: a certificate that its issuer did not sign",
        "",
    ),
    "chain-of-two": ({"chain": make_pck().pem + ROOT}, MalformedError, "pck chain: found 2", ""),
    "chain-not-pem": ({"chain": b"nothing"}, MalformedError, "pck chain: not 1 to 8", ""),
    "issuer-no-authority": (
        {"chain": make_pck(issuer=NOT_A_CA).pem + NOT_A_CA.pem + ROOT},
        EvidenceRefusedError,
        "pck chain: found an issuer that may not sign",
        "",
    ),
    "leaf-expired": (
        {"pck": make_pck(not_after=AT - DAY)},
        EvidenceRefusedError,
        "pck chain: judged at",
        "attestation.certificate-time",
    ),
    "leaf-not-yet": (
        {"pck": make_pck(not_before=AT + DAY)},
        EvidenceRefusedError,
        "pck chain: judged at",
        "attestation.certificate-time",
    ),
    "leaf-rsa": (
        {"chain": RSA_LEAF.pem + MIDDLE + ROOT},
        IntegrityError,
        "pck certificate: its key is not P-256",
        "dcap.pck-key",
    ),
    "leaf-p384": (
        {
            "chain": certificate(
                "P-384", issuer=intel().middle, ca=False, key=test_pki.ec_key("big")
            ).pem
            + MIDDLE
            + ROOT
        },
        IntegrityError,
        "pck certificate: its key is not P-256",
        "dcap.pck-key",
    ),
    "qe-report-of-other-platform": (
        {
            "chain": make_pck(key=test_pki.ec_key("dcap other", test_pki.ec.SECP256R1)).pem
            + MIDDLE
            + ROOT
        },
        IntegrityError,
        "dcap qe report: the signature does not match",
        "attestation.signature",
    ),
    "qe-of-anybody": (
        {"enclave": {"mrsigner": b"a" * 32}},
        IntegrityError,
        "dcap qe: found signer 6161",
        "dcap.qe-signer",
    ),
    "qe-of-the-other-kind": (
        {"enclave": {"mrsigner": intel().pins.sgx_signer}},
        IntegrityError,
        "dcap qe: found signer 8c4f57",
        "dcap.qe-signer",
    ),
    "qe-debug": (
        {"enclave": {"flags": 0x17}},
        IntegrityError,
        "dcap qe: found debug on, agreed off",
        "dcap.qe-debug",
    ),
    "other-attestation-key": (
        {"enclave": {"report_data": bytes(64)}},
        IntegrityError,
        "dcap qe report: made for another attestation key",
        "dcap.attestation-key",
    ),
    "attestation-key-in-half": (
        {"enclave": {"report_data": b"x" * 64}},
        IntegrityError,
        "dcap qe report: made for another attestation key",
        "dcap.attestation-key",
    ),
    "signed-by-another": (
        {"attestation": "another"},
        IntegrityError,
        "dcap quote: the signature does not match",
        "attestation.signature",
    ),
    "no-extension": (
        {"pck": make_pck(extension=b"")},
        MalformedError,
        "pck certificate: without Intel's extension",
        "dcap.pck-extension",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_one_wrong_thing_is_refused_for_its_own_reason(name):
    wrong, error, match, code = REFUSALS[name]
    with pytest.raises(error, match=f"^{match}") as caught:
        verify(**wrong)
    assert type(caught.value) is error
    assert not code or caught.value.code == code


def test_an_attestation_key_that_is_no_point_is_refused():
    import hashlib  # noqa: PLC0415

    digest = hashlib.sha256(OFF_CURVE + bytes(range(32))).digest()
    quote = make_quote(wrong=Wrong(enclave={"report_data": digest + bytes(32)}))
    start = quote.index(b"-----BEGIN") - 4 - 2 - 32 - 2 - 64 - 384 - 6 - 64
    with pytest.raises(IntegrityError, match="^dcap quote: an attestation key that is no point"):
        verify(replace(GOOD, report=quote[:start] + OFF_CURVE + quote[start + 64 :]))


@pytest.mark.parametrize(
    ("extension", "match"),
    [
        (sgx_extension(x1=b""), "no value 1.2.840.113741.1.13.1.1 of 16 bytes"),
        (sgx_extension(x2=b""), "no version 1.2.840.113741.1.13.1.2.1"),
        (
            sgx_extension(
                x2=sequence(sequence(identifier("1.2.840.113741.1.13.1.2.1"), integer(1 << 40)))
            ),
            "no version 1.2.840.113741.1.13.1.2.1",
        ),
        (sgx_extension(x4=octets(b"12345")), "no value 1.2.840.113741.1.13.1.4 of 6 bytes"),
        (sequence(integer(1)), "ends inside a value"),
        (sequence(sequence(integer(1))), "not a list of pairs"),
        (sequence(sequence(integer(1), integer(1))), "not a list of pairs"),
        (sequence(*[sequence(identifier("1.2.3"), octets(b""))] * 2), "the same value twice"),
        (octets(b""), "has tag 0x04"),
    ],
)
def test_an_extension_out_of_form_is_refused(extension, match):
    with pytest.raises(MalformedError, match=f"^pck certificate: {match}"):
        platform_of(make_pck(extension=extension).certificate)


def test_an_unknown_item_of_collateral_is_refused():
    with pytest.raises(MalformedError, match="^dcap evidence: found collateral of .* agreed dcap$"):
        OURS.verify(replace(GOOD, collateral={**GOOD.collateral, "vek": b""}), at=AT)


def test_a_byte_of_what_is_signed_never_flips_unseen():
    end = GOOD.report.index(b"-----BEGIN")
    for offset in (*range(0, end, 13), *range(end, len(GOOD.report), 71)):
        flip_is_refused(offset)


@pytest.mark.slow
def test_no_single_byte_ever_flips_unseen():
    for offset in range(len(GOOD.report)):
        flip_is_refused(offset)


def flip_is_refused(offset):
    flipped = bytearray(GOOD.report)
    flipped[offset] ^= 0x01
    # The header's reserved and user bytes are signed too.
    with pytest.raises((MalformedError, IntegrityError, EvidenceRefusedError)):
        OURS.verify(replace(GOOD, report=bytes(flipped), collateral={}), at=AT)


@pytest.mark.parametrize(
    ("attributes", "code", "found"),
    [
        (1 << 0, "attestation.debug", "debug or profiling"),
        (1 << 4, "attestation.debug", "debug or profiling"),
        (1 << 29, "dcap.migratable", "a guest that may be moved"),
        (1 << 17 | 1 << 28, "dcap.rebindable", "service domains that may be exchanged"),
        (1 << 23, "dcap.attributes", "unknown ones, 0x800000"),
    ],
)
def test_a_domain_that_its_host_may_open_is_refused_by_name(attributes, code, found):
    quote = make_quote(wrong=Wrong(body=domain(attributes=attributes)))
    match = f"^tdx attributes: found {found}, agreed none"
    with pytest.raises(EvidenceRefusedError, match=match) as refused:
        OURS.verify(replace(GOOD, report=quote), at=AT)
    assert refused.value.code == code


def test_the_longest_body_of_a_domain_is_verified_by_both_and_says_more():
    item = make_item(TDX, 5, wrong=Wrong(body=extended(partition=2)))
    claims = OURS.verify(item, at=AT)
    (facts,) = claims.facts
    assert (facts.tcb_status, facts.partition, facts.rebindable) == ("UpToDate", 2, False)
    assert claims.details["tdx.domain-id"] == "49" * 32
    assert claims.details["tdx.service-now"] == "6e" * 48
    (plain,) = OURS.verify(make_item(TDX, 5, tdx=15), at=AT).facts
    assert plain.partition == 0
    # Without collateral nobody but the contract judges attributes.
    body = extended(attributes=1 << 28 | 1 << 17)
    open_item = make_item(TDX, 5, wrong=Wrong(body=body))
    (alone,) = OURS.verify(replace(open_item, collateral={}), at=AT).facts
    assert alone.rebindable


def test_a_domain_whose_host_may_take_pages_is_refused_by_name():
    quote = make_quote(wrong=Wrong(body=domain(attributes=0)))
    with pytest.raises(EvidenceRefusedError, match="^tdx attributes: found faults") as refused:
        OURS.verify(replace(GOOD, report=quote), at=AT)
    assert refused.value.code == "dcap.closed-pages"


def test_evidence_of_an_enclave_is_verified_by_its_body_alone():
    quote = make_quote(SGX, 3, wrong=Wrong(body=enclave(flags=0x07)))
    assert ENCLAVES.verify(replace(make_item(SGX, 3), report=quote, collateral={}), at=AT).debug


def test_nothing_stands_behind_the_digest_of_the_attestation_key():
    digest = verify_quote(
        GOOD.report, {}, tee=TDX, pins=intel().pins, at=AT
    ).sound.quote.enclave.report_data[:32]
    with pytest.raises(IntegrityError, match="^dcap qe report: made for another attestation key"):
        verify(enclave={"report_data": digest + b"x" * 32})
