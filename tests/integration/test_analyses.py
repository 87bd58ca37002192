# SPDX-License-Identifier: Apache-2.0
"""Python analyses along the whole line: proposed, approved, run, gated, verified, opened."""

from dataclasses import replace

import pandas as pd
import pytest

from cleanroom import room as line
from cleanroom.contract.analysis import REVIEWED
from cleanroom.errors import RefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.receipt.model import Answered
from tests.support.analyses import (
    COHORT,
    COHORT_CODE,
    NUMBERS,
    STAYS,
    analysis_room,
    answer,
    approved,
    proposed,
)
from tests.support.room_simulator import EXAMPLE

ODDS = b"""
import numpy as np
from cleanroom import release


def cohort(tables, parameters):
    days = tables["hospital.stays"].column("days").to_numpy(zero_copy_only=False)
    people = len(tables["hospital.stays"].column("unit").unique())
    return [release.stat("odds", float(np.mean(days > 7)), units=people)]
"""
COUNTED = b"""
from cleanroom import release


def cohort(tables, parameters):
    return release.stat("odds", 2 / 3, units=%d)
"""


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    room = analysis_room(tmp_path_factory.mktemp("room"))
    yield room
    room.close()


@pytest.fixture
def fresh(tmp_path):
    """A room without a history."""
    room = analysis_room(tmp_path)
    yield room
    room.close()


def expected_cohort():
    stays, members = (
        pd.read_csv(EXAMPLE / "data" / f"{name}.csv") for name in ("stays", "members")
    )
    stays["email"] = stays["email"].str.strip().str.lower()
    members["email"] = members["email"].str.strip().str.lower()
    days = stays.groupby("email", as_index=False)["days"].sum()
    joined = days.merge(members, on="email").groupby("programme")["days"]
    return {
        name: (5 * round(group.size / 5), float(f"{group.mean():.4g}")) for name, group in joined
    }


def test_a_cohort_table_goes_from_code_to_a_verified_receipt(simulator):
    table = answer(simulator, COHORT_CODE, name="cohort")
    found = {name: (people, float(mean)) for name, people, mean in table.rows}
    assert found == expected_cohort()
    assert table.caution == ""
    body = simulator.verify("analysis-cohort").body
    assert body.answered is Answered.COMPUTED
    (mapped,) = [check for check in body.checks if check.rule == "map-over-units"]
    assert mapped.parameters == {"parts": 4, "rounds": 2}


def test_reviewed_numbers_say_loudly_whose_word_they_are(simulator):
    changes = {"kind": REVIEWED, "analysis": NUMBERS, "datasets": {STAYS: ("email", "days")}}
    table = answer(simulator, ODDS, name="odds", **changes)
    days = pd.read_csv(EXAMPLE / "data" / "stays.csv")["days"]
    assert [float(value) for value in table.rows[0]] == [float(f"{(days > 7).mean():.3g}")]
    assert table.caution.startswith("SUPPORT ASSERTED BY CODE")
    assert table.columns[0].statbarn == "calculated-ratios"
    (rules,) = [line for line in simulator.verify("analysis-odds").lines if line.step == "rules"]
    assert rules.found.startswith("SUPPORT ASSERTED BY CODE, not checked")


@pytest.mark.slow
def test_a_number_about_too_few_is_withheld_by_its_own_word(simulator):
    changes = {"kind": REVIEWED, "analysis": NUMBERS, "datasets": {STAYS: ("email", "days")}}
    assert answer(simulator, COUNTED % 9, name="few", **changes).rows == ((None,),)
    again = answer(simulator, COUNTED % 10, name="enough", **changes)
    assert again.rows == (("0.667",),)


@pytest.mark.slow
def test_a_reviewed_frame_is_gated_like_any_and_asserted_all_the_same(fresh):
    table = answer(fresh, COHORT_CODE, kind=REVIEWED, name="trusted")
    found = {name: (people, float(mean)) for name, people, mean in table.rows}
    assert found == expected_cohort()
    assert table.caution.startswith("SUPPORT ASSERTED BY CODE")
    rules = {check.rule for check in fresh.verify("analysis-trusted").body.checks}
    assert {"threshold", "difference", "support-asserted-by-code"} <= rules


@pytest.mark.slow
def test_asking_again_is_answered_from_the_history(fresh):
    # The same code under another name is the same request.
    first = answer(fresh, COHORT_CODE, name="first")
    again = answer(fresh, COHORT_CODE, name="again")
    assert again == first
    assert fresh.verify("analysis-again").body.answered is Answered.STORED


def test_another_environment_is_refused_before_any_key_is_asked_for(simulator):
    analysis = replace(COHORT, environment=Digest.of(b"another lock"))
    query = approved(simulator, proposed(COHORT_CODE, name="elsewhere", analysis=analysis))
    run = simulator.request(query, run="analysis-elsewhere")
    brokers, simulator.brokers = simulator.brokers, {}
    with pytest.raises(RefusedError) as refused:
        simulator.execute(run)
    simulator.brokers = brokers
    assert refused.value.code == "analysis.environment"


def test_a_policy_without_the_kind_refuses_at_submission(simulator):
    with pytest.raises(RefusedError) as refused:
        line.submit_query(
            simulator.profiles["insurer"],
            simulator.parties["insurer"].unlocked.signer,
            room=simulator.room,
            proposal=proposed(COHORT_CODE, datasets={"other.table": ("email",)}),
        )
    assert refused.value.code == "admission.dataset"
