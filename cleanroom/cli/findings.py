# SPDX-License-Identifier: Apache-2.0
"""What a check of the doctor is told, and what it answers."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from pathlib import Path

from cleanroom.kernel.record import dataclass


class State(StrEnum):
    """How a link is."""

    HOLDS = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        link: What was looked at.
        state: How it is.
        found: What was seen, in words.
        fix: The command or step that mends it; empty if nothing is to be done.
    """

    link: str
    state: State
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where the checks look.

    Attributes:
        config: Directory of profiles.
        profile: Profile asked for; empty means every one there is.
        room: The shared directory, which may be absent.
        now: The time.
    """

    config: Path
    profile: str
    room: Path
    now: dt.datetime
