# SPDX-License-Identifier: Apache-2.0
import datetime as dt
from dataclasses import replace

import pytest

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.facts import SnpFacts
from cleanroom.attestation.platform import SelfReported, Undated
from cleanroom.attestation.platforms.sev_snp.product import Product
from cleanroom.attestation.platforms.sev_snp.root import Pins
from cleanroom.attestation.platforms.sev_snp.verify import VERIFIER, SnpVerifier
from cleanroom.attestation.verifier import require_declared
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support import snp_forge, test_pki, uvm_forge
from tests.support.snp_forge import (
    AT,
    REPORT_DATA,
    TCB,
    VCEK,
    VLEK,
    all_pins,
    chip_id,
    chip_key,
    make_collateral,
    make_crl,
    make_item,
    make_report,
    make_vek,
    roots,
)

OURS = SnpVerifier(pins=all_pins())
GENOA, MILAN, TURIN = Product.GENOA, Product.MILAN, Product.TURIN
GOOD = make_item()
DAY = dt.timedelta(days=1)


def verify(item=None, *, at=AT, report=None, **collateral):
    item = item or GOOD
    if report is not None:
        item = replace(item, report=report)
    return OURS.verify(replace(item, collateral={**item.collateral, **collateral}), at=at)


@pytest.mark.parametrize("product", Product)
@pytest.mark.parametrize("kind", [VCEK, VLEK])
def test_genuine_evidence_of_every_product_and_key_claims_what_it_says(product, kind):
    claims = verify(make_item(product, kind))
    require_declared(OURS, claims)
    (facts,) = claims.facts
    assert isinstance(facts, SnpFacts)
    assert (facts.product, facts.signing_key) == (product.value, kind.name.lower())
    assert (facts.launch, facts.id_key, facts.author_key) == (b"M" * 48, b"K" * 48, b"A" * 48)
    assert (facts.guest_svn, facts.family_id, facts.image_id) == (7, b"F" * 16, b"I" * 16)
    assert (facts.vmpl, facts.policy, facts.migratable) == (0, 0x3001F, False)
    assert (facts.provisional, facts.alias_checked, facts.platform_info) == (False, True, 0x25)
    assert (facts.chip_id, facts.host_data) == (chip_id(product).ljust(64, b"\0"), b"H" * 32)
    assert sorted(facts.tcb.values()) == sorted(
        TCB[product][index] for index in ((0, 1, 2, 3, 7) if product is TURIN else (0, 1, 6, 7))
    )
    assert (claims.debug, claims.runner, claims.issued_at) == (False, SelfReported(), Undated())
    assert [(item.place, item.channel, item.found) for item in claims.carried] == [
        ("report_data", Channel.REPORT, REPORT_DATA)
    ]


def test_amds_own_verifier_declares_the_same_and_pins_amd():
    assert VERIFIER.platform == OURS.platform == "snp"
    assert VERIFIER.confidential
    assert VERIFIER.nonce_place in VERIFIER.carriers
    with pytest.raises(IntegrityError, match="^snp root: found sha256:.*agreed sha256:4c6598d1"):
        VERIFIER.verify(make_item(), at=AT)


@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"policy": 0x3001F | 1 << 18}, ("migratable", True)),
        ({"current_tcb": b"\xff" * 8}, ("provisional", True)),
        ({"current_build": b"new"}, ("provisional", True)),
        ({"platform_info": 0x05}, ("alias_checked", False)),
        ({"platform_info": 0x67}, ("platform_info", 0x67)),
        ({"vmpl": 3}, ("vmpl", 3)),
    ],
)
def test_what_a_contract_may_forbid_is_a_fact_of_genuine_evidence(changes, fact):
    (facts,) = verify(make_item(**changes)).facts
    assert getattr(facts, fact[0]) == fact[1]


def test_debug_is_claimed_for_the_appraisal_to_refuse():
    assert verify(make_item(policy=0x3001F | 1 << 19)).debug


def test_a_report_before_version_three_takes_its_product_from_the_certificate():
    (facts,) = verify(make_item(MILAN, version=2, cpuid=0)).facts
    assert facts.product == "Milan"


def refusals():
    vek, report = make_vek(), make_report()
    other = make_vek(key=chip_key("other"))
    stranger = roots(GENOA, "stranger")
    yield "other-root", {"chain": stranger.chain()}, IntegrityError, "snp root: found", ""
    yield (
        "other-issuer",
        {"chain": stranger.ask.pem + roots(GENOA).ark.pem},
        IntegrityError,
        "snp issuer: found",
        "",
    )
    yield "vlek-issuer", {"chain": roots(GENOA).chain(VLEK)}, IntegrityError, "snp issuer:", ""
    yield "chain-of-one", {"chain": roots(GENOA).ark.pem}, MalformedError, "snp chain: found 1", ""
    yield (
        "chain-turned",
        {"chain": roots(GENOA).ark.pem + roots(GENOA).ask.pem},
        IntegrityError,
        ("snp root: found"),
        "",
    )
    yield (
        "vek-forged",
        {"vek": make_vek(issuer=replace(roots(GENOA).ask, key=test_pki.rsa_key("snp ark")))},
        IntegrityError,
        "snp vek: not signed by AMD's Genoa key",
        "attestation.chain",
    )
    yield (
        "vek-of-other-key",
        {"vek": other},
        IntegrityError,
        "snp report: the signature",
        ("attestation.signature"),
    )
    yield (
        "kind",
        {"vek": make_vek(kind=VLEK)},
        IntegrityError,
        "snp signing key: the report",
        ("snp.signing-key-kind"),
    )
    yield (
        "product",
        {"vek": make_vek(MILAN, tcb=TCB[GENOA])},
        IntegrityError,
        "snp product:",
        ("snp.product-mismatch"),
    )
    yield (
        "tcb",
        {"vek": make_vek(tcb=bytes.fromhex("0a00000000001755"))},
        IntegrityError,
        (
            "snp tcb: the report says bootloader 10 tee 0 snp 23 microcode 84,"
            " the certificate bootloader 10 tee 0 snp 23 microcode 85"
        ),
        "snp.tcb",
    )
    yield (
        "chip",
        {"vek": make_vek(hardware=b"x" * 64)},
        IntegrityError,
        "snp chip id: the",
        ("snp.chip"),
    )
    yield (
        "masked",
        {"report": make_report(chip_id=0)},
        EvidenceRefusedError,
        "snp chip id: found",
        ("snp.chip-masked"),
    )
    yield "unsigned", {"report": report[:0x2A0] + bytes(512)}, IntegrityError, "snp report: the", ""
    yield "vek-trailing", {"vek": vek + b"\0"}, MalformedError, "snp vek: has bytes behind", ""
    yield (
        "crl-foreign",
        {"crl": test_pki.make_crl(stranger.ark)},
        IntegrityError,
        "snp crl: not",
        "",
    )
    yield (
        "crl-old",
        {"crl": make_crl(next_update=AT - DAY, this_update=AT - 2 * DAY)},
        (EvidenceRefusedError),
        "snp crl: judged at",
        "attestation.expired",
    )
    yield (
        "crl-future",
        {"crl": make_crl(this_update=AT + DAY)},
        EvidenceRefusedError,
        ("snp crl: judged at"),
        "attestation.not-yet-valid",
    )
    revoked = roots(GENOA).ask.certificate.serial_number
    yield (
        "revoked",
        {"crl": make_crl(revoked=[revoked])},
        EvidenceRefusedError,
        ("snp issuer: revoked"),
        "attestation.revoked",
    )
    yield (
        "unknown-item",
        {"extra": b""},
        MalformedError,
        "snp evidence: found collateral of another name, agreed vek, chain, crl",
        "",
    )


REFUSALS = list(refusals())


@pytest.mark.parametrize("case", REFUSALS, ids=[case[0] for case in REFUSALS])
def test_one_wrong_thing_is_refused_for_its_own_reason(case):
    _, changes, error, match, code = case
    with pytest.raises(error, match=f"^{match}") as caught:
        verify(**changes)
    assert type(caught.value) is error
    assert not code or caught.value.code == code


@pytest.mark.parametrize("name", ["vek", "chain"])
def test_a_missing_certificate_is_named(name):
    item = make_item()
    left = {key: value for key, value in item.collateral.items() if key != name}
    with pytest.raises(MalformedError, match=rf"^snp evidence: found no .* \({name}\), agreed one"):
        OURS.verify(replace(item, collateral=left), at=AT)


@pytest.mark.parametrize(
    ("at", "match"),
    [
        (dt.datetime(2025, 12, 31, tzinfo=dt.UTC), "snp root: judged at 2025-12-31"),
        (dt.datetime(2033, 1, 2, tzinfo=dt.UTC), "snp vek: judged at .* valid until 2033-01-01"),
        (dt.datetime(2047, 1, 1, tzinfo=dt.UTC), "snp root: judged at 2047"),
    ],
)
def test_evidence_is_judged_at_the_given_time(at, match):
    with pytest.raises(EvidenceRefusedError, match=f"^{match}"):
        verify(at=at)


def test_a_certificate_not_yet_valid_is_refused_although_its_issuer_is():
    late = make_vek(not_before=AT + DAY)
    with pytest.raises(EvidenceRefusedError, match="^snp vek: judged at .* valid from"):
        verify(vek=late)


def test_a_product_without_pins_is_refused():
    only = SnpVerifier(pins={MILAN: roots(MILAN).pins})
    with pytest.raises(EvidenceRefusedError, match="^snp product: found Genoa, agreed Milan"):
        only.verify(make_item(), at=AT)
    with pytest.raises(EvidenceRefusedError, match="^snp product: found Genoa, agreed none"):
        SnpVerifier(pins={}).verify(make_item(), at=AT)


def test_an_issuer_without_an_rsa_key_signs_nothing():
    ark = roots(GENOA).ark
    usage = [(item.value, item.critical) for item in ark.certificate.extensions][1:]
    odd = test_pki.issue("odd", issuer=ark, ca=True, path_length=0, extensions=usage)
    pins = Pins(ark=ark.pin, ask=odd.pin, asvk=odd.pin)
    item = make_item()
    with pytest.raises(IntegrityError, match="^snp issuer: its key is not RSA"):
        SnpVerifier(pins={GENOA: pins}).verify(
            replace(item, collateral={**item.collateral, "chain": odd.pem + ark.pem}), at=AT
        )


def test_a_current_list_is_claimed_with_its_dates():
    claims = verify(crl=make_crl())
    (fact,) = claims.collateral
    assert (fact.name, fact.issued_at, fact.expires_at) == ("amd-crl", AT - DAY, AT + 30 * DAY)
    assert "no list supplied" not in str(claims.checks)
    assert "no list supplied" in str(verify().checks)


def test_a_byte_of_the_signature_or_of_what_it_covers_never_flips_unseen():
    report = make_report()
    for offset in (*range(0, 0x2A0, 7), *range(0x2A0, 0x2D0, 9), *range(0x2E8, 0x318, 9)):
        flipped = bytearray(report)
        flipped[offset] ^= 0x80
        with pytest.raises((MalformedError, IntegrityError, EvidenceRefusedError)):
            verify(report=bytes(flipped))


def test_a_byte_of_the_certificate_never_flips_unseen():
    vek = make_collateral()["vek"]
    for offset in range(0, len(vek), 17):
        flipped = bytearray(vek)
        flipped[offset] ^= 0x01
        with pytest.raises((MalformedError, IntegrityError, EvidenceRefusedError)):
            verify(vek=bytes(flipped))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["report", "vek"])
def test_no_single_byte_ever_flips_unseen(name):
    data = make_report() if name == "report" else make_vek()
    for offset in range(len(data)):
        for bit in (0x01, 0x80):
            flipped = bytearray(data)
            flipped[offset] ^= bit
            with pytest.raises((MalformedError, IntegrityError, EvidenceRefusedError)):
                verify(**{name: bytes(flipped)})


USAGE = [(item.value, item.critical) for item in roots(GENOA).ark.certificate.extensions][1:]


def authority(name, *, issuer, ca=True, **changes):
    key = test_pki.rsa_key("snp middle" if issuer else "snp ark")
    return test_pki.issue(
        name, issuer=issuer, ca=ca, key=key, extensions=USAGE if ca else (), **changes
    )


ARK = roots(GENOA).ark
OTHER_ARK = authority("AMD ARK-Genoa", issuer=None, ca=False)
# Named like the root, and with another key.
NAMESAKE = test_pki.make_root("AMD ARK-Genoa", key=test_pki.rsa_key("snp middle"), extensions=USAGE)
PINNED = {
    "issuer-out-of-its-time": (
        ARK,
        authority("old ask", issuer=ARK, not_after=AT - DAY),
        "snp issuer: judged at",
    ),
    "root-that-may-not-issue": (
        OTHER_ARK,
        authority("ask", issuer=OTHER_ARK),
        "snp root: found an issuer that may not sign",
    ),
    "issuer-that-may-not-issue": (
        ARK,
        authority("leaf", issuer=ARK, ca=False),
        "snp issuer: found an issuer that may not sign",
    ),
    "issuer-of-a-namesake": (
        ARK,
        authority("ask", issuer=NAMESAKE),
        "snp issuer: a certificate that its issuer did not sign",
    ),
}


@pytest.mark.parametrize("name", PINNED)
def test_a_pin_alone_makes_no_chain(name):
    ark, ask, match = PINNED[name]
    ours = SnpVerifier(pins={GENOA: Pins(ark=ark.pin, ask=ask.pin, asvk=ask.pin)})
    collateral = {"vek": make_vek(issuer=ask), "chain": ask.pem + ark.pem}
    with pytest.raises((EvidenceRefusedError, IntegrityError), match=f"^{match}"):
        ours.verify(replace(GOOD, collateral=collateral), at=AT)


UVM = uvm_forge.make_endorsement()
ENDORSED = SnpVerifier(pins=snp_forge.all_pins(), endorser=uvm_forge.uvm_chain()[-1].pin)


def endorsed(uvm=UVM, **changes):
    item = snp_forge.make_item(**{"measurement": uvm_forge.MEASUREMENT} | changes)
    return replace(item, collateral={**item.collateral, "uvm": uvm})


def test_an_endorsement_beside_a_report_is_of_what_it_measured():
    claims = ENDORSED.verify(endorsed(), at=snp_forge.AT)
    assert claims.checks[-1].name == "endorsed"
    assert claims.checks[-1].found == "launch measurement, for ContainerPlat-AMD-UVM, version 22"
    # It vouches for no more than that: what a contract compares stays the report's.
    plain = ENDORSED.verify(snp_forge.make_item(measurement=uvm_forge.MEASUREMENT), at=snp_forge.AT)
    assert (claims.facts, claims.collateral) == (plain.facts, plain.collateral)


@pytest.mark.parametrize(
    ("item", "error", "match"),
    [
        (endorsed(measurement=bytes(48)), EvidenceRefusedError, "found one of 0001.* agreed the r"),
        (endorsed(UVM.replace(b'"22"', b'"99"')), IntegrityError, "the signature does not match"),
        (endorsed(UVM[:-1]), MalformedError, "found an end inside a value"),
    ],
)
def test_an_endorsement_that_does_not_hold_is_not_left_aside(item, error, match):
    with pytest.raises(error, match=f"^uvm endorsement: {match}"):
        ENDORSED.verify(item, at=snp_forge.AT)


def test_only_the_pinned_root_endorses():
    with pytest.raises(IntegrityError, match="^uvm endorsement root: found"):
        SnpVerifier(pins=snp_forge.all_pins()).verify(endorsed(), at=snp_forge.AT)
