# SPDX-License-Identifier: Apache-2.0
import datetime as dt
from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.attestation.platforms.nvidia_gpu.manifest import forget_manifests, verify_manifest
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.nvidia_forge import (
    C14N,
    DRIVER,
    DRIVER_VALUES,
    DSIG,
    ECDSA,
    ENVELOPED,
    SHA384,
    driver_rim,
    make_manifest,
    manifest_body,
    measurement,
    resource,
    rim_chain,
)
from tests.support.test_pki import AT, NOT_AFTER, ec_key, issue, make_root

ROOT = rim_chain()[-1].pin
BODY = manifest_body(DRIVER_VALUES, version=DRIVER)


UNPREFIXED = (
    f'<Resource Hash0="{measurement(4).hex()}" active="True" alternatives="1" index="3"'
    ' name="Measurement_3" size="48" type="Measurement"></Resource>\n'
)


def verify(document, **changes):
    return verify_manifest(document, **({"root": ROOT, "at": AT} | changes))


def test_a_manifest_says_what_its_maker_signed():
    found = verify(driver_rim())
    assert (found.product, found.version, found.digest) == (
        "GH100",
        DRIVER,
        Digest.of(driver_rim()),
    )
    assert found.active == {
        4: frozenset({measurement(4)}),
        5: frozenset({bytes(48), measurement(5)}),
        36: frozenset({bytes(48)}),
    }


def test_white_space_and_empty_elements_may_be_written_otherwise():
    other = driver_rim().replace(b"></Resource>", b" />").replace(b"\n", b"\r\n")
    assert verify(b'<?xml version="1.0"?>\n' + other + b"\n").active == verify(driver_rim()).active


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("GH100", "GH200"),
        (DRIVER, "570.01.03"),
        ('active="True"', 'active="False"'),
        ('index="3"', 'index="5"'),
        (measurement(4).hex(), bytes(48).hex()),
        ("<Payload>\n", "<Payload>"),
    ],
)
def test_whatever_is_changed_is_not_the_signed_document(old, new):
    assert old.encode() in driver_rim()
    with pytest.raises(IntegrityError, match="not the signed one") as refused:
        verify(driver_rim().replace(old.encode(), new.encode(), 1))
    assert refused.value.code == "nvidia.manifest-digest"


def test_a_changed_digest_breaks_the_signature():
    at = driver_rim().index(b"<ds:DigestValue>") + 16
    old = driver_rim()[at : at + 4]
    new = b"AAAA" if old != b"AAAA" else b"BBBB"
    with pytest.raises(IntegrityError, match="^nvidia manifest: the signature") as refused:
        verify(driver_rim()[:at] + new + driver_rim()[at + 4 :])
    assert refused.value.code == "attestation.signature"


@pytest.mark.parametrize(
    "change",
    [
        (
            f'Method Algorithm="{C14N}"',
            'Method Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"',
        ),
        (f'Transform Algorithm="{C14N}"', f'Transform Algorithm="{ENVELOPED}"'),
        (ECDSA, "http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
        (SHA384, "http://www.w3.org/2001/04/xmlenc#sha256"),
        (ENVELOPED, "http://www.w3.org/TR/1999/REC-xpath-19991116"),
        ('URI=""', 'URI="#payload"'),
        ('URI=""', 'Type="x" URI=""'),
        (f'<ds:Transform Algorithm="{ENVELOPED}"></ds:Transform>', ""),
        ("<ds:Transforms>", "<ds:Transforms>x"),
        ("</ds:Reference>", "</ds:Reference><ds:Reference></ds:Reference>"),
        ("<ds:DigestValue>", '<ds:DigestValue Id="x">'),
        ("<ds:DigestValue>", "<ds:DigestValue><ds:x></ds:x>"),
    ],
)
def test_signed_info_of_another_shape_is_refused_though_signed(change):
    with pytest.raises(MalformedError, match="^nvidia manifest: ") as refused:
        verify(make_manifest(BODY, info=[change]))
    assert refused.value.code == "nvidia.manifest"


def test_signed_info_may_not_carry_attributes():
    old, new = b"<ds:SignedInfo>", b'<ds:SignedInfo Id="x">'
    with pytest.raises(IntegrityError, match="signature does not match"):
        verify(driver_rim().replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"),
        ("<ds:SignatureValue>", '<ds:SignatureValue Id="x">'),
        ("<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyName>x</ds:KeyName>"),
        ("<ds:X509Data>", "<ds:X509Data><ds:X509SKI>AAAA</ds:X509SKI>"),
        ("<ds:X509Certificate>", "<ds:X509Certificate>!"),
        ("<ds:KeyInfo>", "<ds:Object></ds:Object><ds:KeyInfo>"),
    ],
)
def test_a_signature_of_another_shape_is_refused(old, new):
    with pytest.raises(MalformedError, match="^nvidia manifest"):
        verify(driver_rim().replace(old.encode(), new.encode(), 1))


def test_certificates_are_at_most_eight():
    certificate = b"<ds:X509Certificate></ds:X509Certificate>"
    with pytest.raises(MalformedError, match="9 certificates, agreed at most 8"):
        verify(driver_rim().replace(b"<ds:X509Data>", b"<ds:X509Data>" + certificate * 5))


def signature_of(document):
    return document[document.index(b"<ds:Signature ") : document.index(b"</SoftwareIdentity>")]


def test_a_second_signature_is_refused():
    document = driver_rim().replace(
        b"</SoftwareIdentity>", signature_of(driver_rim()) + b"</SoftwareIdentity>"
    )
    with pytest.raises(MalformedError, match="2 signatures, agreed one"):
        verify(document)


def test_no_signature_is_refused():
    with pytest.raises(MalformedError, match="0 signatures, agreed one"):
        verify("".join(BODY).encode())


def test_a_signed_document_inside_another_is_refused():
    wrapped = b"<SoftwareIdentity xmlns='x'>" + driver_rim() + b"</SoftwareIdentity>"
    with pytest.raises(MalformedError, match="1 signatures, agreed one, directly"):
        verify(wrapped)


def test_a_signature_is_found_by_namespace_not_by_prefix():
    renamed = driver_rim().replace(b"ds:", b"sig:").replace(b"xmlns:ds=", b"xmlns:sig=")
    # Another prefix is another canonical form, hence another signed text.
    with pytest.raises(IntegrityError):
        verify(renamed)
    with pytest.raises(MalformedError, match="0 signatures"):
        verify(driver_rim().replace(DSIG.encode(), b"urn:other"))


def test_another_root_is_refused_by_name():
    other = make_manifest(BODY, rim_chain("another root"))
    with pytest.raises(IntegrityError, match="^nvidia manifest root: found sha256:"):
        verify(other)


def test_a_pinned_root_behind_a_strangers_chain_is_refused():
    mixed = (*rim_chain("another root")[:-1], rim_chain()[-1])
    with pytest.raises(IntegrityError):
        verify(make_manifest(BODY, mixed))


@pytest.mark.parametrize("days", [1, -30 * 366])
def test_a_manifest_out_of_its_signers_time_is_refused(days):
    with pytest.raises(EvidenceRefusedError, match="^nvidia manifest: judged at"):
        verify(driver_rim(), at=NOT_AFTER + dt.timedelta(days=days))


def test_a_good_manifest_before_it_opens_the_way_for_no_other():
    assert verify(driver_rim()).active
    stranger = rim_chain("another root")
    with pytest.raises(IntegrityError, match="root: found"):
        verify(make_manifest(BODY, stranger))
    # Those above would vouch for revocation answers, so none may be exchanged.
    with pytest.raises(IntegrityError, match="root: found"):
        verify(make_manifest(BODY, (*rim_chain()[:2], *stranger[2:])))
    with pytest.raises(IntegrityError, match="did not sign"):
        verify(make_manifest(BODY, (stranger[0], *rim_chain()[1:])))


def test_a_second_signed_info_anywhere_is_refused():
    decoy = f'<d:SignedInfo xmlns:d="{DSIG}"></d:SignedInfo>'.encode()
    for place in (b"</ds:KeyInfo>", b"</SoftwareIdentity>", b"</ds:SignedInfo>"):
        with pytest.raises(MalformedError, match="elements SignedInfo, agreed one"):
            verify(driver_rim().replace(place, decoy + place))
    moved = driver_rim().replace(b"ds:SignedInfo>", b"ds:Object>")
    with pytest.raises(MalformedError, match="found 0 elements SignedInfo"):
        verify(moved)


def test_a_signer_with_a_key_on_another_curve_is_refused():
    leaf = issue("p256", issuer=rim_chain()[1], key=ec_key("p256", ec.SECP256R1))
    document = driver_rim().replace(b64encode(rim_chain()[0].der), b64encode(leaf.der))
    with pytest.raises(MalformedError, match="agreed an elliptic one on secp384r1"):
        verify(document)


def test_an_authority_may_not_sign_manifests_itself():
    with pytest.raises(IntegrityError, match="may not sign evidence"):
        verify(make_manifest(BODY, rim_chain()[1:]))


def body_with(old, new):
    before, behind = BODY
    assert old in before, old
    return before.replace(old, new, 1), behind


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("SoftwareIdentity", "SoftwareIdentifier", "another document"),
        ("<Meta ", "<Link></Link><Meta x='1' ", ""),
        ("<Meta ", '<Meta></Meta><Meta x="1" ', "2 elements Meta"),
        ("<Payload>", "<Payload></Payload><Payload>", "2 elements Payload"),
        (resource(3, [measurement(4)]), resource(4, [measurement(4)]), "measurement 4 twice"),
        ("<Resource ", "<Directory ", "another element than a resource"),
        ('active="True"', 'active="true"', "neither active nor inactive"),
        ('index="3"', 'index="03"', "index that is not a small number"),
        ('index="3"', 'index="1000"', "index that is not a small number"),
        ('alternatives="1"', 'alternatives="0"', "without its 0 alternatives"),
        ('alternatives="1"', 'alternatives="2"', "without its 2 alternatives"),
        ('alternatives="2"', 'alternatives="1"', "not 48 bytes in hexadecimal"),
        (
            resource(3, [measurement(4)]),
            UNPREFIXED,
            "without its 1 alternatives",
        ),
        (measurement(4).hex(), measurement(4).hex()[:-2], "not 48 bytes in hexadecimal"),
        (measurement(4).hex(), measurement(4).hex()[:-1] + "g", "not 48 bytes in hexadecimal"),
        (f'colloquialVersion="{DRIVER}"', 'colloquialVersion="a b"', "colloquialVersion"),
        (' product="GH100"', "", "attribute product"),
    ],
)
def test_a_signed_manifest_that_leaves_doubt_is_refused(old, new, found):
    before, behind = body_with(old, new.replace("'", '"'))
    if old == "SoftwareIdentity":
        behind = "</SoftwareIdentifier>"
    elif old == "<Resource ":
        before = before.replace("</Resource>", "</Directory>", 1)
    document = make_manifest((canonical_order(before), behind))
    if not found:
        assert verify(document).active
        return
    with pytest.raises(MalformedError, match=found):
        verify(document)


def canonical_order(text):
    """Attributes that a change put in front stand behind in canonical form."""
    return text.replace('<Meta x="1" colloquialVersion', "<Meta colloquialVersion").replace(
        '<Meta x="1" product', "<Meta product"
    )


def test_a_manifest_without_an_active_measurement_agrees_with_nothing():
    body = manifest_body({}, version=DRIVER)
    with pytest.raises(MalformedError, match="no active measurement"):
        verify(make_manifest(body))


def test_a_root_alone_issues_no_manifest():
    with pytest.raises(IntegrityError, match="may not sign evidence"):
        verify(make_manifest(BODY, (make_root("rim root"),)))


def test_what_held_before_is_judged_by_its_root_and_time_again():
    assert verify(driver_rim()) is verify(driver_rim())
    with pytest.raises(IntegrityError, match="^nvidia manifest root: "):
        verify(driver_rim(), root=Digest.of(b"another"))
    with pytest.raises(EvidenceRefusedError, match="^nvidia manifest: judged at"):
        verify(driver_rim(), at=NOT_AFTER + dt.timedelta(seconds=1))
    with pytest.raises(TypeError):
        verify(driver_rim()).active[4] = frozenset()


def test_forgetting_makes_the_whole_manifest_count_again():
    before = verify(driver_rim())
    forget_manifests()
    assert verify(driver_rim()) is not before
    assert verify(driver_rim()).active == before.active
