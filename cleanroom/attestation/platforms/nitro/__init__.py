# SPDX-License-Identifier: Apache-2.0
"""AWS Nitro: a document signed by the hypervisor, with measurements of an enclave or a machine."""

from cleanroom.attestation.platforms.nitro.kind import FOREIGN, KINDS

__all__ = ["FOREIGN", "KINDS"]
