# SPDX-License-Identifier: Apache-2.0
"""Whom we believe about NVIDIA devices: two roots, pinned by the SHA-256 of their DER.

Below them stand authorities that all chips or all manifests of a generation share. Who signed
those was verified when the pairs were written down, and is by a test against real chains: a
signature over the same bytes by the same key cannot come to hold or not to hold, so a verifier
need not pay for it again. Time, permissions and revocation are judged as for any certificate.
"""

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

_DEVICES_GH100 = Digest.parse(
    "sha256:24713555df10fcfd2cb8941e94a064edd1e14e028be12c6523b2136694bbe5f5"
)
_PROVISIONER_GH100 = Digest.parse(
    "sha256:b20040bdc80f6961a2b9c9493cb804b61f41f1008f14ba80010039f4dd467ee9"
)
_PROVISIONER_LS10 = Digest.parse(
    "sha256:e74e3ce447d58b7131d3241417a58d202cc43327c657b69498dd80913ce912be"
)
_VALUES_GH100 = Digest.parse(
    "sha256:3babc25419fc3da9e06408b37e27f1a19a5fecac3dd2a02865bebc7b583ec5f0"
)
_VALUES_GH100_001 = Digest.parse(
    "sha256:25bb53b9630fb21cb4784d9378c9f1a74801c55ffc61af19258197b62dbd17d8"
)
_VALUES_GH100_002 = Digest.parse(
    "sha256:7677c3c6dab3e5a24a668def3ec0c6969d0c002ec9fc4cdef44d8de17988a449"
)

# Certificate and issuer.
ISSUED: frozenset[tuple[Digest, Digest]] = frozenset(
    {
        (_DEVICES_GH100, DEVICE_ROOT),
        (_PROVISIONER_GH100, _DEVICES_GH100),
        (_PROVISIONER_LS10, _DEVICES_GH100),
        (_VALUES_GH100, RIM_ROOT),
        (_VALUES_GH100_001, _VALUES_GH100),
        (_VALUES_GH100_002, _VALUES_GH100),
    }
)
