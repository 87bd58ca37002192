# SPDX-License-Identifier: Apache-2.0
"""Read a policy file, and find out for whom a new one is drafted."""

from __future__ import annotations

from pathlib import Path

from cleanroom.cli.session import Session
from cleanroom.contract.policy import Policy, parse_policy
from cleanroom.kernel.files import read_limited
from cleanroom.kernel.limits import MAX_POLICY_BYTES


def read_policy(path: Path) -> Policy:
    """Read a policy from a file.

    Raises:
        UnavailableError: The file cannot be read.
        MalformedError: It is no policy.
    """
    data = read_limited(path, what=path.name, limit=MAX_POLICY_BYTES)
    return parse_policy(data, what=path.name)


def chosen_owner(session: Session) -> str:
    """Return the acting party's name.

    Raises:
        UnavailableError: There is no profile, or none was chosen; ``--owner`` names one too.
    """
    from cleanroom.cli.acting import chosen_profile

    return chosen_profile(session).name
