# SPDX-License-Identifier: Apache-2.0
"""The words between the runner and a process that runs code.

Apart from what the runner makes of them: such a process starts often, and what it does
not need is a third of the time that it takes.
"""

from __future__ import annotations

import builtins

CODE_NAME = "<analysis>"
FRAME, NUMBERS, RAISED, OTHER = "frame", "numbers", "raised", "other"
MAX_JOB_LINE_BYTES = 1 << 20
EXCEPTIONS = frozenset(
    name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
)
UNKNOWN = "Exception"
