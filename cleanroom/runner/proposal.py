# SPDX-License-Identifier: Apache-2.0
"""Admit a query under a contract: before it is submitted, and again before it runs.

Both use the same catalog, made from the signed policies and dataset documents, so
what an analyst is told at submission is what the runner will do.
"""

from __future__ import annotations

from collections.abc import Iterable

from cleanroom.admission.admit import admit
from cleanroom.admission.analysis import AdmittedAnalysis, admit_analysis
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.explain import Explanation, explain
from cleanroom.admission.explain_analysis import explain_analysis
from cleanroom.admission.typed.tree import AdmittedQuery
from cleanroom.contract.agreement import Agreement
from cleanroom.contract.analysis import PythonAnalysis
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.query import CodeFile, OutputColumn, QueryTerms
from cleanroom.contract.rules import Rules, strictest
from cleanroom.errors import IntegrityError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_CODE_BYTES
from cleanroom.kernel.plain_text import require_plain
from cleanroom.kernel.strict_json import decode_text
from cleanroom.runner.analysis.environment import require_environment
from cleanroom.runner.proposed import AnalysisProposal, Proposal, Proposed
from cleanroom.second_reading.agree import require_one_reading

CODE_FILE = "query.sql"
ANALYSIS_FILE = "analysis.py"


def catalog_of(agreement: Agreement) -> Catalog:
    """Describe what queries may name: every dataset of the contract that is sealed."""
    return Catalog(
        datasets={
            lineage: (agreement.policies[lineage], dataset.columns)
            for lineage, dataset in agreement.datasets.items()
        },
        links=frozenset(link.pair for link in agreement.contract.links),
    )


def admit_proposal(agreement: Agreement, proposal: Proposal) -> AdmittedQuery:
    """Admit a proposal under the contract's policies.

    Raises:
        AdmissionRefusedError: A policy does not admit it; says why, where and what would.
    """
    types = {name: parameter.type for name, parameter in proposal.parameters.items()}
    admitted = admit(proposal.code, catalog=catalog_of(agreement), parameters=types)
    # Whoever reviews the text may read it with another parser's eyes (T-10).
    require_one_reading(proposal.code)
    return admitted


def admit_analysis_proposal(agreement: Agreement, proposal: AnalysisProposal) -> AdmittedAnalysis:
    """Admit a Python analysis under the contract's policies.

    Raises:
        MalformedError: Its code shows a reviewer something else than Python reads.
        AdmissionRefusedError: A policy does not admit it; says why, where and what would.
    """
    _require_readable(proposal.code)
    return admit_analysis(
        proposal.analysis,
        kind=proposal.kind,
        datasets=proposal.datasets,
        catalog=catalog_of(agreement),
    )


def explain_proposal(agreement: Agreement, proposal: Proposed) -> Explanation:
    """Say what a proposal would read, count and release, and under which rules."""
    if isinstance(proposal, AnalysisProposal):
        analysis = admit_analysis_proposal(agreement, proposal)
        return explain_analysis(
            analysis, kind=proposal.kind, rules=rules_of(agreement, analysis.columns)
        )
    admitted = admit_proposal(agreement, proposal)
    return explain(admitted, rules=rules_of(agreement, admitted.columns))


def query_terms(agreement: Agreement, proposal: Proposed, *, author: str) -> QueryTerms:
    """Write down what admission found out about a proposal, ready to be signed.

    Raises:
        AdmissionRefusedError: A policy does not admit it.
    """
    if isinstance(proposal, AnalysisProposal):
        return _analysis_terms(agreement, proposal, author=author)
    admitted = admit_proposal(agreement, proposal)
    return QueryTerms(
        name=proposal.name,
        author=author,
        kind="sql",
        receivers=proposal.receivers or frozenset({author}),
        code=(CodeFile(file=CODE_FILE, digest=Digest.of(proposal.code)),),
        datasets=dict(admitted.columns),
        parameters=proposal.parameters,
        output=_output(admitted),
        resources=proposal.resources,
    )


def _analysis_terms(agreement: Agreement, proposal: AnalysisProposal, *, author: str) -> QueryTerms:
    admitted = admit_analysis_proposal(agreement, proposal)
    output = proposal.analysis.output
    return QueryTerms(
        name=proposal.name,
        author=author,
        kind=proposal.kind,
        receivers=proposal.receivers or frozenset({author}),
        code=(CodeFile(file=ANALYSIS_FILE, digest=Digest.of(proposal.code)),),
        datasets=dict(admitted.columns),
        parameters=proposal.parameters,
        output=tuple(OutputColumn(name=name, type=kind) for name, kind in output),
        resources=proposal.resources,
        analysis=proposal.analysis,
    )


def admit_run(approved: ApprovedRun) -> AdmittedQuery | AdmittedAnalysis:
    """Admit an approved query again, and hold it to what its document declares.

    Raises:
        MalformedError: Python code shows a reviewer something else than Python reads.
        AdmissionRefusedError: A policy does not admit it.
        RefusedError: Its environment is not the one that is installed here.
        IntegrityError: The code reads or releases something else than was declared.
    """
    query = approved.query
    if isinstance(query.analysis, PythonAnalysis):
        return _admit_analysis_run(approved, query.analysis)
    (code,) = approved.code.values()  # whatever its author called the file
    proposal = Proposal(
        name=query.name,
        code=code,
        parameters=query.parameters,
        receivers=query.receivers,
        resources=query.resources,
    )
    admitted = admit_proposal(approved.agreement, proposal)
    # Approvers read the document; the code must not do more than it says.
    declared = {lineage: tuple(sorted(columns)) for lineage, columns in query.datasets.items()}
    if dict(admitted.columns) != declared or _output(admitted) != query.output:
        raise _not_as_declared(query.name)
    return admitted


def _admit_analysis_run(approved: ApprovedRun, analysis: PythonAnalysis) -> AdmittedAnalysis:
    query = approved.query
    (code,) = approved.code.values()
    _require_readable(code)
    admitted = admit_analysis(
        analysis,
        kind=query.kind,
        datasets=query.datasets,
        catalog=catalog_of(approved.agreement),
    )
    declared = {lineage: tuple(sorted(columns)) for lineage, columns in query.datasets.items()}
    if dict(admitted.columns) != declared:
        raise _not_as_declared(query.name)
    require_environment(analysis.environment)
    return admitted


def _require_readable(code: bytes) -> None:
    # Whoever approves it reads it on a screen (T-09).
    require_plain(decode_text(code, what=ANALYSIS_FILE, limit=MAX_CODE_BYTES), what=ANALYSIS_FILE)


def _not_as_declared(name: str) -> IntegrityError:
    return IntegrityError(
        f"query {name}: the code uses or releases other columns than its document",
        code="runner.declared",
        hint="submit the query again; its document is written from its code",
    )


def rules_of(agreement: Agreement, columns: Iterable[tuple[str, tuple[str, ...]]]) -> Rules:
    """Combine the policies of all datasets that a query reads; the strictest value wins."""
    return strictest(agreement.policies[lineage] for lineage, _ in columns)


def _output(admitted: AdmittedQuery) -> tuple[OutputColumn, ...]:
    return tuple(OutputColumn(name=item.name, type=item.type) for item in admitted.output)
