# SPDX-License-Identifier: Apache-2.0
"""A job: one signed run request that waits for a runner, and what became of it.

A job says nothing that anybody relies on. The request in the room and the receipt
carry signatures; a job only tells runners where work waits and people how it goes.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

from cleanroom.errors import CleanroomError
from cleanroom.kernel.record import dataclass

# What a runner says of itself, in this order. It waits for the hub's answer before it goes
# from RELEASING on: until then nothing is spent, afterwards a use may be.
STAGES = ("agree", "admit", "attest", "release keys", "run", "commit", "receipt")
RELEASING = STAGES.index("release keys")
COMMITTING = STAGES.index("commit")

LEASE_TIME = dt.timedelta(seconds=60)
BEAT_TIME = dt.timedelta(seconds=10)
MAX_ATTEMPTS = 10
FIRST_PAUSE = dt.timedelta(seconds=2)
LONGEST_PAUSE = dt.timedelta(minutes=5)
MAX_OPEN_OF_PARTY = 1000
MAX_OPEN_IN_ROOM = 4000


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    LEASED = "leased"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        """Whether something can still come of it without a late result."""
        return self in (JobState.QUEUED, JobState.LEASED, JobState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as the hub tells of it.

    Attributes:
        run: Run id; the signed request lies in the room.
        submitter: The party that signed it.
        state: Where it stands.
        stage: The stage that its runner reported last; empty before the first.
        attempts: How often a runner took it.
        queued: When it came.
        error: Why it failed; absent otherwise.
    """

    run: str
    submitter: str
    state: JobState
    stage: str
    attempts: int
    queued: dt.datetime
    error: CleanroomError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to work on a job, for a while.

    Attributes:
        run: Run id.
        number: Grows with every lease of a room; an older one counts no more.
        until: When it ends, unless a heartbeat comes.
    """

    run: str
    number: int
    until: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A run request that is to be queued.

    Attributes:
        run: Run id.
        submitter: The party that signed it.
        lineages: What it reads: two runs over one lineage would overtake each
            other's disclosure state, and the slower one would have spent its use.
        expires: When the request counts no more.
    """

    run: str
    submitter: str
    lineages: frozenset[str]
    expires: dt.datetime


def pause_after(attempts: int) -> dt.timedelta:
    """Say how long a job rests after it was handed back for the n-th time."""
    # Beyond ten doublings the limit is reached whatever the number.
    return min(FIRST_PAUSE * (1 << min(max(attempts - 1, 0), 10)), LONGEST_PAUSE)
