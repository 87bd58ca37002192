# SPDX-License-Identifier: Apache-2.0
"""The query child: rows, an error of the tree, or nothing."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cleanroom.errors import IntegrityError, MalformedError, QueryFailedError
from cleanroom.runner import compute as module
from cleanroom.runner.child_job import ChildJob, ChildPart, ChildView
from cleanroom.runner.compute import query_child
from tests.support.sealed_tables import KEY, encounters, seal

COLUMNS = ("ward", "cost")


def compute(job):
    with query_child() as child:
        return child.run(job)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    directory = tmp_path_factory.mktemp("sealed") / "parts"
    directory.mkdir()
    sealed = seal(encounters(3000), directory)
    parts = tuple(
        ChildPart(
            path=str(directory.parent / part.file),
            name=f"{KEY.lineage} {part.file}",
            part=number,
            file_id=part.file_id.hex(),
            size=part.size,
        )
        for number, part in enumerate(sealed.parts)
    )
    view = ChildView(
        lineage=KEY.lineage,
        version=KEY.version,
        key_id=KEY.key_id.hex(),
        columns=COLUMNS,
        parts=parts,
        key=KEY.secret,
    )
    return ChildJob(
        sql="SELECT ward, count(*), sum(cost) FROM hospital.encounters GROUP BY ward ORDER BY ward",
        parameters={},
        views=(view,),
        memory_mib=512,
        seconds=30,
        rows=100,
        threads=2,
    )


def test_rows_come_back_exactly(job):
    table = encounters(3000).to_pandas().groupby("ward")["cost"].agg(["count", "sum"])
    assert compute(job) == [
        (ward, int(row["count"]), int(row["sum"])) for ward, row in table.sort_index().iterrows()
    ]


def test_a_parameter_is_bound_and_never_becomes_text(job):
    asked = replace(
        job,
        sql="SELECT count(*) FROM hospital.encounters WHERE ward = $ward",
        parameters={"ward": "x' OR '1'='1"},
    )
    assert compute(asked) == [(0,)]


def test_a_damaged_part_stops_the_query_by_name(job, tmp_path):
    (view,) = job.views
    damaged = tmp_path / "damaged.part"
    data = bytearray(Path(view.parts[0].path).read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    parts = (replace(view.parts[0], path=str(damaged)), *view.parts[1:])
    with pytest.raises(IntegrityError, match="hospital.encounters parts/1-00000.part"):
        compute(replace(job, views=(replace(view, parts=parts),)))


def test_another_key_opens_nothing(job):
    (view,) = job.views
    with pytest.raises(IntegrityError):
        compute(replace(job, views=(replace(view, key=b"x" * 32),)))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CAST(ward AS INTEGER) FROM hospital.encounters",
        "SELECT error('cardiology')",
        "not sql",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT {'a': 1}",
    ],
)
def test_an_engine_failure_says_nothing_about_the_data(job, sql):
    with pytest.raises(QueryFailedError) as failed:
        compute(replace(job, sql=sql))
    words = f"{failed.value} {failed.value.hint}"
    assert "cardiology" not in words
    assert "passwd" not in words
    assert failed.value.__context__ is None


def test_a_query_that_takes_too_long_is_stopped(job):
    endless = (
        "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range < b.range"
    )
    with pytest.raises(QueryFailedError) as failed:
        compute(replace(job, sql=endless, seconds=1))
    assert failed.value.code == "engine.time"


def test_a_child_that_dies_gives_an_error_and_no_partial_rows(job, monkeypatch):
    monkeypatch.setattr(module, "CHILD", (sys.executable, "-c", "print('{\"rows\": [', end='')"))
    with pytest.raises((QueryFailedError, MalformedError)):
        compute(job)
    monkeypatch.setattr(module, "CHILD", (sys.executable, "-c", "raise SystemExit(1)"))
    with pytest.raises(QueryFailedError) as failed:
        compute(job)
    assert failed.value.code == "engine.failed"


def test_the_child_inherits_no_environment_and_no_descriptor(job):
    os.environ["CLEANROOM_TEST_SECRET"] = "secret"
    try:
        found = subprocess.run(
            [sys.executable, "-I", "-c", "import os; print(sorted(os.environ))"],
            env=module.ENVIRONMENT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    finally:
        del os.environ["CLEANROOM_TEST_SECRET"]
    assert "CLEANROOM_TEST_SECRET" not in found


def test_a_child_that_never_gets_a_job_ends_with_its_runner():
    with query_child() as child:
        process = child._process  # noqa: SLF001 - whether it is gone shows only there
    assert process.returncode is not None
