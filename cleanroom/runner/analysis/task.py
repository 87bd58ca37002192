# SPDX-License-Identifier: Apache-2.0
"""A Python analysis under the gate: code computes, and everything else is done elsewhere.

Rows are exported, code runs on them without any key, what it hands over is judged in a
throw-away process, and statistics are made of it as of SQL. One step never shares a
process with the next.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from cleanroom.admission.analysis import AdmittedAnalysis
from cleanroom.contract.analysis import PER_UNIT
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.map_rounds import PARTS, rounds_of
from cleanroom.contract.rules import Rules, strictest
from cleanroom.disclosure.bands import band
from cleanroom.disclosure.past import PastTable
from cleanroom.disclosure.released import Released
from cleanroom.disclosure.result import ResultTable
from cleanroom.errors import QueryFailedError
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass
from cleanroom.receipt.model import CheckRecord
from cleanroom.receipt.rules import ASSERTED_RULE, MAP_RULE
from cleanroom.runner.analysis.code_job import agreed_answers, read_answer, read_numbers
from cleanroom.runner.analysis.code_words import NUMBERS
from cleanroom.runner.analysis.computing import CodeRunner, Stopwatch, at_once
from cleanroom.runner.analysis.exporting import Exporter, Part
from cleanroom.runner.analysis.frames import Round, clean_frame
from cleanroom.runner.analysis.numbers import CAUTION, released_numbers
from cleanroom.runner.analysis.shape import frame_columns, release_shape
from cleanroom.runner.analysis.statement import (
    FRAME_TABLE,
    analysis_job,
    analysis_statement,
    frame_schema,
)
from cleanroom.runner.compute import query_child
from cleanroom.runner.gate import Computed
from cleanroom.runner.grants import KeyGrant
from cleanroom.runner.inputs import QueryInputs
from cleanroom.runner.outcome import checks_of
from cleanroom.runner.query_job import bound_values
from cleanroom.runner.sandbox.host import Confinement
from cleanroom.runner.sandbox.memfd import sealed_memory
from cleanroom.runner.stages import decided, secret_prefix

STATISTICS_CHILD = "cleanroom.runner.analysis.statistics_child"
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisTask:
    """Everything that the steps of one analysis have in common.

    Attributes:
        admitted: The analysis.
        approved: The run.
        grants: Keys of its datasets.
        inputs: Their sealed parts, open.
        confinement: How every child is confined.
    """

    admitted: AdmittedAnalysis
    approved: ApprovedRun
    grants: Mapping[str, KeyGrant]
    inputs: QueryInputs
    confinement: Confinement

    @property
    def identity(self) -> tuple[str, ...]:
        """The code and all that is said of it: another byte is another question."""
        query = self.approved.query
        said = [query.kind, str(query.code[0].digest), repr(self.admitted.analysis)]
        return (canonical_json([*said, repr(self.admitted.columns)]).decode(),)

    @property
    def lineages(self) -> tuple[str, ...]:
        """Datasets that the analysis reads."""
        return tuple(lineage for lineage, _ in self.admitted.columns)

    @property
    def code(self) -> bytes:
        """The bytes whose digest every approver signed."""
        (code,) = self.approved.code.values()
        return code

    @property
    def rules(self) -> Rules:
        """The strictest of all policies that it touches."""
        policies = self.approved.agreement.policies
        return strictest(policies[lineage] for lineage in self.lineages)

    def compute(self, past: Sequence[PastTable]) -> Computed:
        """Run the code, then release of what it handed over what the gate lets through.

        Raises:
            IntegrityError: A sealed part is not the one that its owner signed.
            DisclosureRefusedError: The result as a whole may not leave.
            QueryFailedError: Code raised, used up what it may use, or handed over what it
                must not; the code tells which.
        """
        watch = Stopwatch(self.approved.resources.seconds)
        if self.admitted.analysis.statistics:
            return self._numbers(watch)
        token = secrets.token_hex(_SECRET_BYTES)
        with self._frame(token, watch) as frame:
            released = self._released(frame, token=token, past=past, watch=watch)
        result = ResultTable(
            columns=released.columns,
            rows=released.rows,
            earlier=released.earlier,
            withheld=released.withheld,
            caution=self._caution,
        )
        checks = (*checks_of(released), self._own_check)
        return Computed(result=result, checks=checks, tables=released.tables)

    def _numbers(self, watch: Stopwatch) -> Computed:
        with ExitStack() as members, self._split(members, watch=watch, parts=1) as (part,):
            answer = self._code(watch).run(part.tables)
        names = [item.name for item in self.admitted.analysis.statistics]
        found = read_numbers(read_answer(answer, code=self.code, wanted=NUMBERS), names=names)
        return released_numbers(found, analysis=self.admitted.analysis, rules=self.rules)

    @contextmanager
    def _frame(self, token: str, watch: Stopwatch) -> Iterator[int]:
        """Compute every round and give the one frame that they agree on."""
        parts, rounds = (PARTS, rounds_of(self.rules.threshold)) if self._is_map else (1, 1)
        with ExitStack() as held:
            made, size = [], 0
            for _ in range(rounds):
                with self._split(held, watch=watch, parts=parts, token=token) as several:
                    answers = self._computed(several, watch)
                frames = agreed_answers(answers, code=self.code)
                size += sum(map(len, frames))
                files = [_held(frame, held) for frame in frames]
                members = tuple(part.members for part in several)
                made.append(Round(members=members, frames=tuple(files)))
            yield held.enter_context(
                clean_frame(
                    made,
                    analysis=self.admitted.analysis,
                    confinement=self.confinement,
                    frame_bytes=size,
                )
            )

    def _computed(self, parts: Sequence[Part], watch: Stopwatch) -> list[bytes | QueryFailedError]:
        return at_once(self._code(watch).try_run, [part.tables for part in parts])

    @contextmanager
    def _split(
        self, members: ExitStack, *, watch: Stopwatch, parts: int, token: str = ""
    ) -> Iterator[tuple[Part, ...]]:
        exporter = Exporter(
            admitted=self.admitted,
            approved=self.approved,
            grants=self.grants,
            inputs=self.inputs,
            confinement=self.confinement,
        )
        with exporter.exported(
            parts=parts,
            token=token or secrets.token_hex(_SECRET_BYTES),
            split=secrets.token_hex(_SECRET_BYTES),
            members=members,
            seconds=watch.left(),
        ) as several:
            yield several

    def _code(self, watch: Stopwatch) -> CodeRunner:
        return CodeRunner(
            code=self.code,
            analysis=self.admitted.analysis,
            parameters=bound_values(self.approved, self.approved.query.parameters),
            resources=self.approved.resources,
            confinement=self.confinement,
            watch=watch,
        )

    def _released(
        self, frame: int, *, token: str, past: Sequence[PastTable], watch: Stopwatch
    ) -> Released:
        rules, prefix = self.rules, secret_prefix()
        shape = release_shape(self.admitted, identity=self._meaning)
        checked = analysis_statement(
            self.admitted,
            agreement=self.approved.agreement,
            read=self.approved.query.datasets,
            shape=shape,
            rules=rules,
            prefix=prefix,
        )
        job = analysis_job(
            checked,
            admitted=self.admitted,
            approved=self.approved,
            grants=self.grants,
            inputs=self.inputs,
            prefix=prefix,
            token=token,
            seconds=watch.left(),
        )
        with query_child(
            self.inputs,
            confinement=self.confinement,
            resources=self.approved.resources,
            module=STATISTICS_CHILD,
            descriptors=(frame,),
        ) as child:
            rows = child.run(job, before=self._described(frame, prefix=prefix))
        return decided(rows, shape=shape, rules=rules, past=past)

    def _described(self, frame: int, *, prefix: str) -> bytes:
        columns = [[name, str(kind)] for name, kind in frame_columns(self.admitted.analysis)]
        place = {"schema": frame_schema(prefix), "name": FRAME_TABLE, "columns": columns}
        return json.dumps({**place, "descriptor": frame}).encode() + b"\n"

    @property
    def _meaning(self) -> Digest:
        """What a group of this run means; another value of a parameter is another meaning."""
        values = dict(self.approved.parameters)
        return Digest.of(canonical_json([*self.identity, values]))

    @property
    def _is_map(self) -> bool:
        return self.approved.query.kind == PER_UNIT

    @property
    def _caution(self) -> str:
        return "" if self._is_map else CAUTION

    @property
    def _own_check(self) -> CheckRecord:
        """Record what stands behind the frame: rounds that agree, or the word of the code."""
        rules = self.rules
        lowest = band(0, threshold=rules.threshold)
        parameters = {"parts": PARTS, "rounds": rounds_of(rules.threshold)}
        return CheckRecord(
            rule=MAP_RULE if self._is_map else ASSERTED_RULE,
            parameters=parameters if self._is_map else {"units": rules.threshold},
            verdict="held",
            withheld=lowest,
        )


def _held(data: memoryview, stack: ExitStack) -> int:
    return stack.enter_context(sealed_memory("frame", lambda file: file.write(data)))
