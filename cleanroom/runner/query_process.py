# SPDX-License-Identifier: Apache-2.0
"""The query child as a process of its own: nothing else lives here, so it loads no more than that.

See :mod:`cleanroom.runner.child` for what it does. Only a process that starts with this
module imports it. It opens its engine as it loads: behind Landlock, before the filter of system
calls, which holds every thread, and before anything is known of a query.
"""

from __future__ import annotations

import os
from typing import BinaryIO

from cleanroom.kernel.process import loading

with loading():
    from cleanroom.engine.stand_in import take_the_place_of_fsspec

    take_the_place_of_fsspec()

    from cleanroom.engine.query import EarlyEngine
    from cleanroom.runner import child

_early = EarlyEngine(threads=len(os.sched_getaffinity(0)))


def work(answer: BinaryIO) -> None:
    """Read one job from standard input and write what came of it."""
    child.work(answer, opening=_early.limited)
