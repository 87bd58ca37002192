# SPDX-License-Identifier: Apache-2.0
"""Drafts that a person reads, changes and signs: a conservative policy, a contract.

A draft never decides for its owner. Whatever could tell about one person is
``blocked`` until somebody gives it a role, and bounds that come from data are
widened, because a policy is read by the other parties.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from cleanroom.contract.attestation_draft import draft_profile
from cleanroom.contract.contract import (
    ByOwner,
    ContractDataset,
    ContractParty,
    ContractTerms,
    Link,
    Price,
    Quorum,
    SandboxLevel,
)
from cleanroom.contract.policy import Column, NoNoise, PolicyTerms, Role, Unit
from cleanroom.contract.types import ColumnType, split_lineage
from cleanroom.errors import RefusedError
from cleanroom.identity.party import PartyDocument
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

# The greatest power of ten that a policy can write; what is beyond it needs its owner's thought.
GREATEST_BOUND = 10**17


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSketch:
    """What the owner's own machine saw of a column.

    Attributes:
        few_values: Whether it holds few distinct values, each of them often.
        lower: Least number seen; ignored for other types.
        upper: Greatest number seen; ignored for other types.
    """

    few_values: bool
    lower: Fraction = Fraction(0)
    upper: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftDataset:
    """One dataset of a contract to be drafted.

    Attributes:
        lineage: ``owner.table``.
        schema: Digest of its columns and types.
        policy: Digest of its policy.
    """

    lineage: str
    schema: Digest
    policy: Digest


def draft_policy(
    *,
    dataset: str,
    columns: Sequence[tuple[str, ColumnType]],
    unit: Unit,
    sketches: Mapping[str, ColumnSketch],
    receivers: Iterable[str],
    joins: Iterable[str],
) -> PolicyTerms:
    """Draft a conservative policy: k = 10, p = 10 per cent, counts to 5.

    Raises:
        RefusedError: The unit's column is not one of the columns.
    """
    if unit.column not in dict(columns):
        raise RefusedError(
            f"policy of {dataset}: unit.column: found {unit.column!r}, "
            f"agreed one of {', '.join(name for name, _ in columns)}",
            code="draft.unit",
            hint="name the column that tells people or firms apart",
        )
    roles = {
        name: _column(name, kind, unit=unit, sketch=sketches.get(name)) for name, kind in columns
    }
    return PolicyTerms(
        owner=split_lineage(dataset)[0],
        dataset=dataset,
        kinds=frozenset({"sql"}),
        receivers=frozenset(receivers),
        functions=frozenset(),
        zeros="suppress",
        unit=unit,
        columns=roles,
        compare_literal=frozenset(
            name for name, column in roles.items() if column.role is Role.DIMENSION
        ),
        compare_column=frozenset({unit.column}),
        threshold=10,
        dominance_largest=2,
        dominance_share=Fraction(9, 10),
        p_percent=Fraction(10),
        round_counts=5,
        significant_digits=4,
        noise=NoNoise(),
        difference=10,
        releases_per_receiver=100,
        releases_total=200,
        joins=frozenset(joins) - {dataset},
    )


# What nobody should sign unread; `contract lint` finds it.
NO_PURPOSE = "Say here in one sentence what the results are for"
NO_PURPOSE_CODE = "unspecified"


def draft_contract(
    *,
    name: str,
    parties: Sequence[PartyDocument],
    datasets: Sequence[DraftDataset],
    links: Sequence[Link],
    receivers: Iterable[str],
    platforms: Iterable[str],
    measurements: Iterable[Digest],
    at: dt.datetime,
) -> ContractTerms:
    """Draft a contract for a year over these parties and datasets.

    Only the receivers may submit, and every owner touched must approve. Which
    platforms and runners get keys is for the caller to say: there is no default,
    ``simulated`` least of all.
    """
    owners = {split_lineage(dataset.lineage)[0] for dataset in datasets}
    receiving = frozenset(receivers)
    start = at.replace(hour=0, minute=0, second=0)
    return ContractTerms(
        name=name,
        purpose=NO_PURPOSE,
        purpose_code=NO_PURPOSE_CODE,
        not_before=start,
        expires=start + dt.timedelta(days=365),
        predecessor=None,
        quorum=Quorum.OWNERS_TOUCHED,
        max_runs=100,
        # The strongest that needs nothing but a kernel: namespaces are often forbidden.
        sandbox=SandboxLevel.SELF,
        receivers=receiving,
        submitters=receiving,
        queries=frozenset(),
        parties=tuple(_party(party, owners=owners, receivers=receiving) for party in parties),
        datasets=tuple(_dataset(dataset) for dataset in datasets),
        links=tuple(links),
        attestation=draft_profile(platforms, measurements=measurements, gpus=0),
        price=Price(currency="none", amount_per_run=0),
    )


def widened(lower: Fraction, upper: Fraction) -> tuple[Fraction, Fraction]:
    """Round bounds outwards to a power of ten.

    The greatest value of a column is one person's value; the next power of ten
    tells only its order of magnitude.
    """
    top = _magnitude(max(upper, Fraction(1)))
    return (Fraction(0) if lower >= 0 else -_magnitude(-lower)), top


def _magnitude(value: Fraction) -> Fraction:
    bound = Fraction(1)
    while bound < value:
        bound *= 10
    return bound


def _column(name: str, kind: ColumnType, *, unit: Unit, sketch: ColumnSketch | None) -> Column:
    if name == unit.column:
        return Column(name=name, role=Role.KEY, namespace=unit.namespace)
    if sketch is None:
        return Column(name=name, role=Role.BLOCKED)
    if sketch.few_values:
        return Column(name=name, role=Role.DIMENSION)
    # A number named like an identifier is one: its sum means nothing.
    if kind.is_number and not name.endswith("id"):
        lower, upper = widened(sketch.lower, sketch.upper)
        if max(-lower, upper) > GREATEST_BOUND:
            return Column(name=name, role=Role.BLOCKED)
        return Column(name=name, role=Role.MEASURE, lower=lower, upper=upper, measured_in="units")
    return Column(name=name, role=Role.BLOCKED)


def _party(
    party: PartyDocument, *, owners: Iterable[str], receivers: Iterable[str]
) -> ContractParty:
    roles = set()
    if party.name in owners:
        roles.add("owner")
    if party.name in receivers:
        roles |= {"receiver", "analyst"}
    return ContractParty(
        name=party.name, document=party.digest, roles=frozenset(roles or {"auditor"})
    )


def _dataset(dataset: DraftDataset) -> ContractDataset:
    return ContractDataset(
        lineage=dataset.lineage,
        owner=split_lineage(dataset.lineage)[0],
        schema=dataset.schema,
        policy=dataset.policy,
        version=ByOwner(),
    )
