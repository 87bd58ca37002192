# SPDX-License-Identifier: Apache-2.0
"""The file beside a script, and the options that lead to both."""

import re

import click
import pytest

from cleanroom.cli.proposing import ProposalOptions, read_proposal
from cleanroom.errors import MalformedError
from cleanroom.runner.analysis.declared import read_declared
from cleanroom.runner.analysis.environment import environment_digest

TEXT = """
format = "cleanroom.analysis.v0"
kind = "python_per_unit"
[[datasets]]
lineage = "hospital.stays"
columns = ["days"]
[python]
entry_point = "cohort"
unit = "hospital.stays"
aggregates = [{ name = "people", function = "count" }]
"""


def test_what_is_left_out_is_empty_and_the_environment_is_the_one_installed():
    kind, datasets, analysis = read_declared(TEXT.encode(), what="cohort.toml")
    assert (kind, datasets) == ("python_per_unit", {"hospital.stays": ("days",)})
    assert analysis.environment == environment_digest()
    assert (analysis.groups, analysis.measures, analysis.statistics) == ((), (), ())


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("analysis.v0", "analysis.v9", "analysis.format"),
        ("python_per_unit", "sql", "analysis.value"),
        (r"aggregates = .*\n", "", "query.python-release"),
        (r"entry_point = .*\n", "", "analysis.missing"),
        (r"\[python\]", "more = 1\n[python]", "analysis.unknown-key"),
        (r"\[python\][^$]*", "python = 3\n", None),
        (r"\[python\]", '[[datasets]]\nlineage = "hospital.stays"\ncolumns = ["x"]\n[python]',
         "analysis.duplicate"),
    ],
)  # fmt: skip
def test_one_wrong_clause_is_refused_by_name(old, new, code):
    changed = re.sub(old, new, TEXT, count=1)
    assert changed != TEXT
    with pytest.raises(MalformedError) as refused:
        read_declared(changed.encode(), what="cohort.toml")
    assert code is None or refused.value.code == code


def test_a_script_and_its_file_belong_together(tmp_path):
    (tmp_path / "a.py").write_text("x")
    (tmp_path / "a.sql").write_text("x")
    (tmp_path / "a.toml").write_text(TEXT)
    options = {"name": "", "pairs": (), "receivers": (), "memory_mib": 64, "seconds": 5, "rows": 5}
    options |= {"processor_seconds": None, "result_mib": None}
    for file, analysis in (("a.py", None), ("a.sql", tmp_path / "a.toml")):
        with pytest.raises(click.UsageError):
            read_proposal(tmp_path / file, ProposalOptions(**options, analysis=analysis))
