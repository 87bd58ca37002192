# SPDX-License-Identifier: Apache-2.0
"""The class of every released statistic, in the vocabulary of SACRO's statbarns.

Output checkers know the risks and mitigations of each class; a release record that names
it can be read by them without knowing this gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from cleanroom.disclosure.shape import AggregateKind


class Statbarn(StrEnum):
    """Classes of statistics that this gate releases."""

    KEY = "Key"
    FREQUENCIES = "Frequencies"
    LINEAR_AGGREGATIONS = "LinearAggregations"
    SHAPE = "Shape"
    CORRELATION_COEFFICIENTS = "CorrelationCoefficients"
    LINKED_TABLES = "LinkedMultilevelTables"


_OTHERS: Mapping[AggregateKind, Statbarn] = {
    AggregateKind.SUM: Statbarn.LINEAR_AGGREGATIONS,
    AggregateKind.AVG: Statbarn.LINEAR_AGGREGATIONS,
    AggregateKind.REGR_AVGX: Statbarn.LINEAR_AGGREGATIONS,
    AggregateKind.REGR_AVGY: Statbarn.LINEAR_AGGREGATIONS,
    AggregateKind.VAR_POP: Statbarn.SHAPE,
    AggregateKind.VAR_SAMP: Statbarn.SHAPE,
    AggregateKind.STDDEV_POP: Statbarn.SHAPE,
    AggregateKind.STDDEV_SAMP: Statbarn.SHAPE,
    AggregateKind.REGR_SXX: Statbarn.SHAPE,
    AggregateKind.REGR_SYY: Statbarn.SHAPE,
    AggregateKind.REGR_SXY: Statbarn.CORRELATION_COEFFICIENTS,
    AggregateKind.COVAR_POP: Statbarn.CORRELATION_COEFFICIENTS,
    AggregateKind.COVAR_SAMP: Statbarn.CORRELATION_COEFFICIENTS,
    AggregateKind.CORR: Statbarn.CORRELATION_COEFFICIENTS,
    AggregateKind.REGR_SLOPE: Statbarn.CORRELATION_COEFFICIENTS,
    AggregateKind.REGR_INTERCEPT: Statbarn.CORRELATION_COEFFICIENTS,
    AggregateKind.REGR_R2: Statbarn.CORRELATION_COEFFICIENTS,
}


def statbarn_of(kind: AggregateKind, *, margins: bool) -> Statbarn:
    """Class one aggregate; ``margins`` says that totals stand beside their parts."""
    found = _OTHERS.get(kind, Statbarn.FREQUENCIES)
    additive = found in {Statbarn.FREQUENCIES, Statbarn.LINEAR_AGGREGATIONS}
    return Statbarn.LINKED_TABLES if margins and additive else found
