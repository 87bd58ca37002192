# SPDX-License-Identifier: Apache-2.0
"""What changed between two contracts, clause by clause and in a fixed order.

A text diff shows moved lines and hides that a list lost one name; this one
compares meanings, so a reordered list is no change at all.
"""

from __future__ import annotations

from collections.abc import Iterable

from cleanroom.contract.attestation_plain import describe_profile
from cleanroom.contract.contract import (
    ByOwner,
    ContractDataset,
    ContractTerms,
)
from cleanroom.contract.resources import AS_QUERIED, Resources, resource_clauses
from cleanroom.kernel.clock import format_time
from cleanroom.kernel.record import dataclass

ABSENT = "(absent)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One clause that differs.

    Attributes:
        clause: Its name, for example ``datasets.hospital.encounters.policy``.
        before: What it said; ``(absent)`` if it was not there.
        after: What it says; ``(absent)`` if it is gone.
    """

    clause: str
    before: str
    after: str


def diff_contracts(before: ContractTerms, after: ContractTerms) -> tuple[Change, ...]:
    """List every clause that means something else, in the order of the document."""
    old, new = _clauses(before), _clauses(after)
    clauses = [*new, *(clause for clause in old if clause not in new)]
    return tuple(
        Change(clause=clause, before=old.get(clause, ABSENT), after=new.get(clause, ABSENT))
        for clause in clauses
        if old.get(clause) != new.get(clause)
    )


def show_changes(changes: Iterable[Change]) -> str:
    """Write changes as text, old value above new one."""
    lines = [
        line
        for change in changes
        for line in (change.clause, f"  - {change.before}", f"  + {change.after}")
    ]
    return "\n".join(lines) + "\n" if lines else "No clause differs.\n"


def _clauses(terms: ContractTerms) -> dict[str, str]:
    clauses = {
        "name": terms.name,
        "purpose": terms.purpose,
        "purpose_code": terms.purpose_code,
        "not_before": format_time(terms.not_before),
        "expires": format_time(terms.expires),
        "predecessor": "none" if terms.predecessor is None else str(terms.predecessor),
        "quorum": terms.quorum.value,
        "max_runs": str(terms.max_runs),
        "sandbox": terms.sandbox.value,
        "receivers": _list(terms.receivers),
        "submitters": _list(terms.submitters),
        "queries": _list(terms.queries),
    }
    for party in terms.parties:
        clauses[f"parties.{party.name}.document"] = str(party.document)
        clauses[f"parties.{party.name}.roles"] = _list(party.roles)
    for dataset in terms.datasets:
        clauses |= _dataset(dataset)
    for link in terms.links:
        # Several links may share a column, so the pair itself is the clause.
        clauses[f"links.{' = '.join(sorted(link.pair))}"] = "linked"
    return (
        clauses
        | describe_profile(terms.attestation)
        | {
            "price.currency": terms.price.currency,
            "price.amount_per_run": str(terms.price.amount_per_run),
        }
        | _resources(terms.resources)
    )


def _dataset(dataset: ContractDataset) -> dict[str, str]:
    place = f"datasets.{dataset.lineage}"
    return {
        f"{place}.owner": dataset.owner,
        f"{place}.schema": str(dataset.schema),
        f"{place}.policy": str(dataset.policy),
        f"{place}.version": "by-owner"
        if isinstance(dataset.version, ByOwner)
        else str(dataset.version),
    }


def _resources(resources: Resources) -> dict[str, str]:
    if resources == AS_QUERIED:
        return {}
    return {f"resources.{name}": str(most) for name, most in resource_clauses(resources).items()}


def _list(values: Iterable[object]) -> str:
    return ", ".join(sorted(str(value) for value in values)) or "(empty)"
