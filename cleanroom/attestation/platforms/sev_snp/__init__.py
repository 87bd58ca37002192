# SPDX-License-Identifier: Apache-2.0
"""AMD SEV-SNP: a report signed by a key that the chip, or the cloud's service, derived.

It proves which virtual machine image was launched in encrypted memory, on which
firmware, and which 64 bytes the guest asked to be signed. It does not prove what
the guest did after launch.
"""

from cleanroom.attestation.platforms.sev_snp.kind import KINDS

__all__ = ["KINDS"]
