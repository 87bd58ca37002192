# SPDX-License-Identifier: Apache-2.0
"""What the places of a broker and of a hub take and give, in words and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cleanroom.contract import broker_wire
from cleanroom.hub import job_wire
from cleanroom.hub import wire as hub_wire
from cleanroom.server.openapi import Described
from cleanroom.server.outcome import BYTES, JSON

_ROOM = "/v0/rooms/{name}"

BROKER: Mapping[tuple[str, str], Described] = MappingProxyType(
    {
        ("POST", "/v0/challenge"): Described(
            summary="A nonce for one run",
            body=(JSON, broker_wire.CHALLENGE_REQUEST),
            shape=broker_wire.CHALLENGE,
        ),
        ("POST", "/v0/release"): Described(
            summary="A key release for an attested runner, or a signed refusal",
            body=(JSON, broker_wire.RELEASE_REQUEST),
        ),
        # A line of JSON and the bytes of a state entry.
        ("POST", "/v0/commit"): Described(
            summary="A countersignature of a receipt", body=(BYTES, None)
        ),
        ("POST", "/v0/notice"): Described(
            summary="A rejection, a revocation or a new contract", body=(JSON, None)
        ),
        ("GET", "/v0/status"): Described(
            summary="How the broker is, signed by nobody", shape=broker_wire.STATUS, open=True
        ),
        ("GET", "/v0/commits/{lineage}/{start}"): Described(
            summary="Commits that moved a history, for its owner", shape=broker_wire.COMMITS
        ),
        ("GET", "/v0/entries/{written}"): Described(
            summary="A sealed state entry by its digest", answer=BYTES
        ),
        ("POST", "/v0/entries"): Described(
            summary="Sealed state entries by their digests: the first, and as many as fit",
            body=(JSON, broker_wire.ENTRIES_REQUEST),
            answer=BYTES,
        ),
        ("GET", "/v0/log/{path:path}"): Described(
            summary="A published file of the log", answer=BYTES, open=True
        ),
    }
)
HUB: Mapping[tuple[str, str], Described] = MappingProxyType(
    {
        ("GET", f"{_ROOM}/entries/{{since}}"): Described(
            summary="Entries that came after a revision", shape=hub_wire.ENTRIES
        ),
        ("POST", f"{_ROOM}/entries"): Described(
            summary="Changes: all of them or none", body=(JSON, hub_wire.CHANGES)
        ),
        ("POST", f"{_ROOM}/missing"): Described(
            summary="Which of these objects the room lacks",
            body=(JSON, hub_wire.OBJECTS),
            shape=hub_wire.OBJECTS,
        ),
        ("GET", f"{_ROOM}/objects/{{written}}"): Described(
            summary="An object of the room", answer=BYTES
        ),
        ("PUT", f"{_ROOM}/objects/{{written}}"): Described(
            summary="Store an object under its digest", body=(BYTES, None)
        ),
        ("POST", f"{_ROOM}/jobs"): Described(
            summary="Queue a signed run request", body=(JSON, job_wire.PUT), shape=job_wire.JOBS
        ),
        ("GET", f"{_ROOM}/jobs"): Described(summary="The last jobs", shape=job_wire.JOBS),
        ("GET", f"{_ROOM}/jobs/{{run}}"): Described(summary="One job", shape=job_wire.JOBS),
        ("POST", f"{_ROOM}/jobs/{{run}}/cancel"): Described(
            summary="End a job, as its submitter", shape=job_wire.JOBS
        ),
        ("POST", f"{_ROOM}/lease"): Described(
            summary="Work for a runner of an operator", shape=job_wire.LEASE
        ),
        ("POST", f"{_ROOM}/jobs/{{run}}/beat"): Described(
            summary="Hold a lease, and tell the stage", body=(JSON, job_wire.BEAT)
        ),
        ("POST", f"{_ROOM}/jobs/{{run}}/giving"): Described(
            summary="Give a job back, or up", body=(JSON, job_wire.GIVING)
        ),
        ("POST", f"{_ROOM}/jobs/{{run}}/delivery"): Described(
            summary="The one result of a run", body=(JSON, job_wire.DELIVERY)
        ),
        ("GET", f"{_ROOM}/events"): Described(
            summary="What happens, as it happens", answer="text/event-stream"
        ),
    }
)
