# SPDX-License-Identifier: Apache-2.0
import base64
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.pem import pem_of, split_pem
from cleanroom.attestation.platforms.sev_snp import KINDS, table
from cleanroom.attestation.platforms.sev_snp.intake import (
    collateral_requests,
    recognises,
    requests_of,
    sort_collateral,
    split_extended,
)
from cleanroom.attestation.platforms.sev_snp.parse import SigningKey, parse_report
from cleanroom.attestation.platforms.sev_snp.product import Product
from cleanroom.attestation.platforms.sev_snp.published import published_issuers
from cleanroom.attestation.platforms.sev_snp.root import AMD_PINS
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from tests.support import uvm_forge
from tests.support.snp_forge import (
    VLEK,
    all_pins,
    chip_id,
    host_table,
    make_collateral,
    make_crl,
    make_item,
    make_report,
    make_vek,
    roots,
)

GENOA = Product.GENOA
OURS = roots(GENOA)
VCEK = make_vek()
CRL = make_crl()
THIM = json.dumps(
    {
        "vcekCert": pem_of(VCEK).decode(),
        "tcbm": "54170000000000000A",
        "certificateChain": OURS.chain().decode(),
        "cacheControl": "86400",
    }
).encode()
EXPECTED = make_collateral()


def sort(*files, pins=None):
    return sort_collateral(files, pins=all_pins() if pins is None else pins)


@pytest.mark.parametrize(
    "files",
    [
        (VCEK, OURS.chain()),
        (OURS.chain(), VCEK),
        (OURS.ark.der, OURS.asvk.der, OURS.ask.der, VCEK),
        (pem_of(VCEK) + OURS.ark.pem + OURS.ask.pem,),
        (THIM,),
        (base64.b64encode(THIM),),
        (VCEK.hex().encode(), OURS.chain()),
        (host_table(),),
        (VCEK, THIM, OURS.chain(), host_table()),
    ],
)
def test_certificates_in_any_order_and_form_find_their_places(files):
    assert sort(*files) == EXPECTED


def test_a_list_finds_its_place_in_both_forms():
    text = x509.load_der_x509_crl(CRL).public_bytes(Encoding.PEM)
    assert sort(CRL) == {"crl": CRL}
    assert sort(VCEK, OURS.chain(), text) == EXPECTED | {"crl": text.strip()}


def test_a_clouds_key_gets_its_own_issuer():
    vlek = make_vek(kind=VLEK)
    assert sort(vlek, OURS.chain(), OURS.asvk.pem) == {"vek": vlek, "chain": OURS.chain(VLEK)}


def test_another_chain_is_kept_for_the_verifier_to_name():
    stranger = roots(GENOA, "stranger")
    assert sort(VCEK, stranger.chain()) == {"vek": VCEK, "chain": stranger.chain()}
    assert sort(VCEK, stranger.chain(), pins={}) == {"vek": VCEK, "chain": stranger.chain()}
    assert sort(VCEK) == {"vek": VCEK}
    assert sort() == {}


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ((VCEK, make_vek(hardware=b"x" * 64)), "snp evidence: found more than one VCEK"),
        ((CRL, make_crl(revoked=[5])), "snp evidence: found more than one VCEK"),
        ((b"nothing of this",), "snp collateral: found bytes that are neither certificate, list"),
        ((VCEK, table.VCEK.bytes + bytes(9)), "snp certificate table: found no last entry"),
        ((b'{"vcekCert": "x"}',), "snp THIM vcekCert: not 1 to 8"),
        ((b'{"vcekCert": 1}',), "snp THIM answer: no text vcekCert"),
        ((b"\x30\x05\x00",), "snp collateral: ends inside"),
    ],
)
def test_other_files_are_refused(files, match):
    with pytest.raises(MalformedError, match=f"^{match}"):
        sort(*files)


def test_a_report_is_recognised_in_any_form():
    report = make_report()
    for form in (report, report.hex().encode(), base64.b64encode(report)):
        assert recognises(form)
        assert KINDS[0].recognises(form)
    assert not recognises(report[:-1])
    assert not recognises(b"HCLA" + report[4:])


def test_the_kind_takes_a_strangers_files():
    item = KINDS[0].intake(make_report().hex().encode(), [VCEK, CRL])
    assert (item.platform, item.report) == ("snp", make_report())
    # Whoever brings no chain means AMD's own, which the verifier compares with the pins.
    assert set(item.collateral) == {"vek", "crl", "chain"}
    issuer, root = map(Digest.of, split_pem(item.collateral["chain"], what="chain"))
    assert (issuer, root) == (AMD_PINS[Product.GENOA].ask, AMD_PINS[Product.GENOA].ark)


def test_half_of_amds_own_chain_is_completed_and_a_strangers_half_is_not():
    issuer, root = map(pem_of, published_issuers(Product.GENOA, SigningKey.VCEK))
    whole = KINDS[0].intake(make_report(), [VCEK]).collateral["chain"]
    for half in (issuer, root):
        assert KINDS[0].intake(make_report(), [VCEK, half]).collateral["chain"] == whole
    stranger = OURS.ask.pem
    assert KINDS[0].intake(make_report(), [VCEK, stranger]).collateral["chain"] == stranger
    both = KINDS[0].intake(make_report(), [VCEK, issuer, stranger]).collateral["chain"]
    assert sorted(split_pem(both, what="chain")) == sorted(
        split_pem(issuer + stranger, what="chain")
    )


@pytest.mark.parametrize("product", list(Product))
@pytest.mark.parametrize("kind", list(SigningKey))
def test_the_published_issuers_are_the_pinned_ones(product, kind):
    issuer, root = published_issuers(product, kind)
    pins = AMD_PINS[product]
    assert Digest.of(root) == pins.ark
    assert Digest.of(issuer) == (pins.ask if kind is SigningKey.VCEK else pins.asvk)
    assert KINDS[0].name == "snp"


def test_an_extended_report_brings_the_hosts_certificates():
    extended = make_report() + host_table()
    assert KINDS[0].recognises(extended)
    assert KINDS[0].intake(extended, []) == make_item()


def test_what_the_key_service_hands_out_is_asked_for_by_chip_and_version():
    urls = {
        request.name: request.url for request in requests_of(KINDS[0].intake(make_report(), []))
    }
    base = "https://kdsintf.amd.com/vcek/v1/Genoa"
    assert urls == {
        "crl": f"{base}/crl",
        "vek": f"{base}/{chip_id(GENOA).hex()}?blSPL=10&teeSPL=00&snpSPL=23&ucodeSPL=84",
    }


def test_turin_has_a_short_chip_and_one_component_more():
    report = parse_report(make_report(Product.TURIN))
    urls = [request.url for request in collateral_requests(report, have={})]
    assert any(f"/Turin/{chip_id(Product.TURIN).hex()}?fmcSPL=01&blSPL=02" in url for url in urls)


def test_a_clouds_key_is_not_asked_for_and_what_is_there_neither():
    report = parse_report(make_report(key_info=4))
    names = {request.name for request in collateral_requests(report, have={"crl": CRL})}
    assert names == set()
    (crl,) = requests_of(make_item())
    assert (crl.name, crl.dated) == ("crl", True)


def test_an_old_report_takes_the_product_of_its_certificate():
    report = parse_report(make_report(version=2, cpuid=0))
    (first, *_) = collateral_requests(report, have={"vek": VCEK})
    assert "/Genoa/" in first.url
    (first, second) = collateral_requests(report, have={})
    assert "/Milan/" in first.url
    # A chip's certificate says the same for ever, a revocation list does not.
    assert (first.dated, second.dated) == (True, False)


def test_a_report_that_is_a_little_too_long_is_no_extended_one():
    report = make_report()
    assert split_extended(report + bytes(23)) == (report + bytes(23), ())
    assert split_extended(report + bytes(24)) == (report, (bytes(24),))


def test_an_endorsement_finds_its_place_raw_and_as_text():
    endorsement = uvm_forge.make_endorsement()
    for files in ((endorsement, VCEK), (VCEK, base64.b64encode(endorsement), endorsement)):
        item = KINDS[0].intake(make_report(), files)
        assert item.collateral["uvm"] == endorsement
        assert set(item.collateral) == {"vek", "chain", "uvm"}
    other = uvm_forge.make_endorsement(uvm_forge.header(feed="ConfAKS-AMD-UVM"))
    with pytest.raises(MalformedError, match="^uvm endorsement: found two beside one report"):
        KINDS[0].intake(make_report(), [endorsement, other])
