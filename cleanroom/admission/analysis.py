# SPDX-License-Identifier: Apache-2.0
"""May this Python analysis run? Decided from policies, schema and its document alone.

Nothing is read from the code: no reading of Python is a boundary. What counts is
which columns the code is given, whose units its frame speaks for, and that every
owner granted exactly this kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cleanroom.admission.catalog import Catalog
from cleanroom.admission.refusal import DOCUMENT, refuse
from cleanroom.contract.analysis import PythonAnalysis
from cleanroom.contract.policy_terms import Column, NoNoise, Policy, Role, Unit
from cleanroom.contract.types import ColumnType
from cleanroom.kernel.record import dataclass

UNIT = "unit"  # the column of every table and frame that tells units apart

_GIVEN = frozenset({Role.DIMENSION, Role.QUASI, Role.MEASURE, Role.PUBLIC})


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisColumn:
    """One column that the code is given."""

    column: Column
    type: ColumnType


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisInput:
    """One table that the code is given.

    Attributes:
        lineage: ``owner.table``.
        unit: Key column of its unit; empty for a public dataset.
        namespace: Namespace of that column; empty for a public dataset.
        columns: What the code sees of it, beside an opaque unit.
    """

    lineage: str
    unit: str
    namespace: str
    columns: tuple[AnalysisColumn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmittedAnalysis:
    """Proof that an analysis may run; :func:`admit_analysis` mints it.

    Attributes:
        analysis: What the code hands over and what is released of it.
        inputs: Tables, the one whose units count first, then the others by name.
    """

    analysis: PythonAnalysis
    inputs: tuple[AnalysisInput, ...]

    @property
    def protected(self) -> tuple[AnalysisInput, ...]:
        """Tables with units; their units are the same people, linked by the contract."""
        return tuple(item for item in self.inputs if item.unit)

    @property
    def columns(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Columns that are read, by lineage, sorted."""
        read = {
            item.lineage: {given.column.name for given in item.columns} | ({item.unit} - {""})
            for item in self.inputs
        }
        return tuple((lineage, tuple(sorted(names))) for lineage, names in sorted(read.items()))


def admit_analysis(
    analysis: PythonAnalysis,
    *,
    kind: str,
    datasets: Mapping[str, Sequence[str]],
    catalog: Catalog,
) -> AdmittedAnalysis:
    """Admit a Python analysis under every policy it touches.

    Args:
        analysis: The document's ``[python]`` clause.
        kind: The document's kind.
        datasets: Columns by lineage, as the document declares them.
        catalog: What the contract offers.

    Raises:
        QueryRefusedError: A rule says no; it names rule, column, fix and grant.
    """
    # 1. Datasets that the contract lists, whose owners grant this very kind (T-08).
    for lineage in datasets:
        _require_granted(lineage, kind=kind, catalog=catalog)
    # 2. Owners that let their data meet (T-13).
    _require_mutual(datasets, catalog=catalog)
    # 3. Columns that code may see: never an identifier, never a blocked column (T-08).
    inputs = [_input(lineage, names, catalog=catalog) for lineage, names in datasets.items()]
    # 4. One kind of unit: the frame speaks for people whom every protected table knows (T-13).
    first = _speaking(analysis, inputs)
    for other in inputs:
        _require_same_units(first, other, catalog=catalog)
    rest = sorted((item for item in inputs if item is not first), key=lambda item: item.lineage)
    return AdmittedAnalysis(analysis=analysis, inputs=(first, *rest))


def _require_granted(lineage: str, *, kind: str, catalog: Catalog) -> None:
    if lineage not in catalog.datasets:
        refuse(
            "dataset",
            f"{lineage}, which is no sealed dataset of the contract",
            place=DOCUMENT,
            fix="use a dataset of the contract",
            grant=f"a contract that lists {lineage}",
        )
    policy, _ = catalog.datasets[lineage]
    if kind not in policy.kinds:
        refuse(
            "kind",
            f"the policy of {lineage} does not let {kind} touch it",
            place=DOCUMENT,
            fix="ask in SQL, or leave the dataset out",
            grant=f'kinds = ["{kind}"] in the policy of {lineage}',
        )
    if not isinstance(policy.noise, NoNoise):
        refuse(
            "noise",
            f"the policy of {lineage} demands noise, which this gate cannot add",
            place=DOCUMENT,
            fix="leave the dataset out",
            grant=f'[noise] kind = "none" in the policy of {lineage}',
        )


def _require_mutual(lineages: Iterable[str], *, catalog: Catalog) -> None:
    names = sorted(lineages)
    for here in names:
        for there in names:
            if here != there and there not in catalog.datasets[here][0].joins:
                refuse(
                    "join-partner",
                    f"{here} may not be joined with {there}",
                    place=DOCUMENT,
                    fix="analyse the datasets apart",
                    grant=f"[joins] {there} in the policy of {here}",
                )


def _input(lineage: str, names: Sequence[str], *, catalog: Catalog) -> AnalysisInput:
    policy, schema = catalog.datasets[lineage]
    types = dict(schema)
    unit = policy.unit if isinstance(policy.unit, Unit) else None
    column = unit.column if unit else ""
    given = tuple(
        AnalysisColumn(column=_visible(lineage, name, policy), type=types[name])
        for name in sorted(set(names) - {column})
    )
    return AnalysisInput(
        lineage=lineage, unit=column, namespace=unit.namespace if unit else "", columns=given
    )


def _visible(lineage: str, name: str, policy: Policy) -> Column:
    column = policy.columns.get(name)
    reference = f"{lineage}.{name}"
    if column is None:
        refuse(
            "unknown-column",
            f"no column {reference}",
            place=DOCUMENT,
            fix="look the columns up in the dataset's policy",
            column=reference,
        )
    if column.name == UNIT:
        refuse(
            "name",
            f"the column {reference}, whose name tells units apart",
            place=DOCUMENT,
            fix="leave the column out",
            column=reference,
        )
    if column.role not in _GIVEN:
        refuse(
            "python-column",
            f"the column {reference} of role {column.role}",
            place=DOCUMENT,
            fix=f"leave it out; every table has a column {UNIT} that tells units apart",
            column=reference,
            grant=f"the owner gives {reference} another role",
        )
    return column


def _speaking(analysis: PythonAnalysis, inputs: Sequence[AnalysisInput]) -> AnalysisInput:
    named = [item for item in inputs if item.lineage == analysis.unit and item.unit]
    if not named:
        refuse(
            "python-unit",
            f"{analysis.unit} is no dataset with a protected unit that the analysis reads",
            place=DOCUMENT,
            fix="name one that is, in python.unit",
        )
    return named[0]


def _require_same_units(first: AnalysisInput, other: AnalysisInput, *, catalog: Catalog) -> None:
    if other is first or not other.unit:
        return
    # As in SQL: two owners that let their data meet and name one namespace mean the same people.
    here, there = f"{first.lineage}.{first.unit}", f"{other.lineage}.{other.unit}"
    if first.namespace != other.namespace and frozenset({here, there}) not in catalog.links:
        refuse(
            "python-link",
            f"{here} and {there} are not declared to identify the same units",
            place=DOCUMENT,
            fix="analyse the datasets apart",
            column=there,
            grant=f"a contract link between {here} and {there}",
        )
