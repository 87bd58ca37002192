# SPDX-License-Identifier: Apache-2.0
"""Ask a hub about jobs: put one, watch it, cancel it; and, as a runner, work on them."""

from __future__ import annotations

from cleanroom.errors import CleanroomError, IntegrityError
from cleanroom.hub.job import Job, Lease
from cleanroom.hub.job_wire import (
    MAX_JOB_BYTES,
    Beat,
    Delivery,
    Giving,
    decode_jobs,
    decode_lease,
    encode_beat,
    encode_delivery,
    encode_giving,
    encode_put,
)
from cleanroom.hub.wire import OBJECT_BYTES, Content
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.mirror.client import HubClient


@dataclass(frozen=True, slots=True, kw_only=True)
class JobClient:
    """The jobs of one room of one hub; each call raises what the hub refuses.

    Attributes:
        client: Asks the hub.
    """

    client: HubClient

    def put(self, run: str) -> Job:
        """Queue a run request that was pushed; asking again is safe.

        Raises:
            CleanroomError: The hub refuses, or does not answer.
        """
        return self._job("POST", "/jobs", encode_put(run), run=run)

    def find(self, run: str) -> Job:
        """Ask how a job goes.

        Raises:
            CleanroomError: The hub refuses, or does not answer.
        """
        return self._job("GET", f"/jobs/{run}", b"", run=run)

    def cancel(self, run: str) -> Job:
        """Let nobody begin or go on with a job.

        Raises:
            CleanroomError: The hub refuses, or does not answer.
        """
        return self._job("POST", f"/jobs/{run}/cancel", b"", run=run)

    def latest(self) -> tuple[Job, ...]:
        """Ask for the jobs that came last.

        Raises:
            CleanroomError: The hub refuses, or does not answer.
        """
        return decode_jobs(self._ask("GET", "/jobs", b""))

    def take(self) -> Lease | None:
        """Ask for work.

        Raises:
            CleanroomError: The hub refuses, or does not answer.
        """
        return decode_lease(self._ask("POST", "/lease", b""))

    def beat(self, lease: Lease, *, stage: str) -> None:
        """Say that a job goes on.

        Raises:
            RefusedError: The lease counts no more (``hub.lease-lost``).
            CleanroomError: The hub refuses otherwise, or does not answer.
        """
        body = encode_beat(Beat(lease=lease.number, stage=stage))
        self._ask("POST", f"/jobs/{lease.run}/beat", body)

    def give_up(self, lease: Lease, error: CleanroomError, *, again: bool) -> None:
        """Say that there will be no result from here.

        Args:
            lease: What was taken.
            error: Why.
            again: Whether another attempt costs nothing.

        Raises:
            CleanroomError: The hub refuses, or does not answer.
        """
        body = encode_giving(Giving(lease=lease.number, again=again, error=error))
        self._ask("POST", f"/jobs/{lease.run}/giving", body)

    def deliver(self, run: str, *, receipt: bytes, result: bytes) -> None:
        """Bring a result; asking again is safe, however late.

        Raises:
            CleanroomError: The hub refuses, or does not answer.
        """
        delivery = Delivery(receipt=self._upload(receipt), result=self._upload(result))
        self._ask("POST", f"/jobs/{run}/delivery", encode_delivery(delivery))

    def _upload(self, data: bytes) -> Content:
        pieces = [data[at : at + OBJECT_BYTES] for at in range(0, len(data), OBJECT_BYTES)]
        objects = {Digest.of(piece): piece for piece in pieces}
        for digest in self.client.missing(tuple(objects)):
            self.client.put(digest, objects[digest])
        return Content(
            size=len(data),
            digest=Digest.of(data),
            objects=tuple(Digest.of(piece) for piece in pieces),
        )

    def _job(self, method: str, path: str, body: bytes, *, run: str) -> Job:
        found = decode_jobs(self._ask(method, path, body))
        if [job.run for job in found] != [run]:
            raise IntegrityError(f"hub: answers about another job than {run}", code="hub.other-job")
        return found[0]

    def _ask(self, method: str, path: str, body: bytes) -> bytes:
        return self.client.send(method, path, body, limit=MAX_JOB_BYTES)
