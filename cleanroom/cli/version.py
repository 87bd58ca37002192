# SPDX-License-Identifier: Apache-2.0
"""Which versions run here; the same ones that a receipt names."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import click

from cleanroom.cli.session import Command, current

DISTRIBUTIONS = ("cleanroom", "duckdb", "pyarrow", "cryptography")


def installed(name: str) -> str:
    """Return the installed version of a distribution, or ``absent``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


@click.command(cls=Command, name="version")
def command() -> None:
    """Print the versions of this program and of what it computes with."""
    versions = {name: installed(name) for name in DISTRIBUTIONS}
    versions["python"] = platform.python_version()
    current().emit(versions, "\n".join(f"{name} {found}" for name, found in versions.items()))
