# SPDX-License-Identifier: Apache-2.0
import datetime as dt
from dataclasses import replace

import pytest

from cleanroom.attestation.binding import Channel, bind32
from cleanroom.attestation.facts import QuoteFacts, RuntimeLog
from cleanroom.attestation.platform import SelfReported, Undated
from cleanroom.attestation.platforms.tpm.intake import intake
from cleanroom.attestation.platforms.tpm.report import encode_report, parse_report
from cleanroom.attestation.platforms.tpm.verify import TpmVerifier
from cleanroom.attestation.verifier import require_bound, require_declared
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from tests.support.test_pki import AT, NOT_AFTER, NOT_BEFORE, issue, make_root
from tests.support.tpm_evidence import (
    BINDING,
    EVENT_LOG,
    EVENTS,
    IMA_LOG,
    INTERMEDIATE,
    ROOT,
    SELECTION,
    certificates,
    collected,
    with_events,
    with_items,
    with_report,
)
from tests.support.tpm_forge import (
    AK,
    AK_ATTRIBUTES,
    RSA_AK,
    ForgedKey,
    ForgedQuote,
    ecc_private,
    selection,
)
from tests.support.tpm_logs import Entry, ima_entry, ima_line

VERIFIER = TpmVerifier(name="tpm", roots=(ROOT.pin,))
UNRESTRICTED = AK_ATTRIBUTES & ~(1 << 16)


@pytest.fixture(scope="module")
def item(tmp_path_factory):
    return collected(tmp_path_factory.mktemp("root"), certified=True)


def verify(item, *, verifier=VERIFIER, at=AT):
    return verifier.verify(item, at=at)


def requoted(item, *, signer=AK, **changes):
    """Quote again with a field changed, and sign that."""
    report = parse_report(item.report)
    quote = ForgedQuote(
        extra_data=bind32(Channel.TPM, BINDING),
        selections=(selection(pcrs=tuple(sorted(SELECTION.pcrs))),),
        values=report.values,
    ).but(**changes)
    return with_report(
        item,
        quote=quote.encode(),
        signature=signer.sign(quote.encode()),
        key=signer.public,
        values=quote.values,
    )


def test_a_genuine_report_claims_what_the_quote_and_the_logs_say(item):
    claims = verify(item)
    require_declared(VERIFIER, claims)
    require_bound(claims, BINDING)
    assert (claims.platform, claims.confidential, claims.debug) == ("tpm", False, False)
    assert claims.runner == SelfReported()
    assert claims.issued_at == Undated()
    (facts,) = claims.facts
    assert isinstance(facts, QuoteFacts)
    assert (facts.bank, facts.pcrs.keys()) == ("sha256", SELECTION.pcrs)
    assert facts.runtime == RuntimeLog(register=14, events=EVENTS)
    assert facts.key_trust == "vendor-certificate"
    assert (facts.clock, facts.resets, facts.restarts, facts.firmware) == (1000, 3, 1, 7)
    assert [check.name for check in claims.checks] == [
        "quote",
        "attestation key",
        "runtime log",
        "event log",
        "IMA log",
    ]
    assert claims.details["clock"] == "safe"
    assert VERIFIER.nonce_place == "extra_data"


def test_a_clock_that_went_back_is_told(item):
    assert verify(requoted(item, safe=b"\0")).details["clock"] == "unsafe"


def test_a_key_without_certificates_is_unproven(item):
    (facts,) = verify(with_items(item, **{"ak-certificates": None})).facts
    assert facts.key_trust == "unproven"


def test_logs_may_be_left_out_and_then_nothing_is_said_of_them(item):
    bare = with_items(item, **{"event-log": None, "ima-log": None})
    assert [check.name for check in verify(bare).checks] == [
        "quote",
        "attestation key",
        "runtime log",
    ]


def test_unknown_collateral_is_refused(item):
    with pytest.raises(MalformedError) as caught:
        verify(with_items(item, **{"ek-certificate": b""}))
    assert caught.value.code == "tpm.collateral"


def test_an_unrestricted_key_signs_a_forged_quote_and_is_refused(item):
    forged = requoted(item, signer=ForgedKey(attributes=UNRESTRICTED))
    with pytest.raises(EvidenceRefusedError, match="^TPM attestation key: may sign"):
        verify(with_items(forged, **{"ak-certificates": None}))


def test_a_quote_by_another_key_than_the_one_shown_is_refused(item):
    other = ForgedKey(private=ecc_private(99))
    with pytest.raises(IntegrityError, match="^TPM quote: the signature does not match"):
        verify(with_report(item, key=other.public))


def test_a_quote_of_another_run_carries_another_binding(item):
    claims = verify(requoted(item, extra_data=bind32(Channel.TPM, bytes(64))))
    with pytest.raises(EvidenceRefusedError, match="^binding"):
        require_bound(claims, BINDING)


@pytest.mark.parametrize("selections", [(), (selection(), selection(bank=0x0C))])
def test_a_quote_over_none_or_several_banks_is_refused(item, selections):
    with pytest.raises(EvidenceRefusedError, match="^TPM registers: found") as caught:
        verify(requoted(item, selections=selections))
    assert caught.value.code == "tpm.selection"


def test_values_that_are_not_those_of_the_quoted_registers_are_refused(item):
    values = dict(parse_report(item.report).values)
    values[15] = values.pop(14)
    with pytest.raises(MalformedError, match="^TPM registers: values do not belong"):
        verify(with_report(item, values=values))
    values = dict(parse_report(item.report).values)
    values[9] = bytes(32)
    with pytest.raises(IntegrityError) as caught:
        verify(with_report(item, values=values))
    assert caught.value.code == "tpm.pcr-digest"


@pytest.mark.parametrize(
    ("events", "register"),
    [((), 14), (EVENTS[:2], 14), (EVENTS, 9), (EVENTS, 15), ((), 15)],
)
def test_a_runtime_log_that_does_not_explain_its_register_is_refused(item, events, register):
    with pytest.raises(IntegrityError, match="^runtime log: register"):
        verify(with_events(item, events, register))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("event-log", EVENT_LOG + Entry(register=4, data=b"one more").encode()),
        ("event-log", EVENT_LOG + Entry(register=14, data=b"extended before us").encode()),
        ("ima-log", IMA_LOG + ima_entry(b"/x", b"y")),
        ("ima-log", b""),
    ],
)
def test_a_log_that_does_not_explain_the_registers_is_refused(item, name, data):
    with pytest.raises(IntegrityError) as caught:
        verify(with_items(item, **{name: data}))
    assert caught.value.code == "tpm.replay"


def test_an_ima_log_counts_in_either_of_the_kernels_forms(item):
    text = ima_line(b"boot_aggregate", b"aggregate") + ima_line(b"/usr/bin/python3", b"python")
    assert intake(item.report, (text,)).collateral == {"ima-log": text}
    checks = verify(with_items(item, **{"ima-log": text})).checks
    said = {check.name: check.found for check in checks}
    assert said["IMA log"] == "2 files replay to register 10"
    with pytest.raises(IntegrityError, match="IMA log: register 10 replays"):
        verify(with_items(item, **{"ima-log": text[: text.index(b"\n") + 1]}))


def test_an_ima_log_without_its_register_is_refused(item):
    values = {at: value for at, value in parse_report(item.report).values.items() if at != 10}
    quoted = requoted(item, values=values, selections=(selection(pcrs=tuple(sorted(values))),))
    with pytest.raises(IntegrityError, match="^IMA log:"):
        verify(quoted)


def test_a_root_that_the_attester_brings_is_data_not_trust(item):
    root = make_root("TPM maker")  # the same name and key as the pinned root has
    foreign = make_root("a root of nobody")
    leaf = issue("attestation key", issuer=foreign, key=AK.private)
    assert root.pin == ROOT.pin
    with pytest.raises(IntegrityError, match="^TPM attestation certificate root") as caught:
        verify(with_items(item, **{"ak-certificates": leaf.pem + foreign.pem}))
    assert caught.value.code == "tpm.root"


def test_a_verifier_without_roots_believes_no_certificate(item):
    with pytest.raises(IntegrityError, match="agreed none"):
        verify(item, verifier=TpmVerifier(name="tpm", roots=()))


@pytest.mark.parametrize(
    ("chain", "kind", "code"),
    [
        (b"", MalformedError, "attestation.certificate-count"),
        (ROOT.pem, EvidenceRefusedError, "tpm.chain"),
        (certificates(RSA_AK.private), IntegrityError, "tpm.certificate"),
        (
            certificates(AK.private, issuer=issue("no authority", issuer=ROOT)),
            EvidenceRefusedError,
            "attestation.certificate-authority",
        ),
        (
            issue("attestation key", issuer=ROOT, key=AK.private).pem + INTERMEDIATE.pem + ROOT.pem,
            IntegrityError,
            "attestation.certificate-signature",
        ),
    ],
)
def test_a_chain_that_is_wrong_in_one_thing_is_refused(item, chain, kind, code):
    with pytest.raises(kind, match="^TPM attestation certificate") as caught:
        verify(with_items(item, **{"ak-certificates": chain}))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "at", [NOT_BEFORE - dt.timedelta(seconds=1), NOT_AFTER + dt.timedelta(seconds=1)]
)
def test_a_chain_counts_in_its_time_only(item, at):
    with pytest.raises(EvidenceRefusedError) as caught:
        verify(item, at=at)
    assert caught.value.code == "attestation.certificate-time"


def test_a_report_travels_unchanged(item):
    assert encode_report(parse_report(item.report)) == item.report


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"cleanroom.tpm.v0", b"cleanroom.tpm.v1", "attestation.version"),
        (b'"quote"', b'"qoute"', "attestation.missing-key"),
        (b'{"format"', b'{ "format"', "tpm.canonical"),
        (b'"values":{"0"', b'"values":{"00"', "tpm.values"),
        (b'"values":{"0"', b'"values":{"24"', "tpm.values"),
        (b'"register":14', b'"register":24', "attestation.type"),
    ],
)
def test_a_report_of_another_form_is_refused(item, old, new, code):
    changed = item.report.replace(old, new)
    assert changed != item.report
    with pytest.raises(MalformedError) as caught:
        verify(replace(item, report=changed))
    assert caught.value.code == code


def test_values_that_are_a_list_are_refused(item):
    start, _, rest = item.report.partition(b'"values":')
    assert rest
    with pytest.raises(MalformedError) as caught:
        verify(replace(item, report=start + b'"values":[]}'))
    assert caught.value.code == "tpm.values"
