# SPDX-License-Identifier: Apache-2.0
"""Ask Azure's attestation service for a token about an SEV-SNP report.

Source: Microsoft, "Attest Sev Snp Vm" REST interface. The service hashes what it gets
as runtime data and compares the first half of the report's data with it, so the
report is made here, over that hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from cleanroom.attestation.binding import Channel, expected_in
from cleanroom.attestation.collateral import CollateralRequest, Transport
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.fields import encode_base64url
from cleanroom.attestation.pem import pem_of
from cleanroom.attestation.platform import Collector
from cleanroom.attestation.platforms.maa.root import ISSUER, PLATFORM
from cleanroom.attestation.platforms.sev_snp.chain import CHAIN_ITEM, VEK_ITEM
from cleanroom.attestation.tokens.jws import MAX_TOKEN_BYTES, parse_token
from cleanroom.attestation.tokens.keys import KEY_SET
from cleanroom.errors import MalformedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_base64 import encode_base64
from cleanroom.kernel.strict_json import parse_json

_API = "/attest/SevSnpVm?api-version=2022-08-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaaCollector:
    """Collect a token, and the key set that its issuer shows at that moment.

    Attributes:
        issuer: The service, of the form that Azure gives its addresses.
        transport: How to reach it.
        machine: Makes the processor's report over 64 bytes, with its certificates.
    """

    issuer: str
    transport: Transport
    machine: Collector

    @property
    def platform(self) -> str:
        """Name of the kind that it makes."""
        return PLATFORM

    def missing(self) -> tuple[str, ...]:
        """Say what is lacking; empty if ready."""
        if not ISSUER.fullmatch(self.issuer):
            return (f"{self.issuer} is no address of Azure's attestation service.",)
        return self.machine.missing()

    def collect(self, *, binding: bytes) -> EvidenceItem:
        """Return a token whose nonce is derived from the 64 bytes.

        Raises:
            MalformedError: The binding is not 64 bytes, the issuer is none, or the
                answer is no token.
            UnavailableError: The processor or the service does not answer.
        """
        if not ISSUER.fullmatch(self.issuer):
            raise MalformedError(
                "maa issuer: not an address of Azure's attestation service", code="maa.issuer"
            )
        nonce = encode_base64(expected_in(Channel.TOKEN, binding))
        runtime = canonical_json({"client-payload": {"nonce": nonce}})
        report = self.machine.collect(binding=hashlib.sha256(runtime).digest() + bytes(32))
        answer = self.transport(self._request(report, runtime))
        members = parse_json(answer, what="maa answer", limit=2 * MAX_TOKEN_BYTES)
        token = members.get("token") if isinstance(members, dict) else None
        if not isinstance(token, str):
            raise MalformedError("maa answer: found no token", code="maa.answer")
        parse_token(token.encode("utf-8"), what="maa token")
        return EvidenceItem(
            platform=PLATFORM,
            report=token.encode("utf-8"),
            collateral={KEY_SET: self.transport(key_set_request(self.issuer))},
        )

    def _request(self, evidence: EvidenceItem, runtime: bytes) -> CollateralRequest:
        chain = _chain_text(evidence.collateral)
        wrapped = canonical_json(
            {
                "SnpReport": encode_base64url(evidence.report),
                "VcekCertChain": encode_base64url(chain),
            }
        )
        return CollateralRequest(
            name="token",
            url=self.issuer + _API,
            method="POST",
            headers={"Content-Type": "application/json"},
            body=canonical_json(
                {
                    "report": encode_base64url(wrapped),
                    "runtimeData": {"data": encode_base64url(runtime), "dataType": "JSON"},
                }
            ),
        )


def _chain_text(collateral: Mapping[str, bytes]) -> bytes:
    # The host may hand out no certificates; then the service looks for them itself.
    vek = collateral.get(VEK_ITEM)
    return (b"" if vek is None else pem_of(vek)) + collateral.get(CHAIN_ITEM, b"")


def key_set_request(issuer: str) -> CollateralRequest:
    """Ask an issuer for its keys, at the address that belongs to it; ``jku`` is not asked."""
    return CollateralRequest(
        name=KEY_SET, url=f"{issuer}/certs", method="GET", headers={}, body=b""
    )
