# SPDX-License-Identifier: Apache-2.0
"""Speak HTTP for the broker of a benchmark: by a clock that stands still, as often as asked."""

from __future__ import annotations

import sys

from cleanroom.server.doorkeeper import main
from tests.support.brokers import TickingClock
from tests.support.served_brokers import GENEROUS

if __name__ == "__main__":
    sys.exit(main(clock=TickingClock(), rate=GENEROUS))
