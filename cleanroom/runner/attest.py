# SPDX-License-Identifier: Apache-2.0
"""Ask every owner's broker for a nonce, bind the run to it, and collect evidence."""

from __future__ import annotations

import datetime as dt
import functools
import importlib.metadata
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import cleanroom
from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import Evidence, encode_evidence
from cleanroom.attestation.measurement import measure_runner
from cleanroom.attestation.platforms.simulated import collect as simulated
from cleanroom.attestation.runtime_data import GpuIdentity, RuntimeData, make_runtime_data
from cleanroom.attestation.runtime_log import events_of
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.broker_requests import ChallengeRequest
from cleanroom.errors import EvidenceRefusedError, IntegrityError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.runner.brokers import Broker
from cleanroom.runner.keys import RunKeys

if TYPE_CHECKING:
    from cleanroom.runner.machine import Machine

_SIMULATION = frozenset({simulated.PLATFORM})
# Everything that runner and children import; a test compares. What an analyst's code imports
# beside it is pinned by the lock that its query names.
RUNTIME_DISTRIBUTIONS = (
    "annotated-types",
    "anyio",
    "bcrypt",
    "cffi",
    "cryptography",
    "duckdb",
    "fsspec",
    "h11",
    "httpcore2",
    "httpx2",
    "idna",
    "mypy_extensions",
    "numpy",
    "pyarrow",
    "pydantic",
    "pydantic_core",
    "sqlglot",
    "truststore",
    "typing-inspection",
    "typing_extensions",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """What this run will show to every broker.

    Attributes:
        runtime: The run, its keys and the nonces.
        evidence: Evidence over exactly those bytes.
    """

    runtime: RuntimeData
    evidence: Evidence

    @property
    def evidence_bytes(self) -> bytes:
        """The canonical JSON that brokers digest."""
        return encode_evidence(self.evidence)


def attest(
    approved: ApprovedRun,
    *,
    keys: RunKeys,
    brokers: Mapping[str, Broker],
    machine: Callable[[], Machine],
    at: dt.datetime,
) -> Attested:
    """Bind the run to one nonce of every broker and collect evidence over it.

    Args:
        approved: The run.
        keys: What it will sign and receive with.
        brokers: Every owner's.
        machine: Gives the machine, which a simulated run never asks for.
        at: The time that a simulation states.

    Raises:
        UnavailableError: The machine lacks what the contract asks for.
        EvidenceRefusedError: The contract accepts no platform that this machine has.
        IntegrityError: A broker answered in another party's name.
    """
    runner = measure_this_runner()
    runtime = make_runtime_data(
        contract=approved.agreement.contract.digest,
        query=approved.query.digest,
        run_request=approved.request.digest,
        run=approved.request.run,
        runner=runner,
        sign_key=keys.sign_public,
        hpke_key=keys.receiving.public_bytes,
        gpus=_gpus(approved, machine),
        nonces=_nonces(approved, brokers),
    )
    evidence = _collect(approved, runtime, machine=machine, at=at)
    return Attested(runtime=runtime, evidence=evidence)


@functools.cache
def measure_this_runner() -> Digest:
    """Digest the code that runs here: the package and what it stands on.

    A simulated platform has nothing else to measure. On a real one the hardware
    measures the image, and this digest counts only as part of it. It is taken once:
    what is put in the package's place later is not what runs here.
    """
    directory = Path(cleanroom.__file__).parent
    return measure_runner(
        directory,
        distributions=runtime_versions(),
        python_version=platform.python_version(),
    )


@functools.cache
def runtime_versions() -> Mapping[str, str]:
    """Name the version of every distribution that runner and query child import."""
    return {name: importlib.metadata.version(name) for name in RUNTIME_DISTRIBUTIONS}


def _nonces(approved: ApprovedRun, brokers: Mapping[str, Broker]) -> dict[str, bytes]:
    request = ChallengeRequest(
        contract=approved.agreement.contract.digest, run=approved.request.run
    )
    nonces: dict[str, bytes] = {}
    for party, broker in brokers.items():
        challenge = broker.challenge(request)
        if challenge.party != party:
            raise IntegrityError(
                f"broker of {party}: answered as {challenge.party}",
                code="runner.broker-party",
                hint="the address in the party document leads to somebody else's broker",
            )
        nonces[party] = challenge.nonce
    return nonces


def this_machine() -> Machine:
    """Return the machine that runs this.

    Every platform's code comes with it; a simulated run waits for none of it.
    """
    from cleanroom.runner.machine import this_machine as machine  # noqa: PLC0415

    return machine()


def _gpus(approved: ApprovedRun, machine: Callable[[], Machine]) -> tuple[GpuIdentity, ...]:
    profile = approved.agreement.contract.attestation
    # Named before any evidence is made, so that the platform's own report covers them.
    return () if profile.platforms == _SIMULATION else machine().gpus(profile)


def _collect(
    approved: ApprovedRun,
    runtime: RuntimeData,
    *,
    machine: Callable[[], Machine],
    at: dt.datetime,
) -> Evidence:
    profile = approved.agreement.contract.attestation
    binding = bind64(runtime.raw)
    # Simulation is used only where every party signed that nothing else is accepted.
    if profile.platforms == _SIMULATION:
        return Evidence.of(
            simulated.collect(binding=binding, measurement=runtime.runner, issued_at=at)
        )
    # A contract with several platforms does not say which of them this machine has.
    if len(profile.platforms) == 1:
        (kind,) = profile.platforms
        events = events_of(runner=runtime.runner, contract=runtime.contract, query=runtime.query)
        return machine().evidence(
            profile, kind=kind, events=events, binding=binding, gpus=len(runtime.gpus)
        )
    named = ", ".join(sorted(profile.platforms)) or "none"
    raise EvidenceRefusedError(
        f"platform: this machine offers none, agreed {named}",
        code="attestation.no-platform",
        hint="start the runner on a machine with one of the agreed platforms",
    )
