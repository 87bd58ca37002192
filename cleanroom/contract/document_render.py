# SPDX-License-Identifier: Apache-2.0
"""Write the smaller documents as TOML: datasets, queries, approvals, run requests, revocations."""

from __future__ import annotations

from cleanroom.contract.analysis import PythonAnalysis, SqlAnalysis
from cleanroom.contract.approval import ApprovalTerms
from cleanroom.contract.dataset import DatasetTerms
from cleanroom.contract.query import QueryTerms
from cleanroom.contract.resources import (
    AS_QUERIED,
    OPTIONAL_CLAUSES,
    Resources,
    resource_clauses,
)
from cleanroom.contract.revocation import RevocationTerms
from cleanroom.contract.run_request import RunTerms
from cleanroom.contract.toml_text import (
    array,
    document,
    inline,
    names,
    quote,
    scalar,
    tables,
)


def render_dataset(terms: DatasetTerms) -> bytes:
    """Write a dataset document; reading it again gives the same terms."""
    head = f"""\
# One sealed version of a dataset. Its owner signs exactly these bytes.
format = "cleanroom.dataset.v0"
lineage = {quote(terms.lineage)}
owner = {quote(terms.owner)}
version = {terms.version}
# The output policy it was sealed under, and the name of the key that seals it.
policy = {quote(str(terms.policy))}
key_id = {quote(terms.key_id)}
# Identifiers that were normalised at sealing, and how.
normalisation = {inline(terms.normalisation)}
"""
    columns = tables(
        "columns", ({"name": quote(name), "type": quote(kind)} for name, kind in terms.columns)
    )
    parts = tables(
        "parts",
        (
            {
                "file": quote(part.file),
                "digest": quote(str(part.digest)),
                "bytes": str(part.size),
                "id": quote(part.file_id),
            }
            for part in terms.parts
        ),
    )
    return document(head + columns + parts)


def render_query(terms: QueryTerms) -> bytes:
    """Write a query document; reading it again gives the same terms."""
    head = f"""\
# One query: its code by digest, and everything that may vary between runs.
format = "cleanroom.query.v0"
name = {quote(terms.name)}
author = {quote(terms.author)}
kind = {quote(terms.kind)}
# Parties that may receive its results.
receivers = {names(terms.receivers)}
{"" if terms.parameters else "parameters = []"}
"""
    code = tables(
        "code", ({"file": quote(c.file), "digest": quote(str(c.digest))} for c in terms.code)
    )
    used = tables(
        "datasets",
        (
            {"lineage": quote(lineage), "columns": array(columns)}
            for lineage, columns in terms.datasets.items()
        ),
    )
    parameters = tables(
        "parameters",
        (
            {"name": quote(p.name), "type": quote(p.type.value), "values": array(p.values)}
            for p in terms.parameters.values()
        ),
    )
    output = tables(
        "output", ({"name": quote(o.name), "type": quote(o.type)} for o in terms.output)
    )
    resources = f"""
# More than this is a refusal, never a slower answer.
[resources]
{_resources(terms.resources)}"""
    python = "" if isinstance(terms.analysis, SqlAnalysis) else _render_analysis(terms.analysis)
    return document(head + code + used + parameters + output + resources + python)


def _resources(resources: Resources) -> str:
    # Two clauses may be left out, and are where they say nothing.
    nothing = {name: resource_clauses(AS_QUERIED)[name] for name in OPTIONAL_CLAUSES}
    clauses = resource_clauses(resources).items()
    return "".join(f"{name} = {most}\n" for name, most in clauses if nothing.get(name) != most)


def _render_analysis(analysis: PythonAnalysis) -> str:
    head = f"""
# What the code hands over, one row a unit, and what is released of it.
[python]
entry_point = {quote(analysis.entry_point)}
environment = {quote(str(analysis.environment))}
unit = {quote(analysis.unit)}
"""
    groups = [
        {"name": quote(g.name), "type": quote(g.type), "values": array(g.values)}
        for g in analysis.groups
    ]
    measures = [
        {
            "name": quote(m.name),
            "type": quote(m.type),
            "lower": quote(str(m.lower)),
            "upper": quote(str(m.upper)),
        }
        for m in analysis.measures
    ]
    aggregates = [
        {"name": quote(a.name), "function": quote(a.function.value)}
        | ({"column": quote(a.column)} if a.column else {})
        for a in analysis.aggregates
    ]
    statistics = [
        {"name": quote(s.name), "class": quote(s.statistic_class), "digits": str(s.digits)}
        for s in analysis.statistics
    ]
    parts = {
        "groups": groups, "measures": measures, "aggregates": aggregates, "statistics": statistics
    }  # fmt: skip
    # An empty list has to be written before the first table, or it would belong to that.
    empty = "".join(f"{name} = []\n" for name, items in parts.items() if not items)
    listed = "".join(tables(f"python.{name}", items) for name, items in parts.items() if items)
    return head + empty + listed


def render_approval(terms: ApprovalTerms) -> bytes:
    """Write an approval or a rejection; reading it again gives the same terms."""
    return document(f"""\
# One party's decision about one query under one contract.
format = "cleanroom.approval.v0"
approver = {quote(terms.approver)}
contract = {quote(str(terms.contract))}
query = {quote(str(terms.query))}
decision = {quote(terms.decision.value)}
reason = {quote(terms.reason)}
# The highest number that a party signed counts.
sequence = {terms.sequence}
expires = {scalar(terms.expires)}
""")


def render_run_request(terms: RunTerms) -> bytes:
    """Write a run request; reading it again gives the same terms."""
    values = "".join(f"{name} = {scalar(value)}\n" for name, value in terms.parameters.items())
    return document(f"""\
# Run one query once. Without this signature nobody starts a run.
format = "cleanroom.run.v0"
run = {quote(terms.run)}
contract = {quote(str(terms.contract))}
query = {quote(str(terms.query))}
submitter = {quote(terms.submitter)}
receivers = {names(terms.receivers)}
expires = {scalar(terms.expires)}

[parameters]
{values}""")


def render_revocation(terms: RevocationTerms) -> bytes:
    """Write a revocation; reading it again gives the same terms."""
    return document(f"""\
# What one party takes back, and from when.
format = "cleanroom.revocation.v0"
party = {quote(terms.party)}
kind = {quote(terms.kind.value)}
subject = {quote(str(terms.subject))}
since = {scalar(terms.since)}
reason = {quote(terms.reason)}
""")
