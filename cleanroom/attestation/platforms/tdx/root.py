# SPDX-License-Identifier: Apache-2.0
"""Intel's root and the quoting enclaves that count, pinned (ATTESTATION 2.3)."""

from __future__ import annotations

from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IntelPins:
    """Whom to believe.

    Attributes:
        root: SHA-256 of the root's DER ("Intel SGX Root CA").
        vendor: Vendor of the quoting enclave, 16 bytes.
        sgx_signer: MRSIGNER of the quoting enclave for enclaves, 32 bytes.
        tdx_signer: MRSIGNER of the quoting enclave for trust domains, 32 bytes.
    """

    root: Digest
    vendor: bytes
    sgx_signer: bytes
    tdx_signer: bytes


INTEL_PINS = IntelPins(
    root=Digest.parse("sha256:44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"),
    vendor=bytes.fromhex("939a7233f79c4ca9940a0db3957f0607"),
    sgx_signer=bytes.fromhex("8c4f5775d796503e96137f77c68a829a0056ac8ded70140b081b094490c57bff"),
    tdx_signer=bytes.fromhex("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5"),
)
