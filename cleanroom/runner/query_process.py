# SPDX-License-Identifier: Apache-2.0
"""The query child as a process of its own: nothing else lives here, so it loads no more than that.

See :mod:`cleanroom.runner.child` for what it does. Only a process that starts with this
module imports it.
"""

from __future__ import annotations

from cleanroom.kernel.process import loading

with loading():
    from cleanroom.engine.stand_in import take_the_place_of_fsspec

    take_the_place_of_fsspec()

    from cleanroom.runner.child import work

__all__ = ["work"]
