# SPDX-License-Identifier: Apache-2.0
"""The shape of ``policy.toml`` at the edge; meaning is checked in ``policy``."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from cleanroom.contract import types
from cleanroom.contract.wire import (
    ColumnName,
    Count,
    Lineage,
    Name,
    Namespace,
    Positive,
    Ratio,
    Text,
)
from cleanroom.kernel.limits import MAX_COLUMNS, MAX_CONTRACT_DATASETS, MAX_PARTIES
from cleanroom.kernel.wire_model import WireModel

ROLE = rf"row_id|dimension|quasi|measure|blocked|public|key:{types.NAMESPACE}"
LEAST_THRESHOLD = 3
MOST_SIGNIFICANT_DIGITS = 6
MOST_DOMINANT = 16

Kind: TypeAlias = Literal["sql", "python_per_unit", "python_reviewed", "model", "dp"]
Columns: TypeAlias = Annotated[
    dict[ColumnName, "ColumnWire"], Field(min_length=1, max_length=MAX_COLUMNS)
]
Names: TypeAlias = Annotated[list[Name], Field(max_length=MAX_PARTIES)]
ColumnNames: TypeAlias = Annotated[list[ColumnName], Field(max_length=MAX_COLUMNS)]


class ColumnWire(WireModel):
    """One column: its role, and bounds if it is a measure."""

    role: Annotated[str, Field(pattern=f"^(?:{ROLE})$")]
    lower: Ratio | None = None
    upper: Ratio | None = None
    unit: Annotated[Text, Field(max_length=32)] | None = None


class UnitWire(WireModel):
    """The protected unit and the column that identifies it."""

    kind: Namespace
    namespace: Namespace
    column: ColumnName
    rows: Literal["one", "many"]
    max_rows: Positive


class PublicUnitWire(WireModel):
    """The declaration that a dataset protects nobody."""

    kind: Literal["public"]


class CompareWire(WireModel):
    """Which columns may be compared with what."""

    literal: ColumnNames
    column: ColumnNames


class ThresholdWire(WireModel):
    """Least number of distinct units."""

    units: Annotated[int, Field(ge=LEAST_THRESHOLD, le=1_000_000)]


class DominanceWire(WireModel):
    """The (n,k) rule."""

    largest: Annotated[int, Field(ge=1, le=MOST_DOMINANT)]
    share: Ratio


class PPercentWire(WireModel):
    """The p% rule."""

    p: Ratio


class RoundingWire(WireModel):
    """Base of counts and grid of other numbers."""

    counts: Annotated[int, Field(ge=1, le=1_000_000)]
    significant_digits: Annotated[int, Field(ge=1, le=MOST_SIGNIFICANT_DIGITS)]


class NoNoiseWire(WireModel):
    """No calibrated noise."""

    kind: Literal["none"]


class DifferentialPrivacyWire(WireModel):
    """Calibrated noise within a budget."""

    kind: Literal["dp"]
    epsilon_per_release: Ratio
    epsilon_total: Ratio
    delta: Ratio
    max_rows_per_unit: Positive
    max_groups_per_unit: Positive


class DifferenceWire(WireModel):
    """Least number of units between two released values."""

    units: Annotated[int, Field(ge=1, le=1_000_000)]


class ReleasesWire(WireModel):
    """How many releases there may be."""

    per_receiver: Count
    total: Count


class JoinsWire(WireModel):
    """What the dataset may be joined with."""

    datasets: Annotated[list[Lineage], Field(max_length=MAX_CONTRACT_DATASETS)]


class PublicPolicyWire(WireModel):
    """The policy of a dataset that protects nobody."""

    format: Literal["cleanroom.policy.v0"]
    owner: Name
    dataset: Lineage
    kinds: Annotated[list[Kind], Field(max_length=8)]
    receivers: Names
    unit: PublicUnitWire
    columns: Columns
    joins: JoinsWire


class PolicyWire(WireModel):
    """The policy of a dataset about people or firms."""

    format: Literal["cleanroom.policy.v0"]
    owner: Name
    dataset: Lineage
    kinds: Annotated[list[Kind], Field(max_length=8)]
    receivers: Names
    functions: Annotated[list[Namespace], Field(max_length=256)]
    zeros: Literal["suppress", "release"]
    unit: UnitWire
    columns: Columns
    compare: CompareWire
    threshold: ThresholdWire
    dominance: DominanceWire
    p_percent: PPercentWire
    rounding: RoundingWire
    noise: Annotated[NoNoiseWire | DifferentialPrivacyWire, Field(discriminator="kind")]
    difference: DifferenceWire
    releases: ReleasesWire
    joins: JoinsWire
