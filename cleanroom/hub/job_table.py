# SPDX-License-Identifier: Apache-2.0
r"""The job queue of a room, in the database of its entries: a result and its job change together.

    queued -> leased -> running -> done | failed
       \________\__________\____-> cancelled

A lease that ran out before the runner said that it asks for keys goes back to the queue:
it waits for our answer before it asks. One that ran out afterwards does not: keys may be
out, and a second runner would spend a second use. A result that comes late is still the
result of its run, in whatever state.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3

from cleanroom.errors import CleanroomError, RefusedError, UnavailableError, from_wire, to_wire
from cleanroom.hub import events
from cleanroom.hub.events import EventKind
from cleanroom.hub.job import (
    LEASE_TIME,
    MAX_ATTEMPTS,
    MAX_OPEN_IN_ROOM,
    MAX_OPEN_OF_PARTY,
    RELEASING,
    STAGES,
    Job,
    JobState,
    Lease,
    NewJob,
    pause_after,
)
from cleanroom.kernel.record import dataclass

PREPARE = (
    "CREATE TABLE IF NOT EXISTS job (number INTEGER PRIMARY KEY AUTOINCREMENT,"
    " run TEXT NOT NULL UNIQUE, submitter TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued',"
    " stage TEXT NOT NULL DEFAULT '', error TEXT NOT NULL DEFAULT '', queued INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, ready INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,"
    " lease INTEGER NOT NULL DEFAULT 0, holder TEXT NOT NULL DEFAULT '',"
    " until INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX IF NOT EXISTS job_state ON job (state, number);"
    "CREATE TABLE IF NOT EXISTS job_lineage (number INTEGER NOT NULL, lineage TEXT NOT NULL,"
    " PRIMARY KEY (number, lineage)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS job_lease"
    " (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), last INTEGER NOT NULL);"
    "INSERT OR IGNORE INTO job_lease VALUES (1, 0);"
)
_COLUMNS = "run, submitter, state, stage, attempts, queued, error"
_NEXT = (
    "SELECT number, run FROM job WHERE state = 'queued' AND ready <= ? AND NOT EXISTS ("
    " SELECT 1 FROM job_lineage AS mine"
    " JOIN job AS busy ON busy.state IN ('leased', 'running')"
    " JOIN job_lineage AS taken ON taken.number = busy.number AND taken.lineage = mine.lineage"
    " WHERE mine.number = job.number) ORDER BY number LIMIT 1"
)
_TAKEN = "SELECT number, state, stage, attempts FROM job WHERE run = ? AND lease = ? AND holder = ?"
_ASKED = str(STAGES[RELEASING:])  # as SQL writes a list of texts, too
MAX_LISTED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Who claims to hold a lease.

    Attributes:
        party: The operator that asks.
        lease: Number of the lease.
    """

    party: str
    lease: int


class JobTable:
    """The jobs of a room inside one transaction."""

    def __init__(self, database: sqlite3.Connection, *, at: dt.datetime) -> None:
        """Take a database in a transaction; what ran out by now is settled first.

        Args:
            database: Holds the tables of ``PREPARE``.
            at: The hub's time.
        """
        self._database = database
        self._at = at
        self._settle()

    def put(self, job: NewJob) -> Job:
        """Queue a run request; one that was queued before stays as it is.

        Raises:
            UnavailableError: Too many wait already.
        """
        known = self.find(job.run)
        if known is not None:
            return known
        self._require_few(job.submitter)
        row = self._database.execute(
            "INSERT INTO job (run, submitter, queued, expires, ready) VALUES (?, ?, ?, ?, ?)",
            (job.run, job.submitter, self._now(), int(job.expires.timestamp()), self._now()),
        )
        self._database.executemany(
            "INSERT INTO job_lineage VALUES (?, ?)",
            [(row.lastrowid, lineage) for lineage in sorted(job.lineages)],
        )
        self._publish(EventKind.JOB_QUEUED, job.run)
        return self.require(job.run)

    def take(self, party: str) -> Lease | None:
        """Lease the job that waited longest and whose datasets nobody works on."""
        row = self._database.execute(_NEXT, (self._now(),)).fetchone()
        if row is None:
            return None
        number, run = row
        # Fencing: a number is never given twice, so an older bearer is told apart.
        self._database.execute("UPDATE job_lease SET last = last + 1")
        (lease,) = self._database.execute("SELECT last FROM job_lease").fetchone()
        until = self._at + LEASE_TIME
        self._database.execute(
            "UPDATE job SET state = 'leased', stage = '', attempts = attempts + 1, lease = ?,"
            " holder = ?, until = ? WHERE number = ?",
            (lease, party, _seconds(until), number),
        )
        return Lease(run=run, number=lease, until=until)

    def beat(self, run: str, bearer: Bearer, *, stage: str) -> dt.datetime:
        """Hold a lease for longer, and tell the stage; from the first beat on the job runs.

        A stage never goes back: a heartbeat that was overtaken must not hide that keys are
        being asked for.

        Raises:
            RefusedError: The lease counts no more: the runner stops what it does.
        """
        number, state, told, _ = self._held(run, bearer)
        stage = max(told, stage, key=_position)
        until = self._at + LEASE_TIME
        if state == JobState.LEASED:
            self._publish(EventKind.JOB_STARTED, run)
        elif told != stage:
            self._publish(EventKind.JOB_PROGRESS, run)
        self._database.execute(
            "UPDATE job SET state = 'running', stage = ?, until = ? WHERE number = ?",
            (stage, _seconds(until), number),
        )
        return until

    def hand_back(self, run: str, bearer: Bearer, *, error: CleanroomError) -> None:
        """Put a job back that could not begin, to be tried later and not for ever.

        Raises:
            RefusedError: The lease counts no more.
        """
        number, _, _, attempts = self._held(run, bearer)
        if attempts >= MAX_ATTEMPTS:
            self._fail(number, run, error)
            return
        ready = self._at + pause_after(attempts)
        self._database.execute(
            "UPDATE job SET state = 'queued', stage = '', lease = 0, ready = ? WHERE number = ?",
            (_seconds(ready), number),
        )

    def fail(self, run: str, bearer: Bearer, *, error: CleanroomError) -> None:
        """End a job without a result.

        Raises:
            RefusedError: The lease counts no more.
        """
        number, _, _, _ = self._held(run, bearer)
        self._fail(number, run, error)

    def finish(self, run: str) -> None:
        """End a job with its result, which whoever calls this has put into the room."""
        changed = self._database.execute(
            "UPDATE job SET state = 'done', stage = 'receipt', error = ''"
            " WHERE run = ? AND state <> 'done'",
            (run,),
        )
        if changed.rowcount:
            self._publish(EventKind.JOB_FINISHED, run)

    def cancel(self, run: str) -> Job:
        """Let nobody begin or go on with a job; one that ended stays as it is.

        Raises:
            RefusedError: There is no such job.
        """
        changed = self._database.execute(
            "UPDATE job SET state = 'cancelled', lease = 0"
            " WHERE run = ? AND state IN ('queued', 'leased', 'running')",
            (run,),
        )
        if changed.rowcount:
            self._publish(EventKind.JOB_CANCELLED, run)
        return self.require(run)

    def find(self, run: str) -> Job | None:
        """Return a job; ``None`` if that run was never queued."""
        form = f"SELECT {_COLUMNS} FROM job WHERE run = ?"  # noqa: S608 - our own names
        row = self._database.execute(form, (run,)).fetchone()
        return None if row is None else _job(row)

    def require(self, run: str) -> Job:
        """Return a job.

        Raises:
            RefusedError: That run was never queued.
        """
        found = self.find(run)
        if found is None:
            raise RefusedError(
                f"hub: run {run} is not in the queue",
                code="hub.no-job",
                hint="cleanroom run QUERY --room URL puts one there",
            )
        return found

    def latest(self) -> tuple[Job, ...]:
        """Return the jobs that came last, the newest first."""
        form = f"SELECT {_COLUMNS} FROM job ORDER BY number DESC LIMIT ?"  # noqa: S608 - likewise
        return tuple(_job(row) for row in self._database.execute(form, (MAX_LISTED,)))

    def _held(self, run: str, bearer: Bearer) -> tuple[int, str, str, int]:
        row: tuple[int, str, str, int] | None = self._database.execute(
            _TAKEN, (run, bearer.lease, bearer.party)
        ).fetchone()
        if row is None or row[1] not in (JobState.LEASED, JobState.RUNNING):
            raise RefusedError(
                f"hub: the lease {bearer.lease} of run {run} counts no more",
                code="hub.lease-lost",
                hint="it ran out, or the submitter cancelled the job; a result is still taken",
            )
        return row

    def _settle(self) -> None:
        now = self._now()
        lost = UnavailableError(
            "runner: not heard of since it asked for keys",
            code="hub.runner-lost",
            hint="a use may be spent, so nobody begins again by itself; "
            "run the query again, which is a new use",
        )
        self._fail_all(f"until <= ? AND state = 'running' AND stage IN {_ASKED}", (now,), lost)
        hopeless = UnavailableError(
            f"runner: {MAX_ATTEMPTS} took the job and none came to ask for keys",
            code="hub.attempts",
            hint="nothing was spent; see what the runner says, then run the query again",
        )
        taken = "until <= ? AND state IN ('leased', 'running')"
        self._fail_all(f"{taken} AND attempts >= ?", (now, MAX_ATTEMPTS), hopeless)
        self._database.execute(
            f"UPDATE job SET state = 'queued', stage = '', lease = 0, ready = ? WHERE {taken}",  # noqa: S608 - our own words
            (now, now),
        )
        expired = RefusedError(
            "run request: expired before a runner took it",
            code="hub.run-expired",
            hint="sign a new one when a runner serves the room",
        )
        self._fail_all("state = 'queued' AND expires <= ?", (now,), expired)

    def _fail_all(self, which: str, values: tuple[int, ...], error: CleanroomError) -> None:
        form = f"SELECT number, run FROM job WHERE {which}"  # noqa: S608 - our own words
        for number, run in self._database.execute(form, values).fetchall():
            self._fail(number, run, error)

    def _fail(self, number: int, run: str, error: CleanroomError) -> None:
        self._database.execute(
            "UPDATE job SET state = 'failed', error = ? WHERE number = ?", (_written(error), number)
        )
        self._publish(EventKind.JOB_FAILED, run)

    def _publish(self, kind: EventKind, run: str) -> None:
        events.publish(self._database, kind=kind, subject=run, at=self._at)

    def _require_few(self, submitter: str) -> None:
        room, own = self._database.execute(
            "SELECT count(*), count(*) FILTER (WHERE submitter = ?) FROM job"
            " WHERE state IN ('queued', 'leased', 'running')",
            (submitter,),
        ).fetchone()
        if own >= MAX_OPEN_OF_PARTY or room >= MAX_OPEN_IN_ROOM:
            raise UnavailableError(
                f"hub: at most {MAX_OPEN_OF_PARTY} jobs of a party and {MAX_OPEN_IN_ROOM} of a "
                "room wait at once",
                code="hub.too-many-jobs",
                hint="wait for some to end, or cancel them: cleanroom watch RUN --cancel",
            )

    def _now(self) -> int:
        return _seconds(self._at)


def _position(stage: str) -> int:
    return STAGES.index(stage) if stage in STAGES else -1


def _seconds(moment: dt.datetime) -> int:
    return int(moment.timestamp())


def _written(error: CleanroomError) -> str:
    return json.dumps(to_wire(error))


def _job(row: tuple[str, str, str, str, int, int, str]) -> Job:
    run, submitter, state, stage, attempts, queued, error = row
    told = json.loads(error) if error else None
    return Job(
        run=run,
        submitter=submitter,
        state=JobState(state),
        stage=stage,
        attempts=attempts,
        queued=dt.datetime.fromtimestamp(queued, dt.UTC),
        error=None
        if told is None
        else from_wire(
            told["class"], code=told["code"], message=told["message"], hint=told["hint"]
        ),
    )
