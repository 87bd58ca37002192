# SPDX-License-Identifier: Apache-2.0
"""configfs-tsm as the kernel behaves, without a kernel.

``Documentation/ABI/testing/configfs-tsm-report`` and ``drivers/virt/coco/tsm.c``: a
directory appears with its attributes, ``inblob`` is write-only and at most 64
bytes, every write counts in ``generation``, and reading ``outblob`` answers
EWOULDBLOCK when somebody wrote while it was being made.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field

REPORTS = "sys/kernel/config/tsm/report"


def kernel_error(number: int) -> OSError:
    """Make the error that a system call would raise."""
    return OSError(number, "kernel")


@dataclass(kw_only=True)
class FakeConfigfs:
    """A file system with configfs-tsm in it.

    Attributes:
        provider: Name of the driver; empty when none is loaded.
        answer: Makes ``outblob`` of ``inblob`` and the privilege level.
        auxblob: Certificates; None when the driver has no such attribute.
        floor: Least privilege level.
        also: Other files that exist.
        disturbances: How many readings another process disturbs.
        uncounted: Writes of others between our last one and the end.
        failing: Attribute to the error that it answers with.
        others: Other files that can be read.
        left: Directories that are there now.
    """

    provider: str = "sev_guest"
    answer: Callable[[bytes, int], bytes] = lambda inblob, level: inblob + bytes([level])
    auxblob: bytes | None = b""
    floor: int = 0
    also: frozenset[str] = frozenset()
    disturbances: int = 0
    uncounted: int = 0
    failing: dict[str, int] = field(default_factory=dict)
    others: dict[str, bytes] = field(default_factory=dict)
    left: dict[str, dict[str, bytes | int]] = field(default_factory=dict)

    def exists(self, path: str) -> bool:
        if path == REPORTS:
            return bool(self.provider)
        directory, _, name = path.rpartition("/")
        if directory in self.left:
            return name != "auxblob" or self.auxblob is not None
        return path in self.also

    def make_directory(self, path: str) -> None:
        self._fail("mkdir")
        if not path.startswith(f"{REPORTS}/") or path in self.left:
            raise kernel_error(errno.EEXIST)
        self.left[path] = {"generation": 0, "level": 0}

    def remove_directory(self, path: str) -> None:
        self._fail("rmdir")
        del self.left[path]

    def write(self, path: str, data: bytes) -> None:
        request, name = self._request(path)
        if name == "inblob":
            if len(data) > 64:
                raise kernel_error(errno.EINVAL)
            request["inblob"] = data
        elif name == "privlevel" and self.provider == "sev_guest":
            # kstrtouint: text, and at most 3.
            if not data.strip().isdigit() or int(data) > 3:
                raise kernel_error(errno.EINVAL)
            request["level"] = int(data)
        else:
            raise kernel_error(errno.EACCES)
        request["generation"] = int(request["generation"]) + 1

    def read(self, path: str) -> bytes:
        return self.others[path] if path in self.others else self._attribute(path)

    def _attribute(self, path: str) -> bytes:
        request, name = self._request(path)
        if name == "provider":
            return f"{self.provider}\n".encode()
        if name == "privlevel_floor":
            return f"{self.floor}\n".encode()
        if name == "generation":
            return f"{int(request['generation']) + self.uncounted}\n".encode()
        if name == "auxblob" and self.auxblob is not None:
            return self.auxblob
        if name != "outblob":
            raise kernel_error(errno.EACCES)
        if self.disturbances:
            self.disturbances -= 1
            raise kernel_error(errno.EWOULDBLOCK)
        inblob = request.get("inblob")
        if not isinstance(inblob, bytes):
            raise kernel_error(errno.EINVAL)
        return self.answer(inblob, int(request["level"]))

    def _request(self, path: str) -> tuple[dict[str, bytes | int], str]:
        directory, _, name = path.rpartition("/")
        self._fail(name)
        if directory not in self.left:
            raise kernel_error(errno.ENOENT)
        return self.left[directory], name

    def _fail(self, name: str) -> None:
        if name in self.failing:
            raise kernel_error(self.failing[name])
