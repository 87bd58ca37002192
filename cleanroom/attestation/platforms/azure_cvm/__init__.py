# SPDX-License-Identifier: Apache-2.0
"""Azure confidential VMs: a paravisor stands between guest and processor.

The guest cannot ask the processor for a report over bytes of its own. Its
virtual TPM attests instead, and the paravisor's hardware report vouches for the
TPM's key. Two places carry the binding: the fresh quote, and ``user-data``,
which the hardware report digests.
"""

from cleanroom.attestation.platforms.azure_cvm.kind import KINDS

__all__ = ["KINDS"]
