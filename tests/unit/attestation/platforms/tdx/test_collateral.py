# SPDX-License-Identifier: Apache-2.0
import base64
import datetime as dt
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from cleanroom.attestation.platforms.tdx.collateral import (
    MAX_COLLATERAL_BYTES,
    check_collateral,
    parse_collateral,
)
from cleanroom.attestation.platforms.tdx.second import load_library, require_second_opinion
from cleanroom.attestation.platforms.tdx.structure import verify_structure
from cleanroom.attestation.platforms.tdx.verify import TdxVerifier
from cleanroom.errors import (
    EvidenceRefusedError,
    IntegrityError,
    MalformedError,
    UnavailableError,
)
from tests.support.dcap_forge import (
    AT,
    COMPONENTS,
    DAY,
    TDX,
    Wrong,
    certificate,
    domain,
    intel,
    make_collateral,
    make_crl,
    make_item,
    make_pck,
    make_quote,
    sgx_extension,
)
from tests.support.der_writer import octets

PINS = intel().pins
OURS = TdxVerifier(pins=PINS)
GOOD = make_item()
SOUND = verify_structure(GOOD.report, tee=TDX, pins=PINS, at=AT)
SERIALS = {
    "middle": intel().middle.certificate.serial_number,
    "signer": intel().signer.certificate.serial_number,
    "leaf": make_pck().certificate.serial_number,
}


def verify(collateral, *, at=AT, report=GOOD.report):
    return OURS.verify(replace(GOOD, report=report, collateral={"dcap": collateral}), at=at)


def changed(**members):
    document = json.loads(make_collateral()) | members
    return json.dumps({name: text for name, text in document.items() if text is not None}).encode()


def test_dates_of_every_piece_are_claimed():
    dates = {(item.issued_at, item.expires_at) for item in verify(make_collateral()).collateral}
    assert dates == {(AT.replace(microsecond=0) - DAY, AT + 30 * DAY)}


def test_the_chain_that_newer_tools_add_is_allowed_and_ignored():
    assert verify(changed(pck_certificate_chain=None)).facts
    assert verify(changed(pck_certificate_chain="anything")).facts


@pytest.mark.parametrize("name", ["root_ca_crl", "pck_crl"])
def test_lists_may_be_pem_or_base64(name):
    encoded = bytes.fromhex(json.loads(make_collateral())[name])
    text = base64.b64encode(encoded).decode()
    lines = "\n".join(text[start : start + 64] for start in range(0, len(text), 64))
    pem = f"-----BEGIN X509 CRL-----\n{lines}\n-----END X509 CRL-----\n"
    claimed = verify(make_collateral()).collateral
    for form in (pem, pem.replace("\n", "\r\n"), pem + "\0", text, encoded.hex().upper()):
        assert verify(changed(**{name: form})).collateral == claimed
    for broken in (pem.replace("X509", "X50"), pem.replace("\nM", "\n*", 1), text[:-1] + "!"):
        with pytest.raises(MalformedError, match=r"^(dcap collateral|.* crl)"):
            verify(changed(**{name: broken}))


@pytest.mark.parametrize(
    ("collateral", "match"),
    [
        (b"[]", "found no JSON object"),
        (b"{}", "found other members"),
        (b"{", "not JSON"),
        (changed(tcb_info=None), "found other members"),
        (changed(more=""), "found other members"),
        (changed(tcb_info=1), "found other members"),
        (changed(root_ca_crl="xyz"), "found root_ca_crl that is not hexadecimal"),
        (changed(tcb_info_signature="0"), "found tcb_info_signature that is not hex"),
        (changed(tcb_info_issuer_chain=intel().root.pem.decode()), "found 1 certificates"),
        (b" " * (MAX_COLLATERAL_BYTES + 1), ".* against a limit"),
    ],
)
def test_collateral_out_of_form_is_refused(collateral, match):
    with pytest.raises(MalformedError, match=f"^dcap collateral: {match}"):
        verify(collateral)


def test_signed_text_that_is_no_object_is_refused():
    from tests.support.dcap_forge import _ec, _sign  # noqa: PLC0415

    signature = _sign(_ec(intel().signer), b"[]").hex()
    with pytest.raises(MalformedError, match="^dcap collateral: found tcb info that is no object"):
        verify(changed(tcb_info="[]", tcb_info_signature=signature))


STRANGER = intel("stranger")
LIST_OLD = {"this_update": AT - 2 * DAY, "next_update": AT - DAY}
PIECES = {
    "root-crl-foreign": ({"root_crl": make_crl(STRANGER.root)}, IntegrityError, "intel root crl:"),
    "root-crl-old": (
        {"root_crl": make_crl(intel().root, **LIST_OLD)},
        EvidenceRefusedError,
        "intel root crl: judged at .* valid until",
    ),
    "pck-crl-foreign": ({"pck_list": make_crl(intel().root)}, IntegrityError, "pck crl: not"),
    "pck-crl-old": (
        {"pck_list": make_crl(intel().middle, **LIST_OLD)},
        EvidenceRefusedError,
        "pck crl: judged at",
    ),
    "pck-crl-future": (
        {"pck_list": make_crl(intel().middle, this_update=AT + DAY)},
        EvidenceRefusedError,
        "pck crl: judged at .* valid from",
    ),
    "issuer-revoked": (
        {"root_crl": make_crl(intel().root, revoked=[SERIALS["middle"]])},
        EvidenceRefusedError,
        "pck issuer: revoked",
    ),
    "signer-revoked": (
        {"root_crl": make_crl(intel().root, revoked=[SERIALS["signer"]])},
        EvidenceRefusedError,
        "tcb info signer: revoked",
    ),
    "platform-revoked": (
        {"pck_list": make_crl(intel().middle, revoked=[SERIALS["leaf"]])},
        EvidenceRefusedError,
        "pck certificate: revoked",
    ),
    "foreign-signer": (
        {"signer": STRANGER.signer},
        IntegrityError,
        "tcb info signer: a certificate that its issuer did not sign",
    ),
    "signer-expired": (
        {"signer": certificate("old", issuer=intel().root, ca=False, not_after=AT - DAY)},
        EvidenceRefusedError,
        "tcb info signer: judged at",
    ),
    "info-old": (
        {"tcb_info_members": {"nextUpdate": "2026-11-22T11:59:59Z"}},
        EvidenceRefusedError,
        "tcb info: judged at 2026-11-22T12:00:00Z, valid until 2026-11-22T11:59:59Z",
    ),
    "info-future": (
        {"tcb_info_members": {"issueDate": "2026-11-22T12:00:01Z"}},
        EvidenceRefusedError,
        "tcb info: judged at .* valid from",
    ),
    "info-undated": ({"tcb_info_members": {"issueDate": None}}, MalformedError, "tcb info: not of"),
    "identity-old": (
        {"identity_members": {"nextUpdate": "2026-11-22T11:59:59Z"}},
        EvidenceRefusedError,
        "qe identity: judged at",
    ),
    "info-of-other-platform": (
        {"tcb_info_members": {"fmspc": "00906EA10000"}},
        IntegrityError,
        "tcb info: made for another platform, agreed TDX b0c06f000000 0000",
    ),
    "info-of-other-pce": (
        {"tcb_info_members": {"pceId": "0001"}},
        IntegrityError,
        "tcb info: made for another platform",
    ),
    "info-of-an-older-service": (
        {"tcb_info_members": {"version": 2}},
        MalformedError,
        "tcb info: found version 2, agreed 3",
    ),
    "info-without-version": (
        {"tcb_info_members": {"version": None}},
        MalformedError,
        "tcb info: found version none, agreed 3",
    ),
    "info-of-a-true-version": (
        {"tcb_info_members": {"version": True}},
        MalformedError,
        "tcb info: found version True",
    ),
    "identity-of-an-older-service": (
        {"identity_members": {"version": 1}},
        MalformedError,
        "qe identity: found version 1, agreed 2",
    ),
    "info-of-sgx": ({"tcb_info_members": {"id": "SGX"}}, IntegrityError, "tcb info: made for"),
    "info-unnamed": ({"tcb_info_members": {"fmspc": 7}}, IntegrityError, "tcb info: made for"),
    "identity-of-other-signer": (
        {"identity_members": {"mrsigner": "AA" * 32}},
        IntegrityError,
        "qe identity: another quoting enclave",
    ),
    "identity-of-other-product": (
        {"identity_members": {"isvprodid": 1}},
        IntegrityError,
        "qe identity: another quoting enclave",
    ),
    "identity-of-sgx": ({"identity_members": {"id": "QE"}}, IntegrityError, "qe identity: another"),
    "identity-other-attributes": (
        {"identity_members": {"attributes": "13" + "00" * 15}},
        IntegrityError,
        "qe identity: another",
    ),
    "identity-short-mask": (
        {"identity_members": {"attributesMask": "FF"}},
        IntegrityError,
        "qe identity: another",
    ),
    "identity-no-mask": (
        {"identity_members": {"miscselectMask": None}},
        IntegrityError,
        "qe identity: another",
    ),
    "identity-odd-mask": (
        {"identity_members": {"miscselectMask": "FFF"}},
        IntegrityError,
        "qe identity: another",
    ),
}


@pytest.mark.parametrize("name", PIECES)
def test_one_wrong_piece_is_refused_for_its_own_reason(name):
    changes, error, match = PIECES[name]
    with pytest.raises(error, match=f"^{match}") as caught:
        verify(make_collateral(**changes))
    assert type(caught.value) is error


@pytest.mark.parametrize("name", ["tcb_info", "qe_identity"])
def test_signed_text_must_be_signed_over_its_exact_bytes(name):
    text = json.loads(make_collateral())[name].replace('"version"', '"version" ')
    with pytest.raises(IntegrityError, match=f"^{name.replace('_', ' ')}: the signature"):
        verify(changed(**{name: text}))


@pytest.mark.parametrize("signature", ["", "00", "00" * 64, "ff" * 64, "11" * 80])
def test_a_signature_of_any_other_size_matches_nothing(signature):
    with pytest.raises(IntegrityError, match="^tcb info: the signature"):
        verify(changed(tcb_info_signature=signature))


def test_older_firmware_is_claimed_with_its_advisories():
    older = tuple(max(svn - 1, 0) for svn in COMPONENTS)
    tcb = sgx_extension().replace(octets(bytes(COMPONENTS)), octets(bytes(older)))
    for number, svn in enumerate(COMPONENTS, 1):
        tcb = tcb.replace(
            b"\x06\x0b\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01\x02" + bytes([number, 2, 1, svn]),
            b"\x06\x0b\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01\x02" + bytes([number, 2, 1, svn - 1]),
        )
    report = make_quote(
        wrong=Wrong(
            pck=make_pck(extension=tcb), body=domain(tee_tcb_svn=bytes([6, 1, 2]) + bytes(13))
        )
    )
    (facts,) = verify(make_collateral(), report=report).facts
    assert (facts.tcb_status, facts.advisories) == ("OutOfDate", {"INTEL-SA-00001"})


def test_both_verifiers_must_accept():
    # Whose module it is, ours leaves to the appraisal; the library refuses here.
    report = make_quote(wrong=Wrong(body=domain(mrsignerseam=b"x" * 48)))
    with pytest.raises(IntegrityError, match="^dcap second verifier: refused") as caught:
        verify(make_collateral(), report=report)
    assert caught.value.code == "dcap.second-verifier"
    # The library accepts an item for another platform only if we let it ask.
    assert check_collateral(parse_collateral(make_collateral()), SOUND, pins=PINS, at=AT)


def library(*, status="UpToDate", report=None, advisories=()):
    found = {"TD10": {"report_data": bytes(range(64)).hex()}} if report is None else report
    answer = SimpleNamespace(
        status=status, advisory_ids=list(advisories), to_json=lambda: json.dumps({"report": found})
    )
    return lambda: SimpleNamespace(
        QuoteCollateralV3=SimpleNamespace(from_json=lambda text: text),
        verify_with_root_ca=lambda *_: answer,
    )


def second(**changes):
    parsed = parse_collateral(make_collateral())
    return require_second_opinion(SOUND, parsed, at=AT, load=library(**changes))


def test_a_second_verifier_that_read_another_report_is_refused():
    assert second(advisories=["a"]).advisories == {"a"}
    for report in ({"TD10": {"report_data": "00" * 64}}, {"TD10": {}}, {}, {"a": {}, "b": {}}):
        with pytest.raises(IntegrityError, match="^dcap second verifier: read another report"):
            second(report=report)


@pytest.mark.parametrize("status", ["Revoked", "Unappraised", "", "uptodate"])
def test_a_status_that_is_none_of_intels_is_refused(status):
    with pytest.raises(IntegrityError, match="^dcap second verifier: found a status beside"):
        second(status=status)


def test_without_the_library_nothing_is_accepted():
    with pytest.raises(UnavailableError, match="^no_such_library: not installed") as caught:
        load_library("no_such_library")
    assert "cleanroom[tdx]" in caught.value.hint


def test_the_library_judges_at_the_given_time():
    late = AT + dt.timedelta(days=31)
    with pytest.raises(EvidenceRefusedError, match="judged at"):
        verify(make_collateral(), at=late)
