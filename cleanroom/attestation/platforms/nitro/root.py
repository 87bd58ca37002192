# SPDX-License-Identifier: Apache-2.0
"""Whom we believe about AWS Nitro: one root, pinned by the SHA-256 of its DER."""

from __future__ import annotations

from cleanroom.kernel.digest import Digest

PLATFORM = "nitro"
INSTANCE_PLATFORM = "nitro-tpm"

# "aws.nitro-enclaves" G1, for NitroTPM as well, P-384, until 2049-10-28.
ROOT_PIN = Digest.parse("sha256:641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b")
