# SPDX-License-Identifier: Apache-2.0
"""Google Confidential Space: a token about one container in one confidential VM."""

from cleanroom.attestation.platforms.confidential_space.kind import KINDS

__all__ = ["KINDS"]
