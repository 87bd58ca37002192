# SPDX-License-Identifier: Apache-2.0
"""NVIDIA GPUs and NVSwitches: a signed SPDM report that answers one nonce.

Nothing but that nonce ties a GPU to a machine, so this evidence is a device's: it
counts beside the evidence of the machine that asked, never alone.
"""

from cleanroom.attestation.platforms.nvidia_gpu.kind import FOREIGN, KINDS

__all__ = ["FOREIGN", "KINDS"]
