# SPDX-License-Identifier: Apache-2.0
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.attestation.platforms.sev_snp.product import Product
from cleanroom.attestation.platforms.sev_snp.vek import (
    forget_veks,
    parse_vek,
    require_signed_by,
    tcb_numbers,
)
from cleanroom.errors import IntegrityError, MalformedError
from tests.support import test_pki
from tests.support.der_writer import ia5, identifier, integer, octets, sequence, tlv
from tests.support.snp_forge import (
    OID,
    TCB,
    VCEK,
    VLEK,
    chip_id,
    make_vek,
    roots,
    vek_extensions,
)

GENOA = Product.GENOA
GOOD = vek_extensions(GENOA, VCEK, TCB[GENOA], chip_id(GENOA))


@pytest.mark.parametrize("product", Product)
def test_a_chips_certificate_reads_back(product):
    vek = parse_vek(make_vek(product))
    assert (vek.kind, vek.product, vek.tcb) == (VCEK, product, TCB[product])
    assert (vek.hardware_id, vek.cloud) == (chip_id(product), "")
    assert vek.not_before == test_pki.NOT_BEFORE


@pytest.mark.parametrize("product", Product)
def test_a_clouds_certificate_names_the_cloud_and_no_chip(product):
    vek = parse_vek(make_vek(product, VLEK))
    assert (vek.kind, vek.product, vek.tcb) == (VLEK, product, TCB[product])
    assert (vek.hardware_id, vek.cloud) == (b"", "CN=cloud.example")


@pytest.mark.parametrize("product", Product)
def test_a_chips_identity_may_be_wrapped(product):
    assert parse_vek(make_vek(product, hardware=octets(chip_id(product)))).hardware_id == chip_id(
        product
    )


def test_reserved_components_may_be_left_out():
    without = {name: value for name, value in GOOD.items() if name not in {"3.4", "3.7"}}
    assert parse_vek(make_vek(extensions=without)).tcb == TCB[GENOA]


def test_a_query_of_the_key_service_has_two_digits_a_component():
    assert tcb_numbers(TCB[GENOA], GENOA) == {
        "blSPL": "10",
        "teeSPL": "00",
        "snpSPL": "23",
        "ucodeSPL": "84",
    }
    assert tcb_numbers(TCB[Product.TURIN], Product.TURIN)["fmcSPL"] == "01"


P256 = ec.derive_private_key(7, ec.SECP256R1()).public_key()
RSA = test_pki.rsa_key("snp ark").public_key()
BAD = [
    ({"extensions": GOOD | {"4": b"x" * 63}}, "ends inside|has tag|has a length"),
    ({"extensions": GOOD | {"4": octets(b"x" * 63)}}, "a hardware id of 63 bytes against 64"),
    ({"extensions": {k: v for k, v in GOOD.items() if k != "4"}}, f"no extension {OID}.4"),
    ({"extensions": {k: v for k, v in GOOD.items() if k != "3.8"}}, f"no extension {OID}.3.8"),
    ({"extensions": GOOD | {"3.8": integer(256)}}, "a version beyond 255"),
    ({"extensions": GOOD | {"3.8": b"\x02\x01\xff"}}, "is not an unsigned"),
    ({"extensions": GOOD | {"2": ia5("Rome-B0")}}, "another name in the certificate"),
    ({"extensions": GOOD | {"2": tlv(0x16, b"Genoa\xff")}}, "an extension that is not ASCII"),
    ({"extensions": GOOD | {"2": tlv(0x0C, b"Genoa")}}, "has tag 0x0c"),
    ({"kind": VLEK, "extensions": GOOD}, "a hardware id in a VLEK"),
    ({"twice": sequence(identifier(f"{OID}.2"), octets(b""))}, "an extension twice"),
    ({"twice": sequence(identifier(f"{OID}.9"))}, "an extension without a value"),
    ({"twice": sequence()}, "an extension without a value"),
    ({"name": "ARK-Genoa"}, "another subject"),
    ({"algorithm": sequence(identifier("1.2.840.113549.1.1.12"))}, "another signature algorithm"),
    ({"algorithm": sequence()}, "another signature algorithm"),
    ({"spki": P256.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)}, "another kind"),
    ({"spki": RSA.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)}, "another kind"),
    ({"spki": sequence(sequence(identifier("1.2.3")), tlv(0x03, b"\0"))}, "a key that is none"),
]


@pytest.mark.parametrize(("changes", "match"), BAD)
def test_a_certificate_out_of_form_is_refused(changes, match):
    with pytest.raises(MalformedError, match=f"^snp [a-z ]+: .*(?:{match})"):
        parse_vek(make_vek(**changes))


def test_a_certificate_is_exactly_its_bytes():
    good = make_vek()
    with pytest.raises(MalformedError, match="^snp vek: has bytes behind"):
        parse_vek(good + b"\0")
    with pytest.raises(MalformedError, match="^snp vek: ends inside"):
        parse_vek(good[:-1])
    with pytest.raises(MalformedError, match="^snp vek: found 20000 bytes against"):
        parse_vek(bytes(20000))


def test_a_signature_is_whole_bytes():
    good = make_vek()
    start = good.rindex(b"\x03\x82\x01\x01\x00") + 4
    with pytest.raises(MalformedError, match="^snp vek: found a signature that is not whole"):
        parse_vek(good[:start] + b"\x01" + good[start + 1 :])


def test_a_validity_has_two_ends_and_a_subject_one_name():
    good = make_vek()
    # The second time's tag becomes one of a value inside the first.
    two = good.index(b"\x30\x1e\x17\x0d")
    one_time = good[:two] + b"\x30\x1e\x17\x1c" + good[two + 4 :]
    with pytest.raises(MalformedError, match="^snp vek validity: found|^snp vek: found a validity"):
        parse_vek(one_time)
    name = good.rindex(identifier("2.5.4.3"))
    other = good[:name] + identifier("2.5.4.4") + good[name + 5 :]
    with pytest.raises(MalformedError, match="^snp vek: found another subject"):
        parse_vek(other)


def test_only_the_issuers_key_with_the_agreed_padding_counts():
    issuer = roots(GENOA).ask
    name = issuer.certificate.subject.public_bytes()
    key = issuer.key.public_key()
    require_signed_by(parse_vek(make_vek()), key, issuer=name)
    with pytest.raises(IntegrityError, match="^snp vek: found another issuer"):
        require_signed_by(parse_vek(make_vek()), key, issuer=name[:-1])
    with pytest.raises(IntegrityError, match="^snp vek: not signed by AMD's Genoa key"):
        require_signed_by(parse_vek(make_vek()), RSA, issuer=name)
    with pytest.raises(IntegrityError, match="^snp vek: not signed"):
        require_signed_by(parse_vek(make_vek(salt_bytes=20)), key, issuer=name)


def test_the_same_bytes_are_read_once_until_they_are_forgotten():
    before = parse_vek(make_vek())
    assert parse_vek(make_vek()) is before
    forget_veks()
    assert parse_vek(make_vek()) is not before
