# SPDX-License-Identifier: Apache-2.0
"""A platform that protects nothing, built like those that do.

Anybody can forge its evidence: the signing seed is published in
:mod:`cleanroom.attestation.platforms.simulated.root`. It exists so that the
whole line runs on a laptop, and it says so in every result.
"""

from cleanroom.attestation.platforms.simulated.kind import KINDS

__all__ = ["KINDS"]
