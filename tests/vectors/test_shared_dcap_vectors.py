# SPDX-License-Identifier: Apache-2.0
"""Real TDX and SGX quotes verify to Intel's pinned root; with collateral, by both verifiers."""

import datetime as dt
import hashlib
import json
from dataclasses import replace

import pytest

from cleanroom.attestation.pem import split_pem
from cleanroom.attestation.platforms.tdx import FOREIGN, KINDS
from cleanroom.attestation.platforms.tdx.root import INTEL_PINS
from cleanroom.errors import CleanroomError, EvidenceRefusedError, IntegrityError
from tests.support.shared_vectors import shared_vector

(TDX,), (SGX,) = KINDS, FOREIGN
AT = dt.datetime(2025, 6, 20, tzinfo=dt.UTC)
QUOTES = {
    "gotdx-spr": ("tdx", "gotdx_spr_e4_v4_quote.dat", 4, 39, False),
    "gotdx-cos113": ("tdx", "gotdx_cos113_quote.dat", 4, 3065, False),
    "phala": ("tdx", "phala_tdx_quote.bin", 4, 70, False),
    "phala-hex": ("tdx", "phala_tdx_quote_hex.txt", 4, 70, False),
    "trustee-4-debug": ("tdx", "trustee_tdx_quote_4.dat", 4, 0, True),
    "trustee-5": ("tdx", "trustee_tdx_quote_5.dat", 5, 0, False),
    "azure": ("azure-cvm", "tdx_td_quote.bin", 4, 70, False),
}


def tdx_item(name, *files):
    folder, file, *_ = QUOTES[name]
    return TDX.intake(shared_vector(folder, file), list(files))


def phala(kind="tdx"):
    return shared_vector(kind, f"phala_{kind}_quote_collateral.json")


@pytest.mark.parametrize("name", QUOTES)
def test_a_real_quote_verifies_to_intels_root(name):
    *_, version, padding, debug = QUOTES[name]
    item = tdx_item(name)
    assert TDX.recognises(item.report)
    claims = TDX.verifier.verify(item, at=AT)
    assert claims.debug is debug
    assert claims.facts[0].tcb_status == "Unappraised"
    assert claims.checks[0].found == f"DCAP version {version}, {padding} bytes of padding"


def test_a_service_domain_of_tdx_15_is_seen():
    (facts,) = TDX.verifier.verify(tdx_item("trustee-5"), at=AT).facts
    assert any(facts.mrservicetd)


def test_both_verifiers_accept_a_real_quote_with_its_collateral():
    claims = TDX.verifier.verify(tdx_item("phala", phala()), at=AT)
    assert claims.facts[0].tcb_status == "UpToDate"
    assert claims.facts[0].fmspc.hex() == "b0c06f000000"
    assert min(item.expires_at for item in claims.collateral).date() == dt.date(2025, 7, 19)


def test_both_verifiers_accept_a_real_enclave_and_name_its_advisories():
    item = SGX.intake(shared_vector("sgx", "phala_sgx_quote.bin"), [phala("sgx")])
    assert SGX.recognises(item.report)
    claims = SGX.verifier.verify(item, at=AT)
    (facts,) = claims.facts
    assert facts.tcb_status == "ConfigurationAndSWHardeningNeeded"
    assert facts.advisories == {"INTEL-SA-00289", "INTEL-SA-00615"}
    assert claims.carried[0].found.rstrip(b"\0") == b"Hello, world!"


@pytest.mark.parametrize(
    ("at", "match"),
    [
        (dt.datetime(2025, 7, 20, tzinfo=dt.UTC), "pck crl: judged at .* valid until 2025-07-19"),
        (dt.datetime(2025, 6, 19, 9, tzinfo=dt.UTC), "pck crl: judged at .* valid from 2025-06"),
        (dt.datetime(2026, 11, 22, tzinfo=dt.UTC), "intel root crl: judged at .* valid until"),
    ],
)
def test_expired_or_future_collateral_is_refused_by_name(at, match):
    with pytest.raises(EvidenceRefusedError, match=f"^{match}"):
        TDX.verifier.verify(tdx_item("phala", phala()), at=at)


def test_collateral_of_another_platform_is_refused():
    with pytest.raises(IntegrityError, match="^tcb info: made for another platform"):
        TDX.verifier.verify(tdx_item("trustee-5", phala()), at=AT)
    with pytest.raises(CleanroomError):
        TDX.verifier.verify(tdx_item("phala", phala("sgx")), at=AT)


def test_a_quote_out_of_its_certificates_time_is_refused():
    late = dt.datetime(2031, 1, 1, tzinfo=dt.UTC)
    with pytest.raises(EvidenceRefusedError, match="^pck chain: judged at 2031"):
        TDX.verifier.verify(tdx_item("gotdx-spr"), at=late)


def test_the_pin_is_that_of_intels_root():
    (root,) = split_pem(shared_vector("tdx", "intel_sgx_root_ca.pem"), what="root")
    assert hashlib.sha256(root).hexdigest() == INTEL_PINS.root.hex
    for kind, signer in (("tdx", INTEL_PINS.tdx_signer), ("sgx", INTEL_PINS.sgx_signer)):
        identity = json.loads(json.loads(phala(kind))["qe_identity"])
        assert identity["mrsigner"].lower() == signer.hex()


def require_all_refused(item, verifier, step):
    end = len(item.report) - item.report[::-1].index(b"-----"[::-1])
    for offset in range(0, end, step):
        changed = bytearray(item.report)
        changed[offset] ^= 0x10
        with pytest.raises(CleanroomError):
            verifier.verify(replace(item, report=bytes(changed)), at=AT)


def test_a_real_quote_is_refused_with_any_of_some_bytes_flipped():
    require_all_refused(tdx_item("trustee-5"), TDX.verifier, 37)
    require_all_refused(
        SGX.intake(shared_vector("sgx", "phala_sgx_quote.bin"), []), SGX.verifier, 37
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", QUOTES)
def test_a_real_quote_is_refused_with_any_single_byte_flipped(name):
    require_all_refused(tdx_item(name), TDX.verifier, 1)


@pytest.mark.slow
def test_real_collateral_is_refused_with_any_single_byte_flipped():
    good = phala()
    for offset in range(len(good)):
        changed = bytearray(good)
        changed[offset] ^= 0x10
        try:
            TDX.verifier.verify(tdx_item("phala", bytes(changed)), at=AT)
        except CleanroomError:
            continue
        # Nothing signs the issuer chain of the list, which nobody reads, nor line breaks
        # and the letter case of hexadecimal digits.
        text = good[:offset].decode()
        assert "pck_crl_issuer_chain" in text.rpartition('":')[0][-40:] or chr(good[offset]) in (
            "\\nabcdefABCDEF"
        )
