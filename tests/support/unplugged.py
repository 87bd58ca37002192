# SPDX-License-Identifier: Apache-2.0
"""A room on a network of its own, which is pulled out and plugged in again under a run.

Run as ``unshare --net python -m tests.support.unplugged DIRECTORY``. What asks the hub
goes over this network's loopback; while it is down, packets are lost and nobody is told. The hub
dies meanwhile, so afterwards both its clients hold connections that nobody is at the other end of.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import time
from pathlib import Path

from tests.support.distributed import network

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1  # linux/sockios.h, net/if.h
STATEMENTS_OF_A_RUN = 2


def plug(*, in_: bool) -> None:
    """Set loopback up or down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = fcntl.ioctl(any_socket, _GET_FLAGS, struct.pack("16sh14x", b"lo", 0))
        flags = struct.unpack("16xh14x", asked)[0]
        flags = flags | _UP if in_ else flags & ~_UP
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags))


def main() -> None:
    """Cut the network before keys are asked for; the run waits, and costs one use."""
    plug(in_=True)
    with network(Path(sys.argv[1])) as net:
        net.services["runner"].start()
        before = net.uses()
        run = net.queue()
        net.wait(run, stage="agree")
        plug(in_=False)
        net.services["hub"].kill()
        # The run goes on to where the hub must have heard of it, and no further.
        time.sleep(3)
        spent = net.uses() - before
        plug(in_=True)
        net.services["hub"].start()
        job = net.wait(run)
        assert job.error is None, job.error
        assert net.uses() == before + STATEMENTS_OF_A_RUN
    sys.stdout.write(f"spent {spent}\n")


if __name__ == "__main__":
    main()
