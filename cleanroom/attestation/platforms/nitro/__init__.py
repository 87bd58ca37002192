# SPDX-License-Identifier: Apache-2.0
"""AWS Nitro Enclaves: a document signed by the hypervisor, with the image's measurements."""

from cleanroom.attestation.platforms.nitro.kind import KINDS

__all__ = ["KINDS"]
