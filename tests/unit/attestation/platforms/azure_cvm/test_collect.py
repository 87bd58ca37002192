# SPDX-License-Identifier: Apache-2.0
import json
from dataclasses import dataclass, field

import pytest

from cleanroom.attestation.pem import pem_of
from cleanroom.attestation.platforms.azure_cvm.collect import (
    AK_HANDLE,
    HCL_REPORT_INDEX,
    METADATA,
    USER_DATA_INDEX,
    AzureCollector,
)
from cleanroom.attestation.platforms.azure_cvm.hcl import Hardware
from cleanroom.attestation.platforms.azure_cvm.verify import AzureSnpVerifier, AzureTdxVerifier
from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.client import Tpm
from cleanroom.attestation.platforms.tpm.parse import PcrSelection
from cleanroom.attestation.verifier import require_bound
from cleanroom.errors import EvidenceRefusedError, MalformedError, UnavailableError
from tests.support import dcap_forge, snp_forge
from tests.support.azure_forge import (
    AT,
    BINDING,
    LOG,
    PCRS,
    SNP,
    TDX,
    Machine,
    digest_of,
    jwk,
    make_claims,
)
from tests.support.tpm_fake import FakeTpm
from tests.support.tpm_forge import AK, RSA_AK

SELECTION = PcrSelection(bank=Hash.SHA256, pcrs=frozenset(PCRS))


@dataclass
class Paravisor:
    """A virtual TPM whose paravisor makes a new report some reads after bytes were written."""

    kind: int = SNP
    after: int = 2
    ak: object = RSA_AK
    defined: bool = False
    pauses: list[float] = field(default_factory=list)

    def __post_init__(self):
        self.tpm = FakeTpm(ak=self.ak)
        self.tpm.registers.update({4: PCRS[4], 7: PCRS[7]})
        self.tpm.persistent[AK_HANDLE] = self.ak.public
        self.make(bytes(64))
        if self.defined:
            self.tpm.store(USER_DATA_INDEX, bytes(64))

    def make(self, user_data):
        claims = make_claims(keys=[jwk()], **{"user-data": user_data.hex().upper()})
        self.claims = claims
        hcl = Machine(kind=self.kind, claims=claims).report().hcl
        self.tpm.store(HCL_REPORT_INDEX, hcl)

    def pause(self, seconds):
        self.pauses.append(seconds)
        if len(self.pauses) == self.after:
            self.make(self.tpm.storage[USER_DATA_INDEX])

    def metadata(self, request):
        assert request.url.startswith(METADATA)
        if request.method == "GET":
            assert request.url.endswith("/metadata/THIM/amd/certification")
            assert request.headers == {"Metadata": "true"}
            ours = snp_forge.roots(snp_forge.Product.GENOA)
            return json.dumps(
                {
                    "vcekCert": pem_of(snp_forge.make_vek()).decode(),
                    "certificateChain": ours.chain().decode(),
                }
            ).encode()
        assert request.url.endswith("/acc/tdquote")
        assert json.loads(request.body)["report"].startswith("VERSRVBPUlQ")
        wrong = dcap_forge.Wrong(body=dcap_forge.domain(report_data=digest_of(self.claims)))
        import base64  # noqa: PLC0415

        quote = base64.urlsafe_b64encode(dcap_forge.make_quote(wrong=wrong)).decode()
        return json.dumps({"quote": quote}).encode()


def collector(machine, *, hardware=None, transport=None):
    return AzureCollector(
        hardware=hardware or Hardware(machine.kind),
        tpm=Tpm(machine.tpm),
        transport=transport or machine.metadata,
        pause=machine.pause,
        selection=SELECTION,
        runtime=LOG,
        collateral={"dcap": dcap_forge.make_collateral()} if machine.kind == TDX else {},
    )


@pytest.mark.parametrize("defined", [True, False])
def test_evidence_of_a_snp_machine_verifies_and_is_bound(defined):
    machine = Paravisor(defined=defined)
    ours = collector(machine)
    assert (ours.platform, ours.missing()) == ("snp-azure-vtpm", ())
    claims = AzureSnpVerifier(pins=snp_forge.all_pins()).verify(
        ours.collect(binding=BINDING), at=AT
    )
    require_bound(claims, BINDING)
    assert claims.facts[1].runtime == LOG
    assert machine.pauses == [1.0, 1.0]
    assert machine.tpm.storage[USER_DATA_INDEX] == BINDING


def test_evidence_of_a_tdx_machine_verifies_and_is_bound():
    ours = collector(Paravisor(kind=TDX))
    assert ours.platform == "tdx-azure-vtpm"
    claims = AzureTdxVerifier(pins=dcap_forge.intel().pins).verify(
        ours.collect(binding=BINDING), at=AT
    )
    require_bound(claims, BINDING)
    assert claims.facts[0].tcb_status == "UpToDate"


def test_a_paravisor_that_never_takes_the_bytes_up_is_given_up():
    machine = Paravisor(after=99)
    with pytest.raises(UnavailableError, match="^azure: the paravisor's report does not carry"):
        collector(machine).collect(binding=BINDING)
    assert len(machine.pauses) == 10


def test_a_machine_of_the_other_hardware_says_so():
    other = collector(Paravisor(), hardware=Hardware.TDX)
    assert other.missing() == ("hardware: found SEV_SNP, agreed TDX",)
    with pytest.raises(UnavailableError, match="^azure: found hardware SEV_SNP, agreed TDX"):
        other.collect(binding=BINDING)


def test_a_tpm_without_a_paravisor_says_what_is_missing():
    machine = Paravisor()
    del machine.tpm.storage[HCL_REPORT_INDEX]
    (sentence,) = collector(machine).missing()
    assert sentence.startswith("NV index 0x01400001: no paravisor report")


def test_a_key_that_signs_otherwise_is_refused():
    with pytest.raises(MalformedError, match="^azure quote: found ECDSA, agreed RSASSA"):
        collector(Paravisor(ak=AK)).collect(binding=BINDING)


@pytest.mark.parametrize("answer", [b"{}", b"[]", b'{"quote": 1}'])
def test_a_metadata_service_that_answers_nonsense_is_refused(answer):
    with pytest.raises(MalformedError, match="^azure td quote: no text 'quote'"):
        collector(Paravisor(kind=TDX), transport=lambda _: answer).collect(binding=BINDING)


def test_a_short_binding_is_refused_before_anything_is_written():
    machine = Paravisor()
    with pytest.raises(MalformedError, match="^binding: found 63"):
        collector(machine).collect(binding=BINDING[:63])
    assert USER_DATA_INDEX not in machine.tpm.storage


def test_a_register_that_somebody_used_before_is_refused():
    machine = Paravisor()
    machine.tpm.registers[14] = b"x" * 32
    with pytest.raises(EvidenceRefusedError, match="^TPM register 14: found extended"):
        collector(machine).collect(binding=BINDING)
