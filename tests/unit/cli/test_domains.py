# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.cli.domains import read_domains
from cleanroom.contract.types import ParameterType


@pytest.mark.parametrize(
    ("pair", "kind", "values"),
    [
        ("since=2025-01,2025-07", ParameterType.STRING, ("2025-01", "2025-07")),
        ("day=2025-01-31", ParameterType.DATE, ("2025-01-31",)),
        ("year=2024, 2025", ParameterType.INTEGER, (2024, 2025)),
        ("code:string=01,02", ParameterType.STRING, ("01", "02")),
        ("code=01,02", ParameterType.STRING, ("01", "02")),
        ("n=-1,0", ParameterType.INTEGER, (-1, 0)),
    ],
)
def test_the_type_is_the_narrowest_that_all_values_have(
    pair: str, kind: ParameterType, values: tuple[object, ...]
) -> None:
    (parameter,) = read_domains([pair]).values()
    assert (parameter.type, parameter.values) == (kind, values)


@given(st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=5, unique=True))
def test_integers_come_back_as_they_were_typed(values: list[int]) -> None:
    (parameter,) = read_domains([f"n={','.join(map(str, values))}"]).values()
    assert parameter.values == tuple(values)


@pytest.mark.parametrize("pair", ["n:float=1.5", "n:integer=a", "n", "=1"])
def test_other_forms_are_usage_errors(pair: str) -> None:
    with pytest.raises(click.BadParameter):
        read_domains([pair])
