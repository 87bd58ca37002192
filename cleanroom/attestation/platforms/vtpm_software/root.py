# SPDX-License-Identifier: Apache-2.0
"""What the software TPM is called, and the warning that goes with it; no root vouches for it."""

from __future__ import annotations

PLATFORM = "vtpm-software"
WARNING = "SOFTWARE TPM - NOT CONFIDENTIAL"
