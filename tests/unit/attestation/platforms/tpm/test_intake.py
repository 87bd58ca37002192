# SPDX-License-Identifier: Apache-2.0
import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.attestation.facts import NoRuntimeLog
from cleanroom.attestation.platforms.tpm.algorithms import Hash, Scheme
from cleanroom.attestation.platforms.tpm.intake import intake, recognises
from cleanroom.attestation.platforms.tpm.kind import KINDS
from cleanroom.attestation.platforms.tpm.report import parse_report
from cleanroom.attestation.platforms.tpm.verify import TpmVerifier
from cleanroom.errors import IntegrityError, MalformedError
from tests.support.test_pki import AT
from tests.support.tpm_evidence import EVENT_LOG, IMA_LOG, ROOT, certificates, collected
from tests.support.tpm_forge import (
    AK,
    RSA_AK,
    ForgedKey,
    ForgedQuote,
    ecc_private,
    rsa_private,
    selection,
    sized,
)

VERIFIER = TpmVerifier(name="tpm", roots=(ROOT.pin,))
QUOTE = ForgedQuote()
MESSAGE = QUOTE.encode()
VALUES = QUOTE.values[4] + QUOTE.values[14]


def spki(key, encoding=Encoding.PEM):
    return key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


def tools_values(*digests):
    """Write values as tpm2-tools saves them."""
    buffers = b"".join(
        len(digest).to_bytes(2, "little") + digest.ljust(64, b"\0") for digest in digests
    )
    return bytes(136) + (len(digests).to_bytes(4, "little") + buffers).ljust(532, b"\0")


def trustee(**changes):
    quote = {
        "message": base64.b64encode(MESSAGE).decode(),
        "signature": base64.b64encode(AK.sign(MESSAGE)).decode(),
        "pcrs": [QUOTE.values[4].hex(), QUOTE.values[14].hex()],
    }
    key = base64.b64encode(spki(AK.private, Encoding.DER)).decode()
    document = {"ak_public": key, "tpm_quote": quote | changes}
    return json.dumps(document).encode()


def guest(**changes):
    document = {
        "kernel": "6.1",
        "quote": MESSAGE.hex(),
        "sig": AK.sign(MESSAGE).hex(),
        "akpub": AK.public.hex(),
        "pcrs": {str(index): value.hex() for index, value in QUOTE.values.items()},
        "timing": {"quote": 0.028},
        "nonce": "00",
    }
    return json.dumps(document | changes).encode()


def facts(report, *files):
    (found,) = VERIFIER.verify(intake(report, files), at=AT).facts
    return found


@pytest.mark.parametrize(
    ("key", "trust"),
    [
        (AK.public, "unproven"),
        (sized(AK.public), "unproven"),
        (spki(AK.private), "attributes-unknown"),
    ],
)
@pytest.mark.parametrize("values", [VALUES, tools_values(QUOTE.values[4], QUOTE.values[14])])
def test_the_files_of_tpm2_tools_are_told_apart_in_any_order(key, trust, values):
    files = [AK.sign(MESSAGE), key, values]
    for order in (files, files[::-1]):
        found = facts(MESSAGE, *order)
        assert (found.key_trust, found.pcrs) == (trust, QUOTE.values)
        assert found.runtime == NoRuntimeLog()


@pytest.mark.parametrize(
    ("scheme", "hashed"),
    [(Scheme.RSASSA, Hash.SHA384), (Scheme.RSAPSS, Hash.SHA256), (Scheme.ECDSA, Hash.SHA384)],
)
def test_a_bare_key_signs_as_its_signature_says(scheme, hashed):
    private = ecc_private() if scheme is Scheme.ECDSA else rsa_private()
    key = ForgedKey(private=private, scheme=scheme, hash=hashed)
    quote = ForgedQuote(hash=hashed)
    values = tools_values(QUOTE.values[4], QUOTE.values[14])
    found = facts(quote.encode(), key.sign(quote.encode()), spki(private), values)
    assert found.key_trust == "attributes-unknown"
    other = spki(rsa_private() if scheme is Scheme.ECDSA else ecc_private())
    with pytest.raises(MalformedError, match=f"not one that signs with {scheme.name}"):
        facts(quote.encode(), key.sign(quote.encode()), other, values)


@pytest.mark.parametrize("bank", [Hash.SHA384, Hash.SHA512])
def test_registers_of_a_longer_bank_are_read_from_every_form(bank):
    values = {4: b"\x44" * bank.size, 14: b"\xee" * bank.size}
    message = QUOTE.but(selections=(selection(bank, (4, 14)),), values=values).encode()
    signature = AK.sign(message)
    for held in (values[4] + values[14], tools_values(*values.values())):
        assert facts(message, signature, AK.public, held).pcrs == values
    objects = (
        trustee(
            message=base64.b64encode(message).decode(),
            signature=base64.b64encode(signature).decode(),
            pcrs=[value.hex() for value in values.values()],
        ),
        guest(
            quote=message.hex(),
            sig=signature.hex(),
            pcrs={str(index): value.hex() for index, value in values.items()},
        ),
    )
    for report in objects:
        assert facts(report).pcrs == values
    with pytest.raises(MalformedError, match=f"agreed 2 of {bank.size} bytes"):
        intake(message, (signature, AK.public, VALUES))


def test_a_quote_over_two_banks_says_of_no_value_whose_it_is():
    both = (selection(pcrs=(4, 14)), selection(Hash.SHA384, (4, 14)))
    message = QUOTE.but(selections=both).encode()
    with pytest.raises(MalformedError, match="a quote over 2 banks, agreed one"):
        intake(message, (AK.sign(message), AK.public, VALUES))


def test_a_bare_signature_is_rsassa():
    signature = RSA_AK.sign(MESSAGE)[-256:]
    assert facts(MESSAGE, signature, RSA_AK.public, VALUES).key_trust == "unproven"
    assert facts(MESSAGE, signature, spki(RSA_AK.private), VALUES).pcrs == QUOTE.values


def test_a_bare_key_with_certificates_may_still_sign_anything():
    files = [AK.sign(MESSAGE), spki(AK.private), VALUES, certificates(AK.private)]
    assert facts(MESSAGE, *files).key_trust == "attributes-unknown"
    claims = VERIFIER.verify(intake(MESSAGE, files), at=AT)
    assert "may sign anything" in claims.checks[1].found
    assert claims.checks[2].found == "none: nothing is said about what runs"


def test_evidence_of_trustee_is_read():
    assert facts(trustee()).pcrs == QUOTE.values


def test_evidence_that_a_guest_wrote_about_itself_is_read_with_its_logs(tmp_path):
    assert recognises(guest())
    found = facts(guest())
    assert (found.key_trust, found.pcrs) == ("unproven", QUOTE.values)
    item = collected(tmp_path)
    logs = {"bios_log": EVENT_LOG, "ima_log": IMA_LOG}
    own = intake(guest(**{name: base64.b64encode(log).decode() for name, log in logs.items()}), ())
    assert own.collateral == intake(item.report, (IMA_LOG, EVENT_LOG)).collateral
    assert own == intake(guest(), (IMA_LOG, EVENT_LOG))


def test_what_a_guest_says_about_itself_beside_the_quote_counts_for_nothing():
    other = guest(nonce="ff", events=[], ekcert="?", timing=1.5, kernel=None)
    assert intake(other, ()) == intake(guest(), ())


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"pcrs": []}, "no object"),
        ({"pcrs": {"24": "00"}}, "register"),
        ({"pcrs": {"04": "00"}}, "register"),
        ({"pcrs": {"4": 1}}, "value"),
        ({"quote": " 00"}, "quote"),
        ({"sig": None}, "signature"),
        ({"akpub": "F0"}, "key"),
        ({"bios_log": "="}, "bios_log"),
    ],
)
def test_a_guests_object_of_another_form_is_refused(changes, match):
    with pytest.raises(MalformedError, match=f"^TPM evidence:? {match}"):
        intake(guest(**changes), ())


def test_a_guests_object_that_reads_in_two_ways_is_refused():
    twice = guest().replace(b'"nonce"', b'"quote"')
    with pytest.raises(MalformedError, match="twice"):
        intake(twice, ())


def test_our_own_report_is_taken_as_it_is(tmp_path):
    item = collected(tmp_path)
    assert intake(item.report, (IMA_LOG, EVENT_LOG)) == item
    assert intake(item.report, ()).collateral == {}


def test_what_is_recognised(tmp_path):
    (kind,) = KINDS
    assert kind.recognises is recognises
    assert recognises(MESSAGE)
    assert recognises(trustee())
    assert recognises(collected(tmp_path).report)
    assert not recognises(b"{}")
    assert not recognises(b"")
    assert kind.collateral_requests(intake(trustee(), ())) == ()


@pytest.mark.parametrize(
    ("report", "files"),
    [
        (MESSAGE, ()),
        (MESSAGE, (AK.sign(MESSAGE), AK.public)),
        (MESSAGE, (AK.sign(MESSAGE), AK.sign(MESSAGE), AK.public, VALUES)),
        (MESSAGE, (AK.sign(MESSAGE), AK.public, VALUES[:-1])),
        (MESSAGE, (AK.sign(MESSAGE), AK.public, tools_values(QUOTE.values[4]))),
        (MESSAGE, (AK.sign(MESSAGE), b"-----BEGIN PUBLIC KEY-----\n", VALUES)),
        (MESSAGE, (AK.sign(MESSAGE), AK.public, b"")),
        (trustee(), (AK.public,)),
        (guest(), (AK.public,)),
        (guest(ima_log=base64.b64encode(IMA_LOG).decode()), (IMA_LOG,)),
        (trustee(pcrs={}), ()),
        (trustee(pcrs=[1]), ()),
        (trustee(pcrs=["zz"]), ()),
    ],
)
def test_files_that_do_not_fit_are_refused(report, files):
    with pytest.raises(MalformedError, match="^TPM evidence:") as caught:
        intake(report, files)
    assert caught.value.code == "tpm.intake"


def test_a_key_that_signs_no_quotes_is_refused():
    foreign = spki(Ed25519PrivateKey.from_private_bytes(b"k" * 32))
    item = intake(MESSAGE, (AK.sign(MESSAGE), foreign, VALUES))
    with pytest.raises(MalformedError, match="^TPM key: not one that signs with ECDSA"):
        VERIFIER.verify(item, at=AT)
    broken = intake(trustee(), ())
    with pytest.raises(MalformedError, match="^TPM key: not a public key"):
        VERIFIER.verify(
            type(item)(
                platform="tpm",
                report=broken.report.replace(b'"key":"MF', b'"key":"ME'),
                collateral={},
            ),
            at=AT,
        )


def test_a_stranger_who_quotes_other_registers_is_read_as_such():
    quote = QUOTE.but(selections=(selection(pcrs=(16,)),), values={16: bytes(32)})
    item = intake(quote.encode(), (AK.sign(quote.encode()), AK.public, bytes(32)))
    assert parse_report(item.report).values.keys() == {16}


def test_the_pin_of_google_is_not_our_test_root():
    (kind,) = KINDS
    item = intake(MESSAGE, (AK.sign(MESSAGE), AK.public, VALUES, certificates(AK.private)))
    with pytest.raises(IntegrityError, match="^TPM attestation certificate root"):
        kind.verifier.verify(item, at=AT)
