# SPDX-License-Identifier: Apache-2.0
"""What a hub, submitters and runners say to each other about jobs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from cleanroom.contract.wire import Name, RunName
from cleanroom.errors import CleanroomError, MalformedError, from_wire, to_wire
from cleanroom.hub.job import STAGES, Job, JobState, Lease
from cleanroom.hub.wire import Content, ContentWire, content_json, read_content
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.clock import format_time, parse_time
from cleanroom.kernel.limits import MAX_SAFE_INTEGER, MIB
from cleanroom.kernel.plain_text import printable
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

MAX_JOB_BYTES = MIB
_WHAT = "hub job"
_LEASE = "cleanroom.hub-lease.v0"
_Count = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
_Words = Annotated[str, Field(max_length=500)]
_Time = Annotated[str, Field(max_length=32)]
_Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9.-]{0,63}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """A runner's word that it is alive.

    Attributes:
        lease: Number of its lease.
        stage: The stage that it is in.
    """

    lease: int
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Giving:
    """A runner's word that there will be no result from it.

    Attributes:
        lease: Number of its lease.
        again: Whether another attempt costs nothing: no key was asked for.
        error: Why.
    """

    lease: int
    again: bool
    error: CleanroomError


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A result and its receipt, whose objects the room has already."""

    receipt: Content
    result: Content


class _ErrorWire(WireModel):
    kind: Annotated[str, Field(alias="class", max_length=64)]
    code: _Code
    message: _Words
    hint: _Words


class _JobWire(WireModel):
    run: RunName
    submitter: Name
    state: JobState
    stage: Annotated[str, Field(max_length=32)]
    attempts: _Count
    queued: _Time
    error: _ErrorWire | None


class _JobsWire(WireModel):
    format: Literal["cleanroom.hub-jobs.v0"]
    jobs: Annotated[list[_JobWire], Field(max_length=1024)]


class _PutWire(WireModel):
    format: Literal["cleanroom.hub-job.v0"]
    run: RunName


class _LeasedWire(WireModel):
    run: RunName
    number: _Count
    until: _Time


class _LeaseWire(WireModel):
    format: Literal["cleanroom.hub-lease.v0"]
    lease: _LeasedWire | None


class _BeatWire(WireModel):
    format: Literal["cleanroom.hub-beat.v0"]
    lease: _Count
    stage: str


class _GivingWire(WireModel):
    format: Literal["cleanroom.hub-giving.v0"]
    lease: _Count
    again: bool
    error: _ErrorWire


class _DeliveryWire(WireModel):
    format: Literal["cleanroom.hub-delivery.v0"]
    receipt: ContentWire
    result: ContentWire


# For whoever describes what a hub takes and gives.
PUT, JOBS, LEASE = _PutWire, _JobsWire, _LeaseWire
BEAT, GIVING, DELIVERY = _BeatWire, _GivingWire, _DeliveryWire


def encode_put(run: str) -> bytes:
    """Write which run request is to be queued."""
    return canonical_json({"format": "cleanroom.hub-job.v0", "run": run})


def decode_put(data: bytes) -> str:
    """Read which run request is to be queued.

    Raises:
        MalformedError: Not of this shape.
    """
    return validate_shape(_PutWire, _parse(data), what=_WHAT).run


def encode_jobs(jobs: Iterable[Job]) -> bytes:
    """Write jobs as canonical JSON."""
    return canonical_json(
        {"format": "cleanroom.hub-jobs.v0", "jobs": [job_json(job) for job in jobs]}
    )


def decode_jobs(data: bytes) -> tuple[Job, ...]:
    """Read jobs; a hub may say anything.

    Raises:
        MalformedError: Not of this shape.
    """
    wire = validate_shape(_JobsWire, _parse_states(data), what=_WHAT)
    return tuple(
        Job(
            run=job.run,
            submitter=job.submitter,
            state=job.state,
            stage=job.stage if job.stage in STAGES else "",
            attempts=job.attempts,
            queued=parse_time(job.queued, what=_WHAT),
            error=None if job.error is None else _error(job.error),
        )
        for job in wire.jobs
    )


def job_json(job: Job) -> dict[str, JSONValue]:
    """Write one job as a value for canonical JSON."""
    return {
        "run": job.run,
        "submitter": job.submitter,
        "state": job.state.value,
        "stage": job.stage,
        "attempts": job.attempts,
        "queued": format_time(job.queued),
        "error": None if job.error is None else dict(to_wire(job.error)),
    }


def encode_lease(lease: Lease | None) -> bytes:
    """Write a lease, or that there is nothing to do."""
    told: JSONValue = None
    if lease is not None:
        told = {"run": lease.run, "number": lease.number, "until": format_time(lease.until)}
    return canonical_json({"format": _LEASE, "lease": told})


def decode_lease(data: bytes) -> Lease | None:
    """Read a lease; ``None`` if there is nothing to do.

    Raises:
        MalformedError: Not of this shape.
    """
    told = validate_shape(_LeaseWire, _parse(data), what=_WHAT).lease
    if told is None:
        return None
    return Lease(run=told.run, number=told.number, until=parse_time(told.until, what=_WHAT))


def encode_beat(beat: Beat) -> bytes:
    """Write a heartbeat."""
    return canonical_json(
        {"format": "cleanroom.hub-beat.v0", "lease": beat.lease, "stage": beat.stage}
    )


def decode_beat(data: bytes) -> Beat:
    """Read a heartbeat.

    Raises:
        MalformedError: Not of this shape, or no stage of a run.
    """
    wire = validate_shape(_BeatWire, _parse(data), what=_WHAT)
    if wire.stage not in STAGES:
        raise MalformedError(f"{_WHAT}: no stage of a run", code="hub.stage")
    return Beat(lease=wire.lease, stage=wire.stage)


def encode_giving(giving: Giving) -> bytes:
    """Write that a runner gives a job up."""
    return canonical_json(
        {
            "format": "cleanroom.hub-giving.v0",
            "lease": giving.lease,
            "again": giving.again,
            "error": dict(to_wire(giving.error)),
        }
    )


def decode_giving(data: bytes) -> Giving:
    """Read that a runner gives a job up.

    Raises:
        MalformedError: Not of this shape.
    """
    wire = validate_shape(_GivingWire, _parse(data), what=_WHAT)
    return Giving(lease=wire.lease, again=wire.again, error=_error(wire.error))


def encode_delivery(delivery: Delivery) -> bytes:
    """Write what a runner delivers."""
    return canonical_json(
        {
            "format": "cleanroom.hub-delivery.v0",
            "receipt": content_json(delivery.receipt),
            "result": content_json(delivery.result),
        }
    )


def decode_delivery(data: bytes) -> Delivery:
    """Read what a runner delivers.

    Raises:
        MalformedError: Not of this shape.
    """
    wire = validate_shape(_DeliveryWire, _parse(data), what=_WHAT)
    return Delivery(receipt=read_content(wire.receipt), result=read_content(wire.result))


def _parse(data: bytes) -> object:
    return parse_json(data, what=_WHAT, limit=MAX_JOB_BYTES)


def _parse_states(data: bytes) -> object:
    """Turn the states' words into values, which strict models want."""
    value = _parse(data)
    for job in value.get("jobs", ()) if isinstance(value, dict) else ():
        if isinstance(job, dict) and job.get("state") in set(JobState):
            job["state"] = JobState(job["state"])
    return value


def _error(wire: _ErrorWire) -> CleanroomError:
    # Words of another machine end up on a terminal: escape sequences do not.
    message, hint = (printable(words, instead="?") for words in (wire.message, wire.hint))
    return from_wire(wire.kind, code=wire.code, message=message, hint=hint)
