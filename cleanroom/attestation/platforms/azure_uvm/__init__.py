# SPDX-License-Identifier: Apache-2.0
"""Azure confidential containers: Microsoft's word for the measurement of their utility VM."""

from cleanroom.attestation.platforms.azure_uvm.kind import FOREIGN

__all__ = ["FOREIGN"]
