# SPDX-License-Identifier: Apache-2.0
"""Real SEV-SNP reports verify to AMD's pinned roots at their time; every bad one is refused."""

import base64
import datetime as dt
import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.certificates import load_pem_certificates
from cleanroom.attestation.platforms.sev_snp import KINDS
from cleanroom.attestation.platforms.sev_snp.product import Product
from cleanroom.attestation.platforms.sev_snp.root import AMD_PINS
from cleanroom.attestation.platforms.sev_snp.vek import parse_vek, require_signed_by
from cleanroom.errors import CleanroomError, EvidenceRefusedError, IntegrityError
from cleanroom.kernel.digest import Digest
from tests.support.shared_vectors import shared_vector

(KIND,) = KINDS
AT = dt.datetime(2025, 9, 1, tzinfo=dt.UTC)
MILAN, GENOA = "milan_ask_ark.pem", "genoa_ask_ark.pem"
POSITIVE = {
    "gosev": ("gosev_milan_v2_report.bin", "gosev_milan_v2_vcek.der", MILAN),
    "trustee": ("trustee_report.bin", "trustee_vcek.der", MILAN),
    "ms-sidecar-json": ("ms_sidecar_snp_report.bin", "ms_sidecar_host_amd_cert.json"),
    "ms-sidecar-pem": ("ms_sidecar_snp_report.bin", "ms_sidecar_host_amd_cert.pem"),
    "oak-genoa": ("oak_genoa_report.bin", "oak_genoa_vcek.der", GENOA),
}
FACTS = {
    "gosev": ("Milan", {"bootloader": 2, "tee": 0, "snp": 5, "microcode": 68}, True),
    "trustee": ("Milan", {"bootloader": 3, "tee": 0, "snp": 8, "microcode": 115}, False),
    "ms-sidecar-json": ("Milan", {"bootloader": 3, "tee": 0, "snp": 8, "microcode": 115}, False),
    "ms-sidecar-pem": ("Milan", {"bootloader": 3, "tee": 0, "snp": 8, "microcode": 115}, False),
    "oak-genoa": ("Genoa", {"bootloader": 10, "tee": 0, "snp": 25, "microcode": 84}, False),
}


def snp(name):
    return shared_vector("sev-snp", name)


def item_of(name):
    report, *files = map(snp, POSITIVE[name])
    return KIND.intake(report, files)


def verify(item, *, at=AT):
    return KIND.verifier.verify(item, at=at)


@pytest.mark.parametrize("name", POSITIVE)
def test_a_real_report_verifies_to_amds_root(name):
    report = snp(POSITIVE[name][0])
    assert KIND.recognises(report)
    claims = verify(item_of(name))
    (facts,) = claims.facts
    assert (facts.product, facts.tcb, claims.debug) == FACTS[name]
    assert facts.signing_key == "vcek"
    assert claims.carried[0].found == report[0x50:0x90]


def test_the_host_data_of_a_confidential_container_is_its_policys_digest():
    claims = verify(item_of("ms-sidecar-json"))
    policy = base64.b64decode(snp("ms_sidecar_security_policy.b64"))
    assert claims.facts[0].host_data == hashlib.sha256(policy).digest()


def test_the_certificate_of_another_chip_is_refused():
    item = KIND.intake(snp("trustee_report.bin"), [snp(MILAN)])
    wrong = replace(
        item,
        collateral={
            "vek": snp("trustee_vcek_invalid_legacy.der"),
            "chain": snp(MILAN),
        },
    )
    with pytest.raises(IntegrityError, match="^snp (vek|report|tcb|chip id):"):
        verify(wrong)


@pytest.mark.parametrize(
    ("report", "vek", "match"),
    [
        ("trustee_report.bin", "virtee_milan_vcek.der", "snp report: the signature"),
        ("oak_genoa_report.bin", "virtee_milan_vcek.der", "snp product: the report is of Genoa"),
        ("oak_genoa_report.bin", "oak_turin_vcek.der", "snp product: the report is of Genoa"),
        ("trustee_report.bin", "trustee_vlek.der", "snp signing key: the report names VCEK"),
    ],
)
def test_real_certificates_do_not_pass_for_each_other(report, vek, match):
    chains = [snp(MILAN), snp("genoa_ask_ark.pem"), snp("turin_ask_ark.pem")]
    with pytest.raises(IntegrityError, match=f"^{match}"):
        verify(KIND.intake(snp(report), [snp(vek), *chains]))


def test_a_chain_of_another_product_is_refused():
    with pytest.raises(IntegrityError, match=f"^snp root: found {AMD_PINS[Product.MILAN].ark}"):
        verify(KIND.intake(snp("oak_genoa_report.bin"), [snp("oak_genoa_vcek.der"), snp(MILAN)]))


@pytest.mark.parametrize(
    ("vek", "chain", "cloud"),
    [
        ("virtee_turin_vcek.der", "turin_ask_ark.pem", ""),
        ("oak_turin_vcek.der", "virtee_turin_chain.pem", ""),
        ("oak_genoa_vcek.der", "genoa_ask_ark.pem", ""),
        ("virtee_milan_vcek.der", "milan_ask_ark.pem", ""),
        ("trustee_vlek.der", "milan_asvk_ark.pem", "CN=cc-us-east-2.amazonaws.com"),
    ],
)
def test_real_certificates_are_signed_by_amd(vek, chain, cloud):
    parsed = parse_vek(snp(vek))
    issuer, _ = load_pem_certificates(snp(chain), what="chain")
    require_signed_by(parsed, issuer.public_key(), issuer=issuer.subject.public_bytes())
    assert parsed.cloud == cloud
    assert len(parsed.hardware_id) in ({0} if cloud else {8, 64})


@pytest.mark.parametrize("product", Product)
def test_the_pins_are_those_of_amds_certificates(product):
    pins = AMD_PINS[product]
    for kind, middle in (("ask", pins.ask), ("asvk", pins.asvk)):
        first, root = load_pem_certificates(
            snp(f"{product.value.lower()}_{kind}_ark.pem"), what="chain"
        )
        digests = [Digest.of(item.public_bytes(Encoding.DER)) for item in (first, root)]
        assert digests == [middle, pins.ark]


@pytest.mark.parametrize(
    ("name", "at", "match"),
    [
        ("gosev", dt.datetime(2022, 1, 1, tzinfo=dt.UTC), "snp vek: judged .* valid from 2022-09"),
        ("gosev", dt.datetime(2029, 9, 25, tzinfo=dt.UTC), "snp vek: .* valid until 2029-09-24"),
        ("oak-genoa", dt.datetime(2021, 1, 1, tzinfo=dt.UTC), "snp root: judged at 2021"),
    ],
)
def test_a_real_report_is_refused_out_of_its_time(name, at, match):
    with pytest.raises(EvidenceRefusedError, match=f"^{match}"):
        verify(item_of(name), at=at)


def flipped(data, offset):
    changed = bytearray(data)
    changed[offset] ^= 0x10
    return bytes(changed)


def require_all_refused(item, step):
    for offset in range(0, len(item.report), step):
        with pytest.raises(CleanroomError):
            verify(replace(item, report=flipped(item.report, offset)))
    for name, data in item.collateral.items():
        for offset in range(0, len(data), step):
            with pytest.raises(CleanroomError):
                verify(replace(item, collateral={**item.collateral, name: flipped(data, offset)}))


@pytest.mark.parametrize("name", ["oak-genoa", "trustee"])
def test_a_real_report_is_refused_with_any_of_some_bytes_flipped(name):
    require_all_refused(item_of(name), 41)


@pytest.mark.slow
@pytest.mark.parametrize("name", POSITIVE)
def test_a_real_report_is_refused_with_any_single_byte_flipped(name):
    require_all_refused(item_of(name), 1)


def test_a_real_report_is_refused_cut_or_longer():
    item = item_of("oak-genoa")
    for size in (0, 1, 0x29F, 0x2A0, 1183):
        with pytest.raises(CleanroomError, match="^snp report: found"):
            verify(replace(item, report=item.report[:size]))
    with pytest.raises(CleanroomError, match="^snp report: found 1185 bytes"):
        verify(replace(item, report=item.report + b"\0"))
