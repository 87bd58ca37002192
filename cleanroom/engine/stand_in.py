# SPDX-License-Identifier: Apache-2.0
"""What takes the place of ``fsspec`` in a process where only the engine asks for it.

The engine's binding takes a file system if it is an instance of ``fsspec.AbstractFileSystem``,
and calls on it what ours define, and one method more. The library itself would load an event
loop, codecs and sockets, read a configuration file, and the entry points of every distribution
that is installed: half of what a query child loads, in the process that holds data keys.
"""

from __future__ import annotations

import sys
from types import ModuleType

from cleanroom.errors import UnavailableError

_LIBRARY = "fsspec"


class AbstractFileSystem:
    """The class that the engine asks for; it offers no file."""

    def unstrip_protocol(self, name: str) -> str:
        """Return a path as it is: every path of ours says its protocol."""
        return name


def take_the_place_of_fsspec() -> None:
    """Let whoever imports the library in this process, the engine included, find this class.

    Raises:
        UnavailableError: The library is loaded already; two classes of one name would not meet.
    """
    if _LIBRARY in sys.modules:
        raise UnavailableError(
            "engine: the file system library is loaded already", code="engine.stand-in"
        )
    for name in (_LIBRARY, f"{_LIBRARY}.spec"):
        module = ModuleType(name, __doc__)
        module.__dict__["AbstractFileSystem"] = AbstractFileSystem
        sys.modules[name] = module
