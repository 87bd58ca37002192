# SPDX-License-Identifier: Apache-2.0
"""What a process with open keys waits for when its runners have loaded before.

``python -m bench.waiting PARTY ROOM YEAR...`` asks about each year, one after the other,
and prints what each answer took; the journey's workload starts it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cleanroom
from bench.measure import stopwatch
from cleanroom.identity.homes import config_directory

LOADING_SECONDS = 2.0  # a pause between two questions; a runner loads in less than one


def main(party: str, room: str, *years: str) -> None:
    """Ask about each year, the passphrase on standard input."""
    passphrase = sys.stdin.buffer.read().strip()
    profile = cleanroom.load_profile(config_directory(os.environ), party)
    keys = cleanroom.unlock(profile, passphrase, passphrase)
    taken = []
    with cleanroom.ReadyRunners(1) as ready:

        def ask(year: str) -> None:
            with ready.runner() as runner:
                verified = cleanroom.run_query(
                    profile,
                    keys.signer,
                    room=Path(room),
                    query="programmes",
                    parameters={"year": year},
                    receivers=(),
                    progress=lambda _: None,
                    runner=runner,
                )
                cleanroom.open_result(profile, keys, verified, room=Path(room))

        for year in years:
            time.sleep(LOADING_SECONDS)
            taken.append(asdict(stopwatch(partial(ask, year))))
    json.dump(taken, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
