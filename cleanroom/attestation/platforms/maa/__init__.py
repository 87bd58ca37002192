# SPDX-License-Identifier: Apache-2.0
"""Microsoft Azure Attestation: a token in which a service says what it verified.

Verified for those who already rely on that service. Our own runner brings the
hardware's evidence instead, which nobody has to be believed about.
"""

from cleanroom.attestation.platforms.maa.kind import KINDS

__all__ = ["KINDS"]
