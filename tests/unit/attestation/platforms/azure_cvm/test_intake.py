# SPDX-License-Identifier: Apache-2.0
import base64
import json

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


def test_other_bytes_are_not_recognised():
    for data in (b"", b"HCLA", b"{}", b"[]"):
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
    with pytest.raises(MalformedError, match="^dcap evidence: found 2 files"):
        TDX_KIND.intake(ON_TDX.item().report, [b"", b""])


def test_what_to_fetch_is_that_of_the_processor():
    urls = [request.url for request in SNP_KIND.collateral_requests(ON_SNP.item())]
    assert urls == ["https://kdsintf.amd.com/vcek/v1/Genoa/crl"]
    assert TDX_KIND.collateral_requests(ON_TDX.item()) == ()
