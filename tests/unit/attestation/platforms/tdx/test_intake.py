# SPDX-License-Identifier: Apache-2.0
import base64

import pytest

from cleanroom.attestation.platforms.tdx import FOREIGN, KINDS, intake
from cleanroom.attestation.platforms.tdx.collect import TdxCollector
from cleanroom.attestation.platforms.tdx.verify import TdxVerifier
from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from tests.support.dcap_forge import (
    AT,
    SGX,
    Wrong,
    domain,
    intel,
    make_collateral,
    make_item,
    make_quote,
)
from tests.support.fake_configfs import FakeConfigfs

TD, ENCLAVE = make_quote(), make_quote(SGX, 3)
BINDING = bytes(range(64, 128))


def test_quotes_are_recognised_in_any_form_and_by_kind():
    (tdx,), (sgx,) = KINDS, FOREIGN
    assert (tdx.name, sgx.name) == ("tdx", "sgx-dcap")
    for form in (TD, TD.hex().encode(), base64.b64encode(TD)):
        assert (tdx.recognises(form), sgx.recognises(form)) == (True, False)
    assert (tdx.recognises(ENCLAVE), sgx.recognises(ENCLAVE)) == (False, True)
    for other in (b"", b"\x04\x00", b"\x02" + TD[1:], b"HCLA" + TD[4:]):
        assert (tdx.recognises(other), sgx.recognises(other)) == (False, False)


def test_a_strangers_files_become_evidence():
    item = KINDS[0].intake(TD.hex().encode(), [make_collateral()])
    assert item == make_item()
    assert FOREIGN[0].intake(ENCLAVE, []).collateral == {}
    # Given by hand and kept by an operator.
    assert KINDS[0].intake(TD, [make_collateral(), make_collateral()]) == make_item()


def test_a_root_may_stand_beside_the_collateral_if_it_is_intels(monkeypatch):
    with pytest.raises(IntegrityError, match="^intel root: found sha256"):
        KINDS[0].intake(TD, [intel().root.pem, make_collateral()])
    monkeypatch.setattr(intake, "INTEL_PINS", intel().pins)
    assert KINDS[0].intake(TD, [intel().root.pem, make_collateral()]) == make_item()


def test_what_is_missing_is_asked_for_at_intels_address():
    assert KINDS[0].collateral_requests(make_item()) == ()
    urls = {item.name: item.url for item in KINDS[0].collateral_requests(KINDS[0].intake(TD, []))}
    base = "https://api.trustedservices.intel.com"
    assert urls == {
        "pck-crl": f"{base}/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
        "root-crl": "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
        "tcb-info": f"{base}/tdx/certification/v4/tcb?fmspc=B0C06F000000",
        "qe-identity": f"{base}/tdx/certification/v4/qe/identity",
    }
    enclave = FOREIGN[0].collateral_requests(FOREIGN[0].intake(ENCLAVE, []))
    assert [item.url for item in enclave if "/sgx/" in item.url] == [
        urls["pck-crl"],
        urls["tcb-info"].replace("tdx", "sgx"),
        urls["qe-identity"].replace("tdx", "sgx"),
    ]
    assert all(item.dated for item in enclave)
    with pytest.raises(MalformedError, match="^dcap quote:"):
        KINDS[0].collateral_requests(KINDS[0].intake(b"nothing", []))


def collector(**changes):
    files = FakeConfigfs(
        provider="tdx_guest",
        auxblob=None,
        answer=lambda data, _level: (
            make_quote(wrong=Wrong(body=domain(report_data=data))) + bytes(40)
        ),
    )
    for name, value in changes.items():
        setattr(files, name, value)
    return TdxCollector(files=files, name=lambda: "request", collateral={"dcap": make_collateral()})


def test_configfs_gives_a_quote_that_verifies():
    item = collector().collect(binding=BINDING)
    assert (collector().platform, collector().missing()) == ("tdx", ())
    claims = TdxVerifier(pins=intel().pins).verify(item, at=AT)
    assert claims.carried[0].found == BINDING
    assert "0 bytes of padding" in claims.checks[0].found


def test_a_machine_that_cannot_says_what_is_missing():
    with pytest.raises(UnavailableError, match="^tdx: /sys/kernel/config/tsm/report: not there"):
        collector(provider="").collect(binding=BINDING)
    with pytest.raises(UnavailableError, match="^configfs-tsm: found provider sev_guest"):
        collector(provider="sev_guest").collect(binding=BINDING)
    with pytest.raises(MalformedError, match="^dcap quote:"):
        collector(answer=lambda *_: b"something newer").collect(binding=BINDING)
    with pytest.raises(MalformedError, match="^binding: found 63"):
        collector().collect(binding=BINDING[:63])
