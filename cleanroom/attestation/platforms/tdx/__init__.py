# SPDX-License-Identifier: Apache-2.0
"""Intel DCAP quotes: TDX virtual machines and, for strangers, SGX enclaves.

A quote proves which image was launched in a trust domain, what was extended into
its four run-time registers, and which 64 bytes it asked to be signed. How good
the processor's firmware is follows from Intel's collateral, never from the quote.
"""

from cleanroom.attestation.platforms.tdx.kind import FOREIGN, KINDS

__all__ = ["FOREIGN", "KINDS"]
