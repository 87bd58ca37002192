# SPDX-License-Identifier: Apache-2.0
"""Find the thread pools of scikit-learn's libraries while they can still be found.

Clusters and nearest neighbours limit the threads of the libraries below them. What they
ask for that list makes memory executable, or reads ``/proc``: a child can do neither once
it is confined. scikit-learn keeps the list, so this module, imported after it and
before system calls are filtered, has it made.
"""

from __future__ import annotations

import sys


def found() -> bool:
    """Have the list made, where scikit-learn is loaded; tell whether it is there."""
    loaded = sys.modules.get("sklearn.utils.parallel")
    pools = sys.modules.get("threadpoolctl")
    if loaded is None or pools is None:
        return False
    # Landlock has closed /proc by now; the loader itself knows what is loaded.
    pools._HAS_PROCFS = False  # type: ignore[attr-defined]  # noqa: SLF001 - no other way to say it
    return loaded._get_threadpool_controller() is not None  # noqa: SLF001 - where it is kept


FOUND = found()
