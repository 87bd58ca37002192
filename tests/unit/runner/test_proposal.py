# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest

from cleanroom.contract.analysis import PER_UNIT
from cleanroom.errors import IntegrityError, MalformedError, RefusedError
from cleanroom.runner.proposal import admit_run
from tests.support.room_documents import build_room
from tests.unit.contract.test_analysis import TABLE

APPROVED = build_room().approved()


def test_python_is_admitted_as_python_and_never_read_as_sql():
    query = replace(APPROVED.query, kind=PER_UNIT, analysis=TABLE)
    with pytest.raises(RefusedError) as refused:
        admit_run(replace(APPROVED, query=query))
    assert refused.value.code == "admission.kind"


@pytest.mark.parametrize("hidden", ["\u202e", "\u2067", "\r", "\x1b[1A"])
def test_t09_python_that_misleads_its_reviewers_is_not_admitted(hidden):
    query = replace(APPROVED.query, kind=PER_UNIT, analysis=TABLE)
    code = {"query.py": f"# checked {hidden} twice\ndef cohort(tables, parameters): ...\n".encode()}
    with pytest.raises(MalformedError, match="^analysis.py: found the character U") as refused:
        admit_run(replace(APPROVED, query=query, code=code))
    assert refused.value.code == "text.misleading"


def test_code_may_have_any_file_name():
    code = {"mine.sql": b"SELECT ward, count(*) AS n FROM hospital.encounters GROUP BY ward"}
    query = replace(APPROVED.query, parameters={})
    with pytest.raises(IntegrityError) as refused:
        admit_run(replace(APPROVED, query=query, code=code))
    assert refused.value.code == "runner.declared"
