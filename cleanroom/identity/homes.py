# SPDX-License-Identifier: Apache-2.0
"""Where profiles lie on a machine, and the names of their files.

It loads almost nothing, so that a command can begin to open a key before it loads the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cleanroom.errors import UnavailableError

PARTY_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
PROFILE_FILE = "profile.toml"
PARTY_FILE = "party.toml"
PARTY_SIGNATURE_FILE = "party.toml.sig"
SIGNING_KEY_FILE = "keys/signing"
SEEDS_FILE = "keys/seeds.json"


def config_directory(environ: Mapping[str, str]) -> Path:
    """Return where profiles are kept: ``$XDG_CONFIG_HOME/cleanroom`` or ``~/.config/cleanroom``.

    Raises:
        UnavailableError: The environment names no absolute directory.
    """
    # The XDG base directory specification says to ignore relative paths.
    for base in (
        Path(environ.get("XDG_CONFIG_HOME", "")),
        Path(environ.get("HOME", "")) / ".config",
    ):
        if base.is_absolute():
            return base / "cleanroom"
    raise UnavailableError(
        "profiles: neither XDG_CONFIG_HOME nor HOME names a directory",
        code="profile.home",
        hint="set XDG_CONFIG_HOME to an absolute path",
    )


def list_profiles(directory: Path) -> tuple[str, ...]:
    """Return the names of all profiles, sorted."""
    found = (path.parent.name for path in directory.glob(f"*/{PROFILE_FILE}"))
    return tuple(sorted(name for name in found if PARTY_NAME.fullmatch(name)))
