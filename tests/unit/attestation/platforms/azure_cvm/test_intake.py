# SPDX-License-Identifier: Apache-2.0
import base64
import json
from dataclasses import replace

import pytest

from cleanroom.attestation.facts import NoRuntimeLog
from cleanroom.attestation.pem import pem_of
from cleanroom.attestation.platforms.azure_cvm import KINDS
from cleanroom.errors import MalformedError
from tests.support import dcap_forge, snp_forge
from tests.support.azure_forge import TDX, Machine

SNP_KIND, TDX_KIND = KINDS
ON_SNP, ON_TDX = Machine(log=NoRuntimeLog()), Machine(kind=TDX, log=NoRuntimeLog())
VEK = snp_forge.make_vek()
CHAIN = snp_forge.roots(snp_forge.Product.GENOA).chain()


def url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def trustee_first(machine):
    report = machine.report()
    quote = {
        "message": list(report.message),
        "signature": list(report.signature),
        "pcrs": [list(value) for value in report.pcrs],
    }
    if machine is ON_TDX:
        return {
            "tpm_quote": quote,
            "hcl_report": list(report.hcl),
            "td_quote": list(report.td_quote),
        }
    return {"quote": quote, "report": list(report.hcl), "vcek": pem_of(VEK).decode()}


def trustee_second(machine):
    report = machine.report()
    quote = {
        "message": report.message.hex(),
        "signature": report.signature.hex(),
        "pcrs": [value.hex() for value in report.pcrs],
    }
    more = {"td_quote": url(report.td_quote)} if machine is ON_TDX else {"vcek": url(VEK)}
    return {"version": 1, "tpm_quote": quote, "hcl_report": url(report.hcl)} | more


FORMS = [
    lambda machine: machine.item().report,
    lambda machine: json.dumps(trustee_first(machine)).encode(),
    lambda machine: json.dumps(trustee_second(machine)).encode(),
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_machine_is_recognised_and_becomes_the_same_evidence(form):
    snp, tdx = form(ON_SNP), form(ON_TDX)
    assert [kind.recognises(snp) for kind in KINDS] == [True, False]
    assert [kind.recognises(tdx) for kind in KINDS] == [False, True]
    files = [CHAIN] if b"vcek" in snp else [VEK, CHAIN]
    assert SNP_KIND.intake(snp, files) == ON_SNP.item()
    assert TDX_KIND.intake(tdx, [dcap_forge.make_collateral()]) == ON_TDX.item()
    assert TDX_KIND.intake(tdx, []).collateral == {}


@pytest.mark.parametrize(
    "members",
    [
        {"evidence": {"attestation_report": "", "cert_chain": {"vcek": ""}}},
        {"vcek": "", "hcl": "", "quote": ""},
        {"td_quote": "", "report": ""},
    ],
)
def test_an_object_without_a_paravisors_report_and_quote_is_something_else(members):
    data = json.dumps(members).encode()
    assert [kind.recognises(data) for kind in KINDS] == [False, False]


def separate(machine, **changes):
    report = machine.report()
    parts = {
        "message": report.message,
        "signature": report.signature,
        "values": b"".join(report.pcrs),
    }
    return [data for data in (parts | changes).values() if data is not None]


def td_quote(machine):
    return [machine.report().td_quote] if machine is ON_TDX else []


@pytest.mark.parametrize("encode", [bytes, lambda data: data.hex().encode()])
@pytest.mark.parametrize("order", [1, -1])
def test_separate_files_in_any_order_are_the_same_evidence(encode, order):
    for machine, kind, beside in (
        (ON_SNP, SNP_KIND, [VEK, CHAIN]),
        (ON_TDX, TDX_KIND, [dcap_forge.make_collateral()]),
    ):
        hcl = encode(machine.report().hcl)
        assert [other.recognises(hcl) for other in KINDS] == [kind is other for other in KINDS]
        parts = [encode(part) for part in separate(machine) + td_quote(machine)]
        assert kind.intake(hcl, [*parts, *beside][::order]) == machine.item()


def bincode(report, *, lengths, count=None):
    def counted(data):
        return len(data).to_bytes(8, "little") + data

    values = [counted(value) if lengths else value for value in report.pcrs]
    number = len(values) if count is None else count
    head = counted(report.signature) + counted(report.message)
    return head + number.to_bytes(8, "little") + b"".join(values)


@pytest.mark.parametrize("lengths", [False, True])
def test_a_quote_as_bincode_is_the_same_evidence(lengths):
    hcl = ON_SNP.report().hcl
    quote = bincode(ON_SNP.report(), lengths=lengths)
    assert SNP_KIND.intake(hcl, [quote, VEK, CHAIN]) == ON_SNP.item()
    assert SNP_KIND.intake(hcl, [VEK, quote.hex().encode(), CHAIN]) == ON_SNP.item()


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda data: data[:-1], "azure quote: "),
        (lambda data: data + b"\0", "azure quote: "),
        (lambda data: data[:300], "azure quote: ends at byte 300"),
        (lambda data: data[:264] + b"\xff" * 8 + data[272:], "azure quote: "),
    ],
)
def test_bincode_of_another_length_is_refused(lengths, change, match):
    quote = change(bincode(ON_SNP.report(), lengths=lengths))
    with pytest.raises(MalformedError, match=f"^{match}"):
        SNP_KIND.intake(ON_SNP.report().hcl, [quote, VEK, CHAIN])


def test_bincode_of_more_values_than_there_are_registers_is_refused():
    quote = bincode(ON_SNP.report(), lengths=False, count=25)
    with pytest.raises(MalformedError, match="^azure evidence: found 25 register values, agreed"):
        SNP_KIND.intake(ON_SNP.report().hcl, [quote, VEK, CHAIN])
    whole = bincode(ON_SNP.report(), lengths=True)
    with pytest.raises(MalformedError, match="^azure evidence: found a quote beside a quote obj"):
        SNP_KIND.intake(ON_SNP.report().hcl, [whole, ON_SNP.report().message, VEK, CHAIN])


def test_a_quote_in_one_object_and_a_signature_with_its_algorithm_are_read():
    hcl = ON_SNP.report().hcl
    quote = json.dumps(trustee_second(ON_SNP)["tpm_quote"]).encode()
    assert SNP_KIND.intake(hcl, [quote, VEK, CHAIN]) == ON_SNP.item()
    signature = b"\x00\x14\x00\x0b\x01\x00" + ON_SNP.report().signature
    files = separate(ON_SNP, signature=signature)
    assert SNP_KIND.intake(hcl, [*files, VEK, CHAIN]) == ON_SNP.item()


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ([], "no quote, signature, register values beside"),
        (separate(ON_SNP, values=None), "no register values beside"),
        (separate(ON_SNP, message=None), "no quote beside"),
        (separate(ON_SNP) * 2, "two files that look like a quote"),
        ([*separate(ON_SNP), b"?"], "two files that look like a register values"),
        (
            [*separate(ON_SNP), json.dumps(trustee_second(ON_SNP)["tpm_quote"]).encode()],
            "a quote beside a quote object",
        ),
        ([b'{"pcrs": {}}'], "no quote with its registers"),
    ],
)
def test_separate_files_that_make_no_evidence_are_refused(files, match):
    with pytest.raises(MalformedError, match=f"^azure evidence: found {match}"):
        SNP_KIND.intake(ON_SNP.report().hcl, [VEK, CHAIN, *files])


def test_values_of_other_registers_than_the_quoted_do_not_fit():
    files = separate(ON_SNP, values=bytes(32))
    with pytest.raises(MalformedError, match="^TPM evidence: a file that fits nothing"):
        SNP_KIND.intake(ON_SNP.report().hcl, [VEK, *files])


def test_other_bytes_are_not_recognised():
    for data in (b"", b"HCLA", ON_SNP.report().hcl[:99], b"{}", b"[]"):
        assert [kind.recognises(data) for kind in KINDS] == [False, False]


@pytest.mark.parametrize(
    ("document", "match"),
    [
        ([], "no object"),
        ({}, "no quote"),
        ({"quote": []}, "no quote"),
        ({"quote": {"pcrs": 1}}, "no quote"),
        ({"quote": {"pcrs": []}}, "neither text nor a list"),
        ({"report": [256], "quote": {"pcrs": []}}, "neither text nor a list"),
        ({"report": ["a"], "quote": {"pcrs": []}}, "neither text nor a list"),
    ],
)
def test_other_documents_are_refused(document, match):
    with pytest.raises(MalformedError, match=f"^azure evidence: found {match}"):
        SNP_KIND.intake(json.dumps(document).encode(), [])


def test_several_files_beside_a_tdx_machine_are_refused():
    with pytest.raises(MalformedError, match="neither answer, list nor chain"):
        TDX_KIND.intake(ON_TDX.item().report, [b"x", b"y"])


def test_what_to_fetch_is_that_of_the_processor():
    urls = [request.url for request in SNP_KIND.collateral_requests(ON_SNP.item())]
    assert urls == ["https://kdsintf.amd.com/vcek/v1/Genoa/crl"]
    assert TDX_KIND.collateral_requests(ON_TDX.item()) == ()
    bare = replace(ON_TDX.item(), collateral={})
    assert {each.name for each in TDX_KIND.collateral_requests(bare)} == {
        "pck-crl",
        "root-crl",
        "tcb-info",
        "qe-identity",
    }
