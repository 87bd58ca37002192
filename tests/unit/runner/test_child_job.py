# SPDX-License-Identifier: Apache-2.0
import datetime as dt

from cleanroom.runner.child_job import (
    ChildJob,
    ChildPart,
    ChildTable,
    ChildView,
    DeclaredFact,
    bindable,
    decode_job,
)

PART = ChildPart(descriptor=7, name="part 0", part=0, file_id="ab" * 16, size=9)
VIEW = ChildView(
    lineage="hospital.encounters",
    version=1,
    key_id="cd" * 16,
    columns=("ward", "cost"),
    parts=(PART,),
    key=b"k" * 32,
)
JOB = ChildJob(
    sql="SELECT 1",
    facts=(DeclaredFact(sql="SELECT TRUE", sentence="a: found b, agreed c"),),
    parameters={"since": dt.date(2025, 1, 1), "region": "north", "least": 5},
    views=(VIEW,),
    tables=(
        ChildTable(
            schema="s_released",
            name="stage0",
            columns=(("k0", "VARCHAR"), ("r0", "BIGINT")),
            rows=(("onco", 15), (None, 20)),
        ),
    ),
    memory_mib=512,
    seconds=60,
    rows=1000,
    threads=2,
    spill=9,
    spill_bytes=1 << 30,
)


def test_a_job_crosses_the_pipe_whole():
    assert decode_job(JOB.encode()) == JOB


def test_a_job_never_shows_its_keys():
    assert "kkk" not in repr(JOB)


def test_a_date_parameter_is_bound_as_a_date():
    assert bindable("2025-01-31", is_date=True) == dt.date(2025, 1, 31)
    assert bindable("2025-01-31", is_date=False) == "2025-01-31"
    assert bindable(7, is_date=False) == 7
