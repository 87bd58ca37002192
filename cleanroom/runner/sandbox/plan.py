# SPDX-License-Identifier: Apache-2.0
"""What the runner tells a child about its own confinement, before anything else.

It travels as one argument of the command line: it holds places and limits, never
a key or a value.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from cleanroom.kernel.record import dataclass
from cleanroom.runner.sandbox.limits import ChildLimits

NOBODY_GIVES = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one child confines itself, and what it does then.

    Attributes:
        module: Imported once files are out of reach; its ``work`` is called once system
            calls are too, with a stream to write the answer to.
        own_layers: Whether it puts on Landlock and the filter of system calls itself; a
            bubblewrap around it is none of its business.
        import_path: Where modules lie beside the standard library.
        readable: Places that Landlock leaves readable.
        limits: What it may use.
        others_code: Whether code that somebody else wrote will run in it.
        preload: Libraries to import before system calls are filtered; absent ones are left out.
        control: Socket over which limits and open files come once there is work, or
            ``NOBODY_GIVES`` where both are there from the start.
        user: User to become, or 0 to stay the one that started it.
        reads_as_root: Whether it goes on reading what only root can, where Landlock leaves it.
    """

    module: str
    own_layers: bool
    import_path: tuple[str, ...]
    readable: tuple[str, ...]
    limits: ChildLimits
    user: int
    control: int = NOBODY_GIVES
    preload: tuple[str, ...] = ()
    others_code: bool = False
    reads_as_root: bool = False

    def encode(self) -> str:
        """Write the plan as one argument."""
        return json.dumps(dataclasses.asdict(self))


def decode_plan(value: Mapping[str, Any]) -> Plan:
    """Read what :meth:`Plan.encode` wrote, from its parsed JSON."""
    return Plan(
        module=value["module"],
        own_layers=value["own_layers"],
        import_path=tuple(value["import_path"]),
        readable=tuple(value["readable"]),
        limits=ChildLimits(**value["limits"]),
        user=value["user"],
        control=value["control"],
        preload=tuple(value["preload"]),
        others_code=value["others_code"],
        reads_as_root=value["reads_as_root"],
    )
