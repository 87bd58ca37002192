# SPDX-License-Identifier: Apache-2.0
"""Whatever a machine hands over, a parser answers with a value or an error of the tree (T-18)."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.attestation import der
from cleanroom.attestation.pem import split_pem
from cleanroom.attestation.platforms.azure_cvm import KINDS as AZURE
from cleanroom.attestation.platforms.azure_cvm.hcl import parse_hcl
from cleanroom.attestation.platforms.azure_cvm.parse import parse_report as parse_azure
from cleanroom.attestation.platforms.azure_cvm.runtime_claims import parse_claims
from cleanroom.attestation.platforms.azure_cvm.verify import AzureSnpVerifier, AzureTdxVerifier
from cleanroom.attestation.platforms.sev_snp import KINDS as SNP
from cleanroom.attestation.platforms.sev_snp.parse import parse_report
from cleanroom.attestation.platforms.sev_snp.table import parse_table
from cleanroom.attestation.platforms.sev_snp.vek import parse_vek
from cleanroom.attestation.platforms.sev_snp.verify import SnpVerifier
from cleanroom.attestation.platforms.tdx import FOREIGN
from cleanroom.attestation.platforms.tdx import KINDS as TDX
from cleanroom.attestation.platforms.tdx.collateral import parse_collateral
from cleanroom.attestation.platforms.tdx.parse import parse_quote
from cleanroom.attestation.platforms.tdx.pck import platform_of
from cleanroom.attestation.platforms.tdx.verify import TdxVerifier
from cleanroom.attestation.platforms.text_forms import decoded_text
from cleanroom.attestation.revocation import load_crl
from tests.support import azure_forge, dcap_forge, snp_forge
from tests.support.azure_forge import AT
from tests.support.fuzzed import edited, only_tree_errors

THREATS = ("T-18",)
MODEST = settings(max_examples=80, deadline=None)
REPORT, VEK, CRL = snp_forge.make_report(), snp_forge.make_vek(), snp_forge.make_crl()
QUOTE, QUOTE_5 = dcap_forge.make_quote(), dcap_forge.make_quote(version=5, tdx=15)
ENCLAVE = dcap_forge.make_quote(dcap_forge.SGX, 3)
COLLATERAL = dcap_forge.make_collateral()
MACHINE = azure_forge.Machine()
HCL, CLAIMS = MACHINE.report().hcl, MACHINE.claims
CHAIN = snp_forge.roots(snp_forge.Product.GENOA).chain()


def read_der(data):
    for value in der.read_all(data, what="fuzz"):
        for read in (der.unsigned, der.object_identifier, der.time_value):
            only_tree_errors(read, value, what="fuzz")
        only_tree_errors(read_der, value.content)


PARSERS = {
    "der": (read_der, VEK),
    "pem": (lambda data: split_pem(data, what="fuzz"), CHAIN),
    "crl": (lambda data: load_crl(data, what="fuzz"), CRL),
    "text": (decoded_text, REPORT.hex().encode()),
    "snp-report": (parse_report, REPORT),
    "snp-vek": (parse_vek, VEK),
    "snp-table": (parse_table, snp_forge.host_table()),
    "quote-4": (parse_quote, QUOTE),
    "quote-5": (parse_quote, QUOTE_5),
    "quote-3": (parse_quote, ENCLAVE),
    "dcap": (parse_collateral, COLLATERAL),
    "hcl": (parse_hcl, HCL),
    "runtime-claims": (parse_claims, CLAIMS),
    "azure": (parse_azure, MACHINE.item().report),
}


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_answers_any_bytes(name):
    parse, good = PARSERS[name]

    @MODEST
    @given(st.binary(max_size=300) | st.binary(min_size=1184, max_size=1184) | edited(good))
    def check(data):
        only_tree_errors(parse, data)

    check()


@MODEST
@given(edited(dcap_forge.sgx_extension()))
def test_an_extension_of_intels_with_any_bytes(extension):
    if extension:
        only_tree_errors(platform_of, dcap_forge.make_pck(extension=extension).certificate)


VERIFIERS = {
    "snp": (SnpVerifier(pins=snp_forge.all_pins()), snp_forge.make_item()),
    "tdx": (TdxVerifier(pins=dcap_forge.intel().pins), dcap_forge.make_item()),
    "azure-snp": (AzureSnpVerifier(pins=snp_forge.all_pins()), MACHINE.item()),
    "azure-tdx": (
        AzureTdxVerifier(pins=dcap_forge.intel().pins),
        azure_forge.Machine(kind=azure_forge.TDX).item(),
    ),
}


@pytest.mark.parametrize("name", VERIFIERS)
def test_a_verifier_accepts_nothing_but_what_was_signed(name):
    verifier, item = VERIFIERS[name]
    good = verifier.verify(item, at=AT)

    @MODEST
    @given(st.data())
    def check(data):
        part = data.draw(st.sampled_from(["report", *item.collateral]))
        original = item.report if part == "report" else item.collateral[part]
        changed = data.draw(edited(original))
        evidence = (
            replace(item, report=changed)
            if part == "report"
            else replace(item, collateral={**item.collateral, part: changed})
        )
        claims = only_tree_errors(verifier.verify, evidence, at=AT)
        # What nobody signs may change (padding, line breaks); what is claimed may not.
        if claims is not None:
            assert (claims.facts, claims.carried, claims.debug) == (
                good.facts,
                good.carried,
                good.debug,
            )

    check()


@pytest.mark.parametrize("kind", [*SNP, *TDX, *FOREIGN, *AZURE], ids=lambda kind: kind.name)
def test_a_strangers_files_may_be_anything(kind):
    samples = [REPORT, VEK, CRL, CHAIN, QUOTE, ENCLAVE, COLLATERAL, MACHINE.item().report]

    @MODEST
    @given(st.data())
    def check(data):
        some = st.sampled_from(samples).flatmap(lambda good: st.just(good) | edited(good))
        report = data.draw(st.binary(max_size=100) | some)
        kind.recognises(report)
        files = data.draw(st.lists(some | st.binary(max_size=60), max_size=3))
        item = only_tree_errors(kind.intake, report, files)
        if item is not None:
            only_tree_errors(kind.collateral_requests, item)
            only_tree_errors(kind.verifier.verify, item, at=AT)

    check()
