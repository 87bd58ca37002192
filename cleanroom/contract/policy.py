# SPDX-License-Identifier: Apache-2.0
"""Read an owner's output policy: terms that are complete and do not contradict themselves.

The policy is signed by its owner and enforced after any code. Nothing in it has
a default: a clause that is absent is refused, and an empty list lets nothing out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from cleanroom.contract.policy_terms import (
    UNLIMITED,
    Column,
    DifferentialPrivacy,
    Noise,
    NoNoise,
    Policy,
    PolicyTerms,
    Public,
    Role,
    Unit,
)
from cleanroom.contract.policy_wire import (
    ColumnWire,
    DifferentialPrivacyWire,
    NoNoiseWire,
    PolicyWire,
    PublicPolicyWire,
    UnitWire,
)
from cleanroom.contract.types import parse_ratio, split_lineage
from cleanroom.contract.wire import malformed, read_document, unique, with_bytes
from cleanroom.kernel.limits import MAX_POLICY_BYTES
from cleanroom.kernel.strict_toml import parse_toml

__all__ = [
    "UNLIMITED",
    "Column",
    "DifferentialPrivacy",
    "NoNoise",
    "Noise",
    "Policy",
    "PolicyTerms",
    "Public",
    "Role",
    "Unit",
    "parse_policy",
]

_KIND = "policy"
_NOT_COMPARED_WITH_LITERALS = frozenset({Role.KEY, Role.ROW_ID, Role.BLOCKED})


def parse_policy(data: bytes, *, what: str = "policy.toml") -> Policy:
    """Read a policy from its exact bytes.

    Raises:
        MalformedError: Not a policy, or one that contradicts itself.
    """
    document = parse_toml(data, what=what, limit=MAX_POLICY_BYTES)
    unit = document.get("unit")
    terms: PolicyTerms
    if isinstance(unit, dict) and unit.get("kind") == "public":
        terms = _public_terms(
            read_document(PublicPolicyWire, document, what=what, kind=_KIND), what=what
        )
    else:
        terms = _protected_terms(
            read_document(PolicyWire, document, what=what, kind=_KIND), what=what
        )
    return with_bytes(Policy, terms, data=data)


def _public_terms(wire: PublicPolicyWire, *, what: str) -> PolicyTerms:
    """Convert the policy of a dataset that protects nobody.

    Raises:
        MalformedError: A column has another role than public, or names disagree.
    """
    _require_owner(wire.owner, wire.dataset, what=what)
    columns = _columns(wire.columns, what=what)
    for column in columns.values():
        if column.role is not Role.PUBLIC:
            raise malformed(
                what,
                f"columns.{column.name}",
                found=f"role {column.role.value} in a public dataset",
                agreed="role public",
                code="policy.public",
                hint="declare a unit, or every column public",
            )
    return PolicyTerms(
        owner=wire.owner,
        dataset=wire.dataset,
        kinds=_unique(wire.kinds, what=what, clause="kinds"),
        receivers=_unique(wire.receivers, what=what, clause="receivers"),
        unit=Public(),
        columns=columns,
        joins=_joins(wire.joins.datasets, wire.dataset, what=what),
    )


def _protected_terms(wire: PolicyWire, *, what: str) -> PolicyTerms:
    """Convert the policy of a dataset about people or firms.

    Raises:
        MalformedError: Clauses contradict each other.
    """
    _require_owner(wire.owner, wire.dataset, what=what)
    columns = _columns(wire.columns, what=what)
    literal = _unique(wire.compare.literal, what=what, clause="compare.literal")
    column = _unique(wire.compare.column, what=what, clause="compare.column")
    _require_compared_with_literals(literal, columns, what=what)
    _require_compared_with_columns(column, columns, what=what)
    return PolicyTerms(
        owner=wire.owner,
        dataset=wire.dataset,
        kinds=_unique(wire.kinds, what=what, clause="kinds"),
        receivers=_unique(wire.receivers, what=what, clause="receivers"),
        functions=_unique(wire.functions, what=what, clause="functions"),
        zeros=wire.zeros,
        unit=_unit(wire.unit, columns, what=what),
        columns=columns,
        compare_literal=literal,
        compare_column=column,
        threshold=wire.threshold.units,
        dominance_largest=wire.dominance.largest,
        dominance_share=_share(wire.dominance.share, what=what),
        p_percent=_percent(wire.p_percent.p, what=what),
        round_counts=wire.rounding.counts,
        significant_digits=wire.rounding.significant_digits,
        noise=_noise(wire.noise, what=what),
        difference=wire.difference.units,
        releases_per_receiver=wire.releases.per_receiver,
        releases_total=wire.releases.total,
        joins=_joins(wire.joins.datasets, wire.dataset, what=what),
    )


def _require_owner(owner: str, dataset: str, *, what: str) -> None:
    if split_lineage(dataset)[0] != owner:
        raise malformed(
            what,
            "dataset",
            found=f"{dataset!r} of another owner",
            agreed=f"a dataset of {owner!r}",
            code="policy.owner",
            hint="a dataset is named after the party that signs its policy",
        )


def _columns(wires: Mapping[str, ColumnWire], *, what: str) -> dict[str, Column]:
    return {name: _column(name, wire, what=what) for name, wire in wires.items()}


def _column(name: str, wire: ColumnWire, *, what: str) -> Column:
    role, _, namespace = wire.role.partition(":")
    bounds = (wire.lower, wire.upper, wire.unit)
    if role != Role.MEASURE:
        if bounds != (None, None, None):
            raise malformed(
                what,
                f"columns.{name}",
                found=f"bounds on a column of role {role}",
                agreed="bounds on measures only",
                code="policy.bounds",
                hint="remove lower, upper and unit, or make the column a measure",
            )
        return Column(name=name, role=Role(role), namespace=namespace)
    if wire.lower is None or wire.upper is None or wire.unit is None:
        raise malformed(
            what,
            f"columns.{name}",
            found="a measure without lower, upper or unit",
            agreed="all three",
            code="policy.bounds",
            hint="without bounds one person's value could carry a whole sum",
        )
    lower = parse_ratio(wire.lower, what=f"{what}: columns.{name}.lower")
    upper = parse_ratio(wire.upper, what=f"{what}: columns.{name}.upper")
    if lower >= upper:
        raise malformed(
            what,
            f"columns.{name}",
            found="a lower bound that is not below the upper one",
            agreed="lower < upper",
            code="policy.bounds",
        )
    return Column(name=name, role=Role.MEASURE, lower=lower, upper=upper, measured_in=wire.unit)


def _unit(wire: UnitWire, columns: Mapping[str, Column], *, what: str) -> Unit:
    column = columns.get(wire.column)
    if column is None or column.role is not Role.KEY or column.namespace != wire.namespace:
        raise malformed(
            what,
            "unit.column",
            found=f"{wire.column!r} without that role",
            agreed=f"a column of role 'key:{wire.namespace}'",
            code="policy.unit",
            hint="the unit is counted by this column, so it must hold its identifiers",
        )
    if (wire.rows == "one") != (wire.max_rows == 1):
        raise malformed(
            what,
            "unit.max_rows",
            found=f"a number that contradicts rows = {wire.rows!r}",
            agreed="1 exactly if rows = 'one'",
            code="policy.unit",
        )
    return Unit(
        kind=wire.kind,
        namespace=wire.namespace,
        column=wire.column,
        one_row=wire.rows == "one",
        max_rows=wire.max_rows,
    )


def _require_compared_with_literals(
    names: Iterable[str], columns: Mapping[str, Column], *, what: str
) -> None:
    # A key that meets a literal is a question about one person (T-08).
    for name in sorted(names):
        role = columns[name].role if name in columns else None
        if role is None or role in _NOT_COMPARED_WITH_LITERALS:
            raise malformed(
                what,
                "compare.literal",
                found=f"{name!r}" + (f" of role {role.value}" if role else ", which is no column"),
                agreed="columns of role dimension, quasi, measure or public",
                code="policy.compare",
                hint="a comparison of an identifier with a value singles out people",
            )


def _require_compared_with_columns(
    names: Iterable[str], columns: Mapping[str, Column], *, what: str
) -> None:
    for name in sorted(names):
        role = columns[name].role if name in columns else None
        if role is None or role is Role.BLOCKED:
            raise malformed(
                what,
                "compare.column",
                found=f"{name!r}" + (" of role blocked" if role else ", which is no column"),
                agreed="columns that are not blocked",
                code="policy.compare",
            )


def _share(text: str, *, what: str) -> Fraction:
    share = parse_ratio(text, what=f"{what}: dominance.share")
    if not 0 < share < 1:
        raise malformed(
            what,
            "dominance.share",
            found="a share out of range",
            agreed="more than 0 and less than 1",
            code="policy.dominance",
        )
    return share


def _percent(text: str, *, what: str) -> Fraction:
    percent = parse_ratio(text, what=f"{what}: p_percent.p")
    if not 0 < percent <= 100:  # noqa: PLR2004 - per cent
        raise malformed(
            what,
            "p_percent.p",
            found="a percentage out of range",
            agreed="more than 0 and at most 100",
            code="policy.p-percent",
        )
    return percent


def _noise(wire: NoNoiseWire | DifferentialPrivacyWire, *, what: str) -> Noise:
    if isinstance(wire, NoNoiseWire):
        return NoNoise()
    noise = DifferentialPrivacy(
        epsilon_per_release=parse_ratio(wire.epsilon_per_release, what=f"{what}: noise"),
        epsilon_total=parse_ratio(wire.epsilon_total, what=f"{what}: noise"),
        delta=parse_ratio(wire.delta, what=f"{what}: noise"),
        max_rows_per_unit=wire.max_rows_per_unit,
        max_groups_per_unit=wire.max_groups_per_unit,
    )
    if not (0 < noise.epsilon_per_release <= noise.epsilon_total and 0 < noise.delta < 1):
        raise malformed(
            what,
            "noise",
            found="a budget that contradicts itself",
            agreed="0 < epsilon_per_release <= epsilon_total and 0 < delta < 1",
            code="policy.noise",
        )
    return noise


def _joins(datasets: list[str], dataset: str, *, what: str) -> frozenset[str]:
    joins = _unique(datasets, what=what, clause="joins.datasets")
    if dataset in joins:
        raise malformed(
            what,
            "joins.datasets",
            found="the dataset itself",
            agreed="other datasets",
            code="policy.joins",
            hint="a join of a dataset with itself is never admitted",
        )
    return joins


def _unique(values: Iterable[str], *, what: str, clause: str) -> frozenset[str]:
    return unique(values, what=what, clause=clause, kind=_KIND)
