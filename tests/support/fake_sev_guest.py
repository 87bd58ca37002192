# SPDX-License-Identifier: Apache-2.0
"""``/dev/sev-guest`` as the kernel behaves: it follows the addresses in the argument.

``include/uapi/linux/sev-guest.h`` and ``drivers/virt/coco/sev-guest/sev-guest.c``.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

GET_EXT_REPORT = 0xC0205302
HOST_TOO_SMALL, HOST_BUSY = 1 << 32, 2 << 32


@dataclass(kw_only=True)
class FakeSevGuest:
    """The device.

    Attributes:
        answer: Makes a report of the bytes and the privilege level.
        table: The host's certificates.
        busy: How many calls the host puts off.
        status: Status of the response.
        claimed: Size that the response claims; that of the report by default.
        refused: Exit information of a refusal; none by default.
        wanted: Size that it asks for when the buffer is too small.
        calls: What was asked so far: bytes, level, size of the buffer.
    """

    answer: Callable[[bytes, int], bytes]
    table: bytes = b""
    busy: int = 0
    status: int = 0
    claimed: int | None = None
    refused: int | None = None
    wanted: int | None = None
    calls: list[tuple[bytes, int, int]] = field(default_factory=list)

    def __call__(self, number: int, argument: bytearray) -> None:
        assert number == GET_EXT_REPORT
        assert len(argument) == 32
        version, request_at, response_at, _ = struct.unpack("=B7xQQQ", argument)
        assert version == 1
        request = (ctypes.c_char * 112).from_address(request_at)
        data, level, buffer_at, size = struct.unpack("=64sI28xQI4x", bytes(request))
        self.calls.append((data, level, size))
        if self.refused is not None:
            self._exit(argument, self.refused, errno.EIO)
        if self.busy:
            self.busy -= 1
            self._exit(argument, HOST_BUSY, errno.EAGAIN)
        needed = -(-len(self.table) // 4096) * 4096
        if size < needed:
            struct.pack_into("=I", request, 104, needed if self.wanted is None else self.wanted)
            self._exit(argument, HOST_TOO_SMALL, errno.EIO)
        report = self.answer(data, level)
        size_claimed = len(report) if self.claimed is None else self.claimed
        head = struct.pack("=II24x", self.status, size_claimed)
        ctypes.memmove(response_at, head + report, len(head) + len(report))
        ctypes.memmove(buffer_at, self.table, len(self.table))

    def _exit(self, argument: bytearray, information: int, number: int) -> None:
        struct.pack_into("=Q", argument, 24, information)
        raise OSError(number, "kernel")
