# SPDX-License-Identifier: Apache-2.0
"""Admit a query under a contract: before it is submitted, and again before it runs.

Both use the same catalog, made from the signed policies and dataset documents, so
what an analyst is told at submission is what the runner will do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cleanroom.admission.admit import admit
from cleanroom.admission.catalog import Catalog
from cleanroom.admission.explain import Explanation, explain
from cleanroom.admission.tree import AdmittedQuery
from cleanroom.contract.agreement import Agreement
from cleanroom.contract.analysis import SqlAnalysis
from cleanroom.contract.approved_run import ApprovedRun
from cleanroom.contract.query import (
    CodeFile,
    OutputColumn,
    Parameter,
    QueryTerms,
    Resources,
)
from cleanroom.contract.rules import Rules, strictest
from cleanroom.errors import IntegrityError, RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.second_reading.agree import require_one_reading

CODE_FILE = "query.sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What an analyst proposes.

    Attributes:
        name: Name of the query in the room.
        code: The SQL text, exactly as it will be signed.
        parameters: Parameters with their whole domains.
        receivers: Who may receive results; empty means the author alone.
        resources: What one run may spend.
    """

    name: str
    code: bytes
    parameters: Mapping[str, Parameter]
    receivers: frozenset[str]
    resources: Resources


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


def explain_proposal(agreement: Agreement, proposal: Proposal) -> Explanation:
    """Say what a proposal would read, count and release, and under which rules."""
    admitted = admit_proposal(agreement, proposal)
    return explain(admitted, rules=rules_of(agreement, admitted))


def query_terms(agreement: Agreement, proposal: Proposal, *, author: str) -> QueryTerms:
    """Write down what admission found out about a proposal, ready to be signed.

    Raises:
        AdmissionRefusedError: A policy does not admit it.
    """
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


def admit_run(approved: ApprovedRun) -> AdmittedQuery:
    """Admit an approved query again, and hold it to what its document declares.

    Raises:
        AdmissionRefusedError: A policy does not admit it.
        RefusedError: It is not SQL, and nothing here confines Python yet.
        IntegrityError: The code reads or releases something else than was declared.
    """
    query = approved.query
    if not isinstance(query.analysis, SqlAnalysis):
        raise RefusedError(
            f"query {query.name}: found kind {query.kind}, this runner runs sql",
            code="runner.kind",
            hint="ask the same question in SQL",
        )
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
        raise IntegrityError(
            f"query {query.name}: the code uses or releases other columns than its document",
            code="runner.declared",
            hint="submit the query again; its document is written from its code",
        )
    return admitted


def rules_of(agreement: Agreement, admitted: AdmittedQuery) -> Rules:
    """Combine the policies of all datasets that a query reads; the strictest value wins."""
    return strictest(agreement.policies[lineage] for lineage, _ in admitted.columns)


def _output(admitted: AdmittedQuery) -> tuple[OutputColumn, ...]:
    return tuple(OutputColumn(name=item.name, type=item.type) for item in admitted.output)
