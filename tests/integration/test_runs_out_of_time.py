# SPDX-License-Identifier: Apache-2.0
"""A run outside the time that was agreed is refused where it is asked for, and costs nothing."""

import datetime as dt

import pytest

from cleanroom import room as line
from cleanroom.errors import RefusedError
from cleanroom.identity.profile import load_profile, unlock_signer
from cleanroom.kernel.clock import system_clock
from tests.support.command_line import EXAMPLE, PASSPHRASE, agree_on_example, two_parties

DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def agreed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("agreed")
    hospital, insurer = two_parties(directory)
    agree_on_example((hospital, insurer), directory / "room")
    submit = ("query", "submit", EXAMPLE / "programmes.sql", "--param", "year=2025")
    insurer.succeeds(*submit, "--room", directory / "room")
    hospital.succeeds("query", "approve", "programmes", "--room", directory / "room")
    return insurer, directory / "room"


@pytest.mark.parametrize(
    ("later", "code", "found"),
    [
        (
            line.APPROVAL_LIFE + DAY,
            "approval.missing",
            "approval of .*: found one that has expired",
        ),
        (1000 * DAY, "contract.expired", "contract.toml: expires: found"),
        (-1000 * DAY, "contract.not-yet", "contract.toml: not_before: found"),
    ],
)
def test_a_run_outside_its_time_is_refused_before_a_broker_or_a_runner_hears_of_it(
    agreed, later, code, found
):
    """T-20: no broker is served here, so whatever asked one would be told that it is not there."""
    insurer, room = agreed
    profile = load_profile(insurer.home / "cleanroom", "insurer")
    with pytest.raises(RefusedError, match=found) as refused:
        line.run_query(
            profile,
            unlock_signer(profile, PASSPHRASE.rstrip()),
            room=room,
            query="programmes",
            parameters={"year": 2025},
            receivers=(),
            progress=lambda stage: pytest.fail(f"it went on to {stage}"),
            clock=lambda: system_clock() + later,
        )
    assert (refused.value.code, refused.value.exit_code) == (code, 3)
    assert refused.value.hint
    # A signed request would be a standing order.
    assert not (room / "runs").exists()
