# SPDX-License-Identifier: Apache-2.0
"""A query as its author types it, before admission has looked at it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

DEFAULT_MEMORY_MIB = 1024
DEFAULT_SECONDS = 300
DEFAULT_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalOptions:
    """What the options say about a query.

    Attributes:
        name: Its name in the room; empty means the file's.
        pairs: ``name=a,b`` for every parameter.
        receivers: Who may receive results; empty means all whom the contract lets.
        memory_mib: What one run may spend.
        seconds: Likewise.
        rows: Likewise.
    """

    name: str
    pairs: tuple[str, ...]
    receivers: tuple[str, ...]
    memory_mib: int
    seconds: int
    rows: int


def proposal_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that describe a query, as one ``options``."""

    @wraps(function)
    def command(**given: Any) -> None:  # noqa: ANN401 - whatever the command itself takes
        fields = {name: given.pop(name) for name in ProposalOptions.__dataclass_fields__}
        function(options=ProposalOptions(**fields), **given)

    for option in _OPTIONS:
        option(command)
    return command


_OPTIONS = (
    click.option("--rows", type=click.IntRange(1), default=DEFAULT_ROWS, help="Most result rows."),
    click.option("--seconds", type=click.IntRange(1), default=DEFAULT_SECONDS, help="Longest run."),
    click.option(
        "--memory-mib", type=click.IntRange(1), default=DEFAULT_MEMORY_MIB, help="Most memory."
    ),
    click.option("--receiver", "receivers", multiple=True, metavar="PARTY", help="May receive it."),
    click.option(
        "--param",
        "pairs",
        multiple=True,
        metavar="NAME=A,B,…",
        help="A parameter and every value that it may take.",
    ),
    click.option("--name", default="", help="Name in the room; the file's name if absent."),
)
