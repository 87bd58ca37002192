# SPDX-License-Identifier: Apache-2.0
"""Confined children for tests: each level that this machine offers, and sealed inputs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cleanroom.contract.contract_terms import SandboxLevel
from cleanroom.contract.resources import Resources
from cleanroom.runner.child_job import NO_SPILL, ChildJob, ChildPart, ChildView
from cleanroom.runner.compute import ready_child
from cleanroom.runner.inputs import QueryInputs
from cleanroom.runner.sandbox.host import Confinement, Host, examine_host, weaker
from cleanroom.runner.sandbox.limits import ChildLimits
from cleanroom.runner.sandbox.process import confined_child
from tests.support.sealed_tables import KEY, encounters, seal

COLUMNS = ("ward", "cost")
SMALL = ChildLimits(
    memory_bytes=256 << 20, processor_seconds=60, file_bytes=0, descriptors=64, tasks=64
)
KERNEL_LEVELS = (SandboxLevel.SELF, SandboxLevel.FULL)


def host() -> Host:
    """Return what this machine offers."""
    return examine_host()


def confinement_or_skip(level: SandboxLevel) -> Confinement:
    """Return a confinement of this level, or skip the test and say what the host lacks."""
    if not host().best.level.satisfies(level):
        lacking = "; ".join(f"{item.layer}: {item.found}" for item in host().missing)
        pytest.skip(f"this host does not offer level {level}: {lacking}")
    return weaker(host().best, level)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedJob:
    """One statement over sealed parts, and where the parts lie."""

    job: ChildJob
    paths: tuple[Path, ...]

    def changed(self, **changes: Any) -> SealedJob:
        """Change something of the job."""
        return replace(self, job=replace(self.job, **changes))

    def run(self, confinement: Confinement, *, instead: Mapping[int, Path] | None = None) -> Any:
        """Open the parts, start a child, and let it run the job."""
        (view,) = self.job.views
        with ExitStack() as opened:
            parts = []
            for number, part in enumerate(view.parts):
                descriptor = os.open((instead or {}).get(number, self.paths[number]), os.O_RDONLY)
                opened.callback(os.close, descriptor)
                parts.append(replace(part, descriptor=descriptor))
            inputs = QueryInputs(
                parts={view.lineage: tuple(part.descriptor for part in parts)},
                spill=self.job.spill,
                spill_bytes=self.job.spill_bytes,
            )
            resources = Resources(
                memory_mib=self.job.memory_mib, seconds=self.job.seconds, rows=self.job.rows
            )
            ready = opened.enter_context(ready_child(confinement))
            child = ready.serve(inputs, resources=resources)
            numbers = child.inputs.parts[view.lineage]
            given = tuple(
                replace(part, descriptor=number)
                for part, number in zip(parts, numbers, strict=True)
            )
            asked = replace(self.job, views=(replace(view, parts=given),))
            return child.run(replace(asked, spill=child.inputs.spill))


def sealed_job(
    directory: Path, *, rows: int = 3000, columns: tuple[str, ...] = COLUMNS
) -> SealedJob:
    """Seal a table and describe a statement over it."""
    place = directory / "parts"
    place.mkdir()
    sealed = seal(encounters(rows), place)
    parts = tuple(
        ChildPart(
            descriptor=-1,
            name=f"{KEY.lineage} {part.file}",
            part=number,
            file_id=part.file_id.hex(),
            size=part.size,
        )
        for number, part in enumerate(sealed.parts)
    )
    view = ChildView(
        lineage=KEY.lineage,
        version=KEY.version,
        key_id=KEY.key_id.hex(),
        columns=columns,
        parts=parts,
        key=KEY.secret,
    )
    job = ChildJob(
        sql="SELECT ward, count(*), sum(cost) FROM hospital.encounters GROUP BY ward ORDER BY ward",
        facts=(),
        parameters={},
        views=(view,),
        tables=(),
        memory_mib=512,
        seconds=30,
        rows=100,
        threads=2,
        spill=NO_SPILL,
        spill_bytes=0,
    )
    return SealedJob(job=job, paths=tuple(place.parent / part.file for part in sealed.parts))


# Modules that a confined child imports in tests.
CONFINED = str(Path(__file__).parent / "confined")


def misbehave(
    confinement: Confinement,
    what: str,
    *,
    seconds: float = 20,
    most: int = 1 << 20,
    descriptors: tuple[int, ...] = (),
    **changes: Any,
) -> bytes:
    """Let a confined child misbehave in one way and return its answer."""
    with confined_child(
        "misbehaving",
        confinement=confinement,
        limits=replace(SMALL, **changes),
        descriptors=descriptors,
        code=(CONFINED,),
    ) as child:
        child.require_ready()
        return child.exchange(what.encode(), seconds=seconds, most=most)
