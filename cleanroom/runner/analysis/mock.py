# SPDX-License-Identifier: Apache-2.0
"""Run an analysis on invented rows, in this process and with nothing hidden.

Export, judgement and statistics are those of a real run; the code runs here, so that its
author sees what it prints and where it fails. There is nobody to protect, and nothing that
comes out is a release.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TypeVar

import pyarrow as pa

from cleanroom.admission.analysis import AdmittedAnalysis
from cleanroom.contract.agreement import Agreement
from cleanroom.contract.analysis import PER_UNIT, REVIEWED
from cleanroom.contract.map_rounds import PARTS, rounds_of
from cleanroom.contract.rules import Rules, strictest
from cleanroom.disclosure.decide import decide
from cleanroom.disclosure.result import ResultTable
from cleanroom.disclosure.statistics_sql import salt_parameter
from cleanroom.engine.export import Export, export_tables
from cleanroom.engine.query import ArrowTable, Limits, Table, run_query
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.runner.analysis.code_child import (
    called,
    handed_frame,
    handed_numbers,
)
from cleanroom.runner.analysis.code_job import Number, encode_code_job
from cleanroom.runner.analysis.frames import Round, encode_rounds, refused_frame
from cleanroom.runner.analysis.frames_child import Refused, clean_frame
from cleanroom.runner.analysis.numbers import CAUTION, released_numbers
from cleanroom.runner.analysis.reading import read_table
from cleanroom.runner.analysis.shape import frame_columns, release_shape
from cleanroom.runner.analysis.statement import (
    FRAME_TABLE,
    analysis_statement,
    frame_schema,
    token_parameter,
)
from cleanroom.runner.analysis.tables_sql import (
    PART_SALT,
    TOKEN_SALT,
    engine_columns,
    table_sql,
    unit_inputs,
    units_sql,
)
from cleanroom.runner.analysis.watched import shown, tell_broken_rule
from cleanroom.runner.child_job import Bindable
from cleanroom.runner.proposal import admit_analysis_proposal
from cleanroom.runner.proposed import AnalysisProposal
from cleanroom.runner.query_job import MAX_STATISTICS
from cleanroom.runner.sandbox.memfd import open_memory, sealed_memory
from cleanroom.runner.stages import secret_prefix

_SALT = "mock"
Taken = TypeVar("Taken")


@dataclass(frozen=True, slots=True, kw_only=True)
class MockAnalysis:
    """One analysis on invented tables.

    Attributes:
        agreement: Schemas and policies.
        proposal: The analysis; each parameter has the one value to run with.
        values: These values.
        tables: Invented rows of every dataset that it reads.
    """

    agreement: Agreement
    proposal: AnalysisProposal
    values: Mapping[str, Bindable]
    tables: Sequence[Table]

    def run(self) -> ResultTable:
        """Admit it, compute every round, and gate the frame.

        Raises:
            RefusedError: One of the gates says no.
            QueryFailedError: The code raised, which was printed in full; the frame breaks a rule.
        """
        admitted = admit_analysis_proposal(self.agreement, self.proposal)
        policies = self.agreement.policies
        rules = strictest(policies[lineage] for lineage, _ in admitted.columns)
        if admitted.analysis.statistics:
            return self._numbers(admitted, rules)
        token = secrets.token_hex(32)
        with ExitStack() as held:
            frame = self._frame(admitted, rules, token=token, held=held)
        return self._released(admitted, rules, frame=frame, token=token)

    def _numbers(self, admitted: AdmittedAnalysis, rules: Rules) -> ResultTable:
        with ExitStack() as held:
            ((_, tables),) = self._split(admitted, parts=1, token=_SALT, held=held)
            names = [item.name for item in admitted.analysis.statistics]
            handed = self._shown(tables, lambda handed: handed_numbers(handed, names))
        found = {
            name: Number(name=name, value=item.value, units=item.units)
            for name, item in handed.items()
        }
        return released_numbers(found, analysis=admitted.analysis, rules=rules).result

    def _frame(
        self, admitted: AdmittedAnalysis, rules: Rules, *, token: str, held: ExitStack
    ) -> pa.Table:
        is_map = self.proposal.kind == PER_UNIT
        parts, rounds = (PARTS, rounds_of(rules.threshold)) if is_map else (1, 1)
        made, handed = [], []
        for _ in range(rounds):
            several = self._split(admitted, parts=parts, token=token, held=held)
            frames = [
                self._shown(tables, lambda found: handed_frame(found, self._job()))
                for _, tables in several
            ]
            handed.append(frames)
            files = tuple(_sealed(frame, held) for frame in frames)
            made.append(Round(members=tuple(units for units, _ in several), frames=files))
        try:
            return clean_frame(json.loads(encode_rounds(made, admitted.analysis)))
        except Refused as refused:
            word = refused.word
        tell_broken_rule(word, handed, admitted.analysis)
        raise refused_frame(word)

    def _split(
        self, admitted: AdmittedAnalysis, *, parts: int, token: str, held: ExitStack
    ) -> list[tuple[int, dict[str, pa.Table]]]:
        units = [held.enter_context(open_memory("units")) for _ in range(parts)]
        files = {
            item.lineage: [
                held.enter_context(open_memory("rows")) for _ in range(parts if item.unit else 1)
            ]
            for item in admitted.inputs
        }
        exports = [Export(sql=units_sql(admitted, parts=parts), files=tuple(units))]
        exports += [
            Export(sql=table_sql(admitted, item, parts=parts), files=tuple(files[item.lineage]))
            for item in admitted.inputs
        ]
        export_tables(
            exports,
            views=(),
            tables=self.tables,
            parameters={TOKEN_SALT: token, PART_SALT: secrets.token_hex(32)},
            limits=self._limits(rows=1),
            scratch=None,
        )
        return [
            (
                units[part],
                {name: read_table(several[part % len(several)]) for name, several in files.items()},
            )
            for part in range(parts)
        ]

    def _shown(self, tables: Mapping[str, pa.Table], take: Callable[[object], Taken]) -> Taken:
        """Call the code and take what it hands over; whatever it raises is printed."""
        code = self.proposal.code
        return shown(code, lambda: take(called(self._job(), code, tables=tables)))

    def _job(self) -> dict[str, object]:
        line = encode_code_job(
            b"", analysis=self.proposal.analysis, parameters=self.values, tables={}
        )
        job: dict[str, object] = json.loads(line)
        return job

    def _released(
        self, admitted: AdmittedAnalysis, rules: Rules, *, frame: pa.Table, token: str
    ) -> ResultTable:
        prefix, shape = secret_prefix(), release_shape(admitted, identity=Digest.of(b"mock"))
        checked = analysis_statement(
            admitted,
            agreement=self.agreement,
            read=dict(admitted.columns),
            shape=shape,
            rules=rules,
            prefix=prefix,
        )
        content = ArrowTable(
            schema=frame_schema(prefix),
            name=FRAME_TABLE,
            columns=engine_columns(frame_columns(admitted.analysis)),
            content=frame,
        )
        salts = {
            salt_parameter(prefix, index): _SALT for index in range(len(unit_inputs(admitted)))
        }
        output = run_query(
            views=(),
            sql=checked.sql,
            parameters={**salts, token_parameter(prefix): token},
            limits=self._limits(rows=MAX_STATISTICS),
            tables=[*self.tables, content],
        )
        released = decide(output.rows, shape=shape, rules=rules, history=())
        return ResultTable(
            columns=released.columns,
            rows=released.rows,
            earlier=released.earlier,
            withheld=released.withheld,
            caution=CAUTION if self.proposal.kind == REVIEWED else "",
        )

    def _limits(self, *, rows: int) -> Limits:
        resources = self.proposal.resources
        return Limits(
            memory_mib=resources.memory_mib, seconds=resources.seconds, rows=rows, threads=1
        )


def _sealed(frame: pa.Table, held: ExitStack) -> int:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, frame.schema) as writer:
        writer.write_table(frame)
    data = sink.getvalue()
    return held.enter_context(sealed_memory("frame", lambda file: file.write(data)))
