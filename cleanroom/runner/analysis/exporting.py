# SPDX-License-Identifier: Apache-2.0
"""Have a child that holds data keys write what code may see into sealed memory, part by part.

The runner hands out open memory and seals it; no row passes through it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from cleanroom.admission.analysis import AdmittedAnalysis
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.kernel.limits import MIB
from cleanroom.kernel.record import dataclass
from cleanroom.runner.analysis.tables_sql import PART_SALT, TOKEN_SALT, table_sql, units_sql
from cleanroom.runner.child_job import ChildJob
from cleanroom.runner.compute import engine_threads, query_child
from cleanroom.runner.grants import KeyGrant
from cleanroom.runner.inputs import SPILL_FACTOR, QueryInputs
from cleanroom.runner.query_job import views_of
from cleanroom.runner.sandbox.host import Confinement
from cleanroom.runner.sandbox.memfd import copied_memory, open_memory, seal_memory

CHILD = "cleanroom.runner.analysis.export_child"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one process is given.

    Attributes:
        members: Descriptor of the list of its units.
        tables: Lineage to the descriptor of its rows.
    """

    members: int
    tables: Mapping[str, int]


def each_its_own(files: Sequence[int], parts: int, held: ExitStack) -> tuple[int, ...]:
    """Give every part a table of its own.

    A public table has no units and goes to every part whole, each time as another copy:
    processes that inherit one open file could talk through its position.

    Args:
        files: The table of each part, or the one of all, sealed.
        parts: How many parts there are.
        held: Keeps copies open.
    """
    copies = [held.enter_context(copied_memory(files[0])) for _ in range(parts - len(files))]
    return (*files, *copies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """Exports the rows of one analysis.

    Attributes:
        admitted: What it reads.
        approved: The run.
        grants: Keys of its datasets.
        inputs: Their sealed parts, open.
        confinement: How the child is confined.
    """

    admitted: AdmittedAnalysis
    approved: ApprovedRun
    grants: Mapping[str, KeyGrant]
    inputs: QueryInputs
    confinement: Confinement

    @contextmanager
    def exported(
        self, *, parts: int, token: str, split: str, members: ExitStack, seconds: int
    ) -> Iterator[tuple[Part, ...]]:
        """Split the units once and give every part's tables, sealed, for the block.

        Args:
            parts: How many.
            token: Secret that makes tokens of units.
            split: Secret that puts a unit into its part.
            members: Keeps the lists of units open for longer than the tables.
            seconds: What it may take.

        Raises:
            IntegrityError: A sealed part is not the one that its owner signed.
            QueryFailedError: The rows could not be written.
        """
        with ExitStack() as held:
            units = [members.enter_context(open_memory("units")) for _ in range(parts)]
            files = {
                item.lineage: [
                    held.enter_context(open_memory("rows"))
                    for _ in range(parts if item.unit else 1)
                ]
                for item in self.admitted.inputs
            }
            statements = [{"sql": units_sql(self.admitted, parts=parts), "files": units}]
            statements += [
                {
                    "sql": table_sql(self.admitted, item, parts=parts),
                    "files": files[item.lineage],
                }
                for item in self.admitted.inputs
            ]
            written = (*units, *(file for several in files.values() for file in several))
            before = json.dumps(statements).encode() + b"\n"
            self._export(before, written, token=token, split=split, seconds=seconds)
            for file in written:
                seal_memory(file)
            tables = {name: each_its_own(several, parts, held) for name, several in files.items()}
            yield tuple(
                Part(members=units[part], tables={name: tables[name][part] for name in tables})
                for part in range(parts)
            )

    def _export(
        self, before: bytes, written: tuple[int, ...], *, token: str, split: str, seconds: int
    ) -> None:
        resources = self.approved.resources
        # The limit on files holds for memory that is written as for scratch space.
        room = replace(
            self.inputs,
            spill_bytes=max(self.inputs.spill_bytes, resources.memory_mib * MIB * SPILL_FACTOR),
        )
        with query_child(
            room,
            confinement=self.confinement,
            resources=resources,
            module=CHILD,
            descriptors=written,
        ) as child:
            child.run(self._job(token=token, split=split, seconds=seconds), before=before)

    def _job(self, *, token: str, split: str, seconds: int) -> ChildJob:
        return ChildJob(
            sql="",
            facts=(),
            parameters={TOKEN_SALT: token, PART_SALT: split},
            views=views_of(
                self.admitted.columns,
                approved=self.approved,
                grants=self.grants,
                inputs=self.inputs,
            ),
            tables=(),
            memory_mib=self.approved.resources.memory_mib,
            seconds=seconds,
            rows=1,
            threads=engine_threads(),
            spill=self.inputs.spill,
            spill_bytes=self.inputs.spill_bytes,
        )
