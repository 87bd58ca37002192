# SPDX-License-Identifier: Apache-2.0
"""How an operator watches a service that it starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

_Function = Callable[..., Any]


def watch_options(function: _Function) -> _Function:
    """Add ``--metrics`` and ``--log`` to a command that serves."""
    log = click.option(
        "--log", is_flag=True, help="Write every request to stderr as JSON, not trouble alone."
    )
    metrics = click.option(
        "--metrics",
        metavar="HOST:PORT",
        default="",
        help="Numbers, liveness and readiness here, for this machine alone.",
    )
    return metrics(log(function))
