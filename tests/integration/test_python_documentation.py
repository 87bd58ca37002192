# SPDX-License-Identifier: Apache-2.0
"""The analyses of the documentation run as they stand there, and the commands around them."""

import contextlib
import io
import json
import re
from pathlib import Path
from typing import get_args

import pytest

from cleanroom import room as line
from cleanroom.cli.proposing import ProposalOptions, read_proposal
from cleanroom.contract.analysis import AnalysisFunction, StatisticClass
from cleanroom.errors import QueryFailedError
from cleanroom.runner.mock_run import run_on_mock
from cleanroom.runner.proposal import explain_proposal
from tests.support.analyses import analysis_room
from tests.support.keys import pins_of
from tests.support.source_tree import ROOT

PAGE = (ROOT / "docs" / "python-analyses.md").read_text("utf-8")
PAIRS = dict(
    zip(
        ("cohort", "survival", "regression"),
        re.findall(r"```toml\n(.*?)```\n\n```python\n(.*?)```", PAGE, flags=re.DOTALL),
        strict=True,
    )
)


@pytest.fixture(scope="module")
def agreement(tmp_path_factory):
    room = analysis_room(tmp_path_factory.mktemp("room"))
    yield line.verify_contract(room.room, pins_of(*room.parties.values()))
    room.close()


def proposed(directory: Path, name: str, *, change=lambda code: code):
    declared, code = PAIRS[name]
    (directory / f"{name}.toml").write_text(declared)
    (directory / f"{name}.py").write_text(change(code))
    options = ProposalOptions(
        name="",
        pairs=(),
        receivers=(),
        memory_mib=512,
        seconds=60,
        rows=1000,
        processor_seconds=None,
        result_mib=None,
        analysis=directory / f"{name}.toml",
    )
    return read_proposal(directory / f"{name}.py", options)


@pytest.mark.parametrize("name", PAIRS)
def test_an_analysis_of_the_documentation_runs_as_it_stands(agreement, tmp_path, name):
    table = run_on_mock(agreement, proposed(tmp_path, name), seed=1, units=400)
    assert table.rows
    assert any(value is not None for value in table.rows[0])
    assert table.caution.startswith("SUPPORT ASSERTED") == (name == "regression")


def test_the_page_names_whatever_a_file_may_say():
    for word in (*get_args(StatisticClass), *AnalysisFunction):
        assert f"`{word}`" in PAGE


def test_it_is_explained_before_it_is_submitted(agreement, tmp_path):
    explanation = explain_proposal(agreement, proposed(tmp_path, "survival"))
    assert "groups    week: one of 0, 1, 2, 3, 4" in explanation.text
    assert json.dumps(explanation.data)


def test_on_mock_data_what_is_printed_and_raised_is_shown_in_full(agreement, tmp_path, capsys):
    def change(code):
        return code.replace(
            "    days =", "    print('SHOWN')\n    raise ValueError('TOLD')\n    days ="
        )

    with pytest.raises(QueryFailedError) as refused:
        run_on_mock(agreement, proposed(tmp_path, "cohort", change=change), seed=1, units=50)
    assert refused.value.code == "analysis.raised"
    told = capsys.readouterr()
    assert "SHOWN" in told.out
    assert "ValueError: TOLD" in told.err
    assert 'raise ValueError("TOLD")' in told.err or "raise ValueError('TOLD')" in told.err


def test_on_mock_data_what_is_no_map_is_refused_as_on_real_ones(agreement, tmp_path, capsys):
    def change(code):
        return code.replace("    frame =", "    days[:] = len(days)\n    frame =")

    with pytest.raises(QueryFailedError) as refused:
        run_on_mock(agreement, proposed(tmp_path, "cohort", change=change), seed=1, units=400)
    assert refused.value.code == "analysis.not-a-map"
    assert "column 'days': differs for the same person" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ((".isin(PROGRAMMES), None)", '.isin(["standard"]), "other")'), "not listed: 'other'"),
        (('"avg(days)"', '"sum(days)"'), "expects other aggregates"),
        (('= members.merge(days, on="unit")', "= members"), "agreed one column 'days'"),
    ],
)
def test_on_mock_data_whoever_hands_over_something_else_is_told_what(
    agreement, tmp_path, change, told
):
    asked = proposed(tmp_path, "cohort", change=lambda code: code.replace(*change))
    shown = io.StringIO()
    with pytest.raises(QueryFailedError), contextlib.redirect_stderr(shown):
        run_on_mock(agreement, asked, seed=1, units=200)
    assert told in shown.getvalue()
    assert "cleanroom/runner" not in shown.getvalue()


def test_invented_rows_have_the_values_that_groups_list(agreement, tmp_path):
    table = run_on_mock(agreement, proposed(tmp_path, "cohort"), seed=1, units=400)
    assert {row[0] for row in table.rows} >= {"follow-up", "standard"}
