# SPDX-License-Identifier: Apache-2.0
"""Runs that wait in a hub's queue: put there, watched, cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cleanroom.cli.acting import chosen_profile, opening_keys
from cleanroom.cli.options import hints_naming, require_hub
from cleanroom.cli.passphrase import PassphraseSource
from cleanroom.cli.running import RunPrinter, Wanted
from cleanroom.cli.session import Session
from cleanroom.errors import CleanroomError, RefusedError, UnavailableError
from cleanroom.hub.job import Job, JobState
from cleanroom.hub.job_wire import job_json
from cleanroom.kernel.clock import system_clock
from cleanroom.mirror.mirror import mirror_of

if TYPE_CHECKING:
    from cleanroom.identity.profile import Profile
    from cleanroom.mirror.jobs import JobClient

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0


def has_operator(session: Session, room: str) -> bool:
    """Tell whether the contract of a room in a hub names an operator."""
    from cleanroom.contract import places
    from cleanroom.contract.contract import parse_contract
    from cleanroom.contract.layout import RoomDirectory

    mirror = mirror_of(room, chosen_profile(session))
    mirror.clone(room, data=False)
    if not (mirror.path / places.CONTRACT).exists():
        return False
    contract = parse_contract(RoomDirectory(path=mirror.path).load(places.CONTRACT).data)
    return any("operator" in party.roles for party in contract.parties)


def run_in_hub(
    session: Session, room: str, wanted: Wanted, *, source: PassphraseSource, wait: bool
) -> None:
    """Sign a request, let it wait for a runner, then verify what came of it."""
    from cleanroom import asking

    profile = chosen_profile(session)
    mirror, printer = mirror_of(room, profile), RunPrinter(session)
    with opening_keys(profile, source) as keys, hints_naming(mirror.path):
        request = asking.request_run(
            profile,
            keys.signer(),
            room=mirror.path,
            query=wanted.query,
            parameters=wanted.parameters,
            receivers=wanted.receivers,
        )
        mirror.push()
        with asking_jobs(room, profile) as jobs:
            job = jobs.put(request.run)
            if not wait:
                session.emit(job_json(job), f"{job.run} {job.state.value}")
                return
            session.note(f"run {job.run} waits for a runner …")
            follow(session.note, jobs, job)
        mirror.pull(data=False)
        printer.stage("verify")
        verified = asking.verify_run(profile, request, room=mirror.path)
        printer.finish(verified, profile=profile, keys=keys, room=mirror.path)


def watch_run(session: Session, room: str, run: str, *, cancel: bool) -> None:
    """Follow a job to its end, or cancel it.

    Raises:
        MalformedError: The room is a directory.
        CleanroomError: The job failed, or the hub refuses.
    """
    require_hub(room)
    with asking_jobs(room, chosen_profile(session)) as jobs:
        job = jobs.cancel(run) if cancel else jobs.find(run)
        if not cancel:
            job = follow(session.note, jobs, job)
        session.emit(job_json(job), f"{job.run} {job.state.value}")
        if not cancel:
            session.note(f"cleanroom result get {run} --room {room}")


@contextmanager
def asking_jobs(room: str, profile: Profile) -> Iterator[JobClient]:
    """Ask a hub about jobs in a party's name while the block runs."""
    from cleanroom.identity.authorities import load_authorities
    from cleanroom.mirror.client import HubClient
    from cleanroom.mirror.jobs import JobClient
    from cleanroom.mirror.login import kept_introduction

    caller = kept_introduction(profile, at=system_clock())
    authorities = load_authorities(profile.directory.parent)
    with HubClient(room, caller=caller, authorities=authorities) as client:
        yield JobClient(client=client)


def follow(tell: Callable[[str], None], jobs: JobClient, job: Job) -> Job:
    """Tell where a job stands until it ends; a hub that is away is asked again.

    Raises:
        CleanroomError: The job failed: the error that the hub tells of, which nobody signed.
        RefusedError: It was cancelled.
    """
    told, pause = "", FIRST_PAUSE
    while job.state.is_open:
        now = job.stage or job.state.value
        if now != told:
            tell(f"{now} …")
            told, pause = now, FIRST_PAUSE
        time.sleep(pause)
        pause = min(1.5 * pause, LONGEST_PAUSE)
        try:
            job = jobs.find(job.run)
        except UnavailableError as error:
            if told != error.code:
                tell(f"{error.message}; asking again")
            told = error.code
    if job.state is JobState.DONE:
        return job
    raise _ended(job)


def _ended(job: Job) -> CleanroomError:
    if job.error is not None:
        return job.error
    return RefusedError(
        f"run {job.run}: {job.state.value}", code=f"hub.{job.state.value}", hint="cleanroom run"
    )
