# SPDX-License-Identifier: Apache-2.0
"""What the disclosure gate checks by now; what it does not is refused here, statically."""

from __future__ import annotations

MOMENTS = False
GROUPING_SETS = False
