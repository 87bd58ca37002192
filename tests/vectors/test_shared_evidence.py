# SPDX-License-Identifier: Apache-2.0
"""Real evidence of others through the command that strangers use, each with its outcome.

The files lie beside the repository and are not part of it; without them every
test here is skipped.
"""

import json
from pathlib import Path

import pytest

from cleanroom.cli.main import run
from tests.support.genuine_files import GENUINE
from tests.support.refused_files import REFUSED

SHARED = Path(__file__).parents[3] / "shared" / "vectors"

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/vectors is not there")


def verify(capsys, kind, files, at, *options):
    evidence, *collateral = (SHARED / name for name in files)
    args = ["attest", "verify", "--kind", kind, "--evidence", evidence, "--at", at, "--json"]
    for path in collateral:
        args += ["--collateral", path]
    args += [
        SHARED / item if "/" in item and (SHARED / item).is_file() else item for item in options
    ]
    status = run([str(item) for item in args])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_evidence_verifies_to_the_pinned_root_at_its_time(name, capsys):
    status, value = verify(capsys, *GENUINE[name])
    assert status == 0, value
    assert value["verified"] is True


@pytest.mark.parametrize("name", REFUSED)
def test_each_other_file_is_refused_for_its_own_reason(name, capsys):
    case, (status, reason) = REFUSED[name]
    found, value = verify(capsys, *case)
    assert found == status, value
    assert value["error"]["message"].startswith(reason)
    assert value["verified"] is False
    assert value["failed"]["check"] == value["error"]["message"].partition(": ")[0]
    # What has the right form came at least so far; other files came nowhere.
    assert bool(value["checks"]) is (status != 4)


def test_a_contract_that_accepts_nothing_is_not_affected_by_what_verifies(capsys):
    # Debug evidence that a reader looks at all the same stays debug evidence.
    case = REFUSED["tdx-debug"][0]
    status, value = verify(capsys, *case, "--accept-debug")
    assert status == 0
    assert value["claims"]["debug"] is True
