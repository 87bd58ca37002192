# SPDX-License-Identifier: Apache-2.0
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cleanroom.cli.looking import look_at, naming
from cleanroom.cli.main import run
from cleanroom.errors import MalformedError


def test_every_column_is_shown_with_what_sealing_makes_of_it(tmp_path):
    path = tmp_path / "visits.parquet"
    pq.write_table(pa.table({"cost": [1], "Ward": ["x"], "tags": [[1]]}), path)
    cost, ward, tags = look_at(path, table="")
    assert cost == ("cost", "BIGINT", "integer", "")
    assert ward[:3] == ("Ward", "VARCHAR", "string")
    assert "lower case" in ward[3]
    assert tags[:3] == ("tags", "BIGINT[]", "")
    assert "drop it" in tags[3]


def test_a_text_file_is_looked_at_whole_and_no_value_is_shown(tmp_path, capsys):
    path = tmp_path / "visits.csv"
    path.write_text("code,cost\n007,1.5\n12,2\n")
    assert run(["--json", "data", "inspect", str(path)]) == 0
    shown = capsys.readouterr().out
    columns = json.loads(shown)["columns"]
    assert [column["sealed as"] for column in columns] == ["string", "double"]
    assert "007" not in shown


def test_a_refusal_names_the_file_that_was_typed(tmp_path):
    path = tmp_path / "stays.bin"
    path.write_bytes(b"neither")
    with pytest.raises(MalformedError, match="^stays.bin: neither Parquet nor CSV"):
        look_at(path, table="")
    with pytest.raises(MalformedError, match="^policy: not of this file"), naming(path):
        raise MalformedError("policy: not of this file", code="policy.file")
