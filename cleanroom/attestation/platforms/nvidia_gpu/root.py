# SPDX-License-Identifier: Apache-2.0
"""Whom we believe about NVIDIA devices: two roots, pinned by the SHA-256 of their DER."""

from __future__ import annotations

from cleanroom.kernel.digest import Digest

GPU = "nvidia-gpu"
SWITCH = "nvidia-switch"

# "NVIDIA Device Identity CA", P-384, until 9999-12-31: vouches for chips.
DEVICE_ROOT = Digest.parse(
    "sha256:102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48"
)
# "NVIDIA CoRIM signing Root CA", P-384, until 2053-03-08: vouches for reference values.
RIM_ROOT = Digest.parse("sha256:12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1")
