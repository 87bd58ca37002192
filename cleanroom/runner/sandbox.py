# SPDX-License-Identifier: Apache-2.0
"""What confines a query here: the level a contract can demand, and its layers.

``process`` is no kernel sandbox. It separates keys from generated SQL, and says so
loudly in every receipt; stronger levels come with layers of their own.
"""

from __future__ import annotations

from cleanroom.contract.contract import SandboxLevel

LEVEL = SandboxLevel.PROCESS
LAYERS = ("no-new-privileges", "resource-limits", "separate-process")
