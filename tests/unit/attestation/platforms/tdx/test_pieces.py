# SPDX-License-Identifier: Apache-2.0
"""Intel's collateral as its service hands it out, in four answers with headers."""

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.collateral import with_issuer
from cleanroom.attestation.completing import complete
from cleanroom.attestation.platforms.tdx import KINDS
from cleanroom.attestation.platforms.tdx.verify import TdxVerifier
from cleanroom.errors import MalformedError
from tests.support.dcap_forge import (
    AT,
    Wrong,
    intel,
    make_collateral,
    make_crl,
    make_pck,
    make_quote,
)

(KIND,) = KINDS
QUOTE = make_quote()
TEXTS = json.loads(make_collateral())
PCK_LIST, ROOT_LIST = bytes.fromhex(TEXTS["pck_crl"]), bytes.fromhex(TEXTS["root_ca_crl"])
SIGNERS = TEXTS["tcb_info_issuer_chain"].encode()
ISSUERS = TEXTS["pck_crl_issuer_chain"].encode()


def answer(member, text):
    return f'{{"{member}":{TEXTS[text]},"signature":"{TEXTS[text + "_signature"]}"}}'.encode()


INFO, IDENTITY = answer("tcbInfo", "tcb_info"), answer("enclaveIdentity", "qe_identity")
PIECES = (INFO, IDENTITY, PCK_LIST, ROOT_LIST, SIGNERS)
HEADED = {
    "pck-crl": with_issuer(PCK_LIST, ISSUERS),
    "root-crl": ROOT_LIST,
    "tcb-info": with_issuer(INFO, SIGNERS),
    "qe-identity": with_issuer(IDENTITY, SIGNERS),
}


def status_of(item):
    verifier = TdxVerifier(pins=intel().pins)
    return verifier.verify(item, at=AT).facts[0].tcb_status


def test_pieces_make_what_verifies_in_any_order():
    assert status_of(KIND.intake(QUOTE, PIECES)) == "UpToDate"
    pem = x509.load_der_x509_crl(PCK_LIST).public_bytes(Encoding.PEM)
    loose = (b" \n" + SIGNERS, ISSUERS, ROOT_LIST, pem, b"\n" + IDENTITY + b"\n", INFO)
    assert status_of(KIND.intake(QUOTE, loose)) == "UpToDate"
    # A service may leave the header out, and the signers come apart.
    bare = (with_issuer(INFO, b""), IDENTITY, PCK_LIST, ROOT_LIST, SIGNERS)
    assert status_of(KIND.intake(QUOTE, bare)) == "UpToDate"


def test_answers_with_their_headers_make_what_verifies():
    item = complete(
        KIND,
        KIND.intake(QUOTE, []),
        lambda requests: [HEADED[request.name] for request in requests],
    )
    assert status_of(item) == "UpToDate"
    assert KIND.collateral_requests(item) == ()


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (INFO, "missing tcb info"),
        (IDENTITY, "missing qe identity"),
        (PCK_LIST, "missing pck crl"),
        (ROOT_LIST, "missing root crl"),
        (SIGNERS, "missing the signers of tcb info, the signers of the qe identity"),
    ],
)
def test_a_piece_that_is_missing_is_named(gone, words):
    with pytest.raises(MalformedError, match=f"^dcap collateral: found .*{words}$"):
        KIND.intake(QUOTE, [piece for piece in PIECES if piece is not gone])


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (b"what is this", "neither answer, list nor chain"),
        (b"{}", "neither tcbInfo nor enclaveIdentity"),
        (INFO[:-1] + b',"more":1}', "neither tcbInfo nor enclaveIdentity"),
        (INFO.replace(b'"signature"', b'"tcbInfo":{},"signature"'), "twice"),
        (INFO.replace(b"UpToDate", b"Revoked"), "found two of tcb info"),
        (make_crl(intel().root, revoked=(5,)), "found two of root crl"),
        (make_crl(intel().signer), "of neither issuer of this quote"),
        (b"0 of a list", "dcap collateral: "),
        (with_issuer(b"", b"x"), "neither answer, list nor chain"),
        (b'{"body":"", "issuer_chain":1,"x":2}', "fetched answer"),
    ],
)
def test_a_file_that_cannot_be_placed_is_refused(more, words):
    with pytest.raises(MalformedError, match=words):
        KIND.intake(QUOTE, [*PIECES, more])


def test_a_piece_that_was_changed_is_refused_by_the_verifier():
    changed = INFO.replace(b'"tcbType": 0', b'"tcbType":  0')
    assert changed != INFO
    item = KIND.intake(QUOTE, [changed, *PIECES[1:]])
    with pytest.raises(Exception, match="^tcb info: the signature does not match"):
        status_of(item)


def test_a_quote_of_a_processors_authority_asks_for_its_own_list():
    middle = intel("Intel")
    other = make_quote(wrong=Wrong(chain=make_pck().pem + middle.middle.pem))
    with pytest.raises(MalformedError, match="^pck chain: found 2 certificates against 3"):
        KIND.collateral_requests(KIND.intake(other, []))
