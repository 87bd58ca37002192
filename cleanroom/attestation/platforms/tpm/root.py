# SPDX-License-Identifier: Apache-2.0
"""Roots below which clouds certify the attestation keys of their virtual TPMs.

Makers of TPM chips have dozens of roots for endorsement keys; a contract names an
enrolled key instead (:func:`~.endorsement.enrol`).
"""

from __future__ import annotations

from cleanroom.kernel.digest import Digest

PLATFORM = "tpm"
WARNING = "TPM ALONE - NOT CONFIDENTIAL"

# Google Cloud, "EK/AK CA Root", valid from 2022-07-08 until 2122-07-08.
GOOGLE_CLOUD = Digest.parse(
    "sha256:594759594b9b61524f6c8ef668f7177f7b9066bc0674f2f49fe9e052be78beb2"
)
ROOT_PINS = (GOOGLE_CLOUD,)
