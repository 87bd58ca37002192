# SPDX-License-Identifier: Apache-2.0
import io
import stat
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from cleanroom.contract.dataset import Dataset, Part
from cleanroom.contract.types import ColumnType
from cleanroom.errors import IntegrityError, RefusedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.vault.open import _PartFile as PartFile
from cleanroom.vault.open import close_parts, open_dataset, open_parts, verify_parts
from tests.support import sealed_tables
from tests.support.sealed_tables import KEY, LINEAGE, encounters, readers


@pytest.fixture
def sealed(tmp_path):
    return sealed_tables.seal(encounters(10_000), destination=tmp_path / "parts")


@pytest.fixture
def dataset(sealed):
    return Dataset(
        lineage=LINEAGE,
        owner="hospital",
        version=1,
        policy=Digest.of(b"policy"),
        key_id=KEY.key_id.hex(),
        columns=tuple((name, ColumnType(kind)) for name, kind in sealed.columns),
        normalisation={},
        parts=tuple(
            Part(file=part.file, digest=part.digest, size=part.size, file_id=part.file_id.hex())
            for part in sealed.parts
        ),
        raw=b"",
        digest=Digest.of(b""),
    )


def opened(dataset, directory):
    parts = open_parts(dataset, directory=directory, key=KEY.secret)
    close_parts(parts)
    return parts


def test_the_parts_of_a_document_open_and_verify(dataset, tmp_path):
    parts = open_parts(dataset, directory=tmp_path, key=KEY.secret)
    try:
        verify_parts(dataset, parts)
        assert [part.name for part in parts] == [
            f"{LINEAGE}/parts/1-0000{number}.part" for number in range(3)
        ]
    finally:
        close_parts(parts)


def test_a_part_of_another_size_is_refused_by_name(dataset, tmp_path):
    first = dataset.parts[0]
    other = replace(dataset, parts=(replace(first, size=first.size + 1), *dataset.parts[1:]))
    with pytest.raises(IntegrityError, match=rf"^{LINEAGE}/parts/1-00000.part: ") as refused:
        opened(other, tmp_path)
    assert refused.value.code == "vault.part-size"


def test_a_part_of_another_digest_is_refused_by_name(dataset, tmp_path):
    first = dataset.parts[0]
    other = replace(dataset, parts=(replace(first, digest=Digest.of(b"other")), *dataset.parts[1:]))
    parts = open_parts(other, directory=tmp_path, key=KEY.secret)
    try:
        with pytest.raises(IntegrityError, match=rf"^{LINEAGE}/parts/1-00000.part: found"):
            verify_parts(other, parts)
    finally:
        close_parts(parts)


def test_a_missing_part_is_refused_by_name_and_leaves_no_file_open(dataset, tmp_path):
    (tmp_path / "parts" / "1-00001.part").unlink()
    with pytest.raises(UnavailableError, match=rf"^{LINEAGE}/parts/1-00001.part: "):
        opened(dataset, tmp_path)


def test_an_owner_gets_one_plain_file_back_readable_by_nobody_else(sealed, tmp_path):
    plain = tmp_path / "plain.parquet"
    with readers(sealed, tmp_path / "parts") as parts:
        open_dataset(parts, destination=plain)
    assert pq.read_table(plain).to_pylist() == encounters(10_000).to_pylist()
    assert stat.S_IMODE(plain.stat().st_mode) == 0o600


def test_an_existing_file_is_never_overwritten(sealed, tmp_path):
    plain = tmp_path / "plain.parquet"
    plain.write_bytes(b"mine")
    with (
        readers(sealed, tmp_path / "parts") as parts,
        pytest.raises(RefusedError, match=r"^plain.parquet: exists already"),
    ):
        open_dataset(parts, destination=plain)
    assert plain.read_bytes() == b"mine"


def test_a_damaged_part_gives_no_file_at_all(sealed, tmp_path):
    path = tmp_path / "parts" / "1-00001.part"
    data = bytearray(path.read_bytes())
    plain = tmp_path / "plain.parquet"
    with readers(sealed, tmp_path / "parts") as parts:
        data[-100] ^= 1
        path.write_bytes(data)
        with pytest.raises(IntegrityError, match=r"1-00001.part: "):
            open_dataset(parts, destination=plain)
    assert [item.name for item in tmp_path.iterdir()] == ["parts"]


def test_a_directory_that_is_not_there_is_unavailable(sealed, tmp_path):
    with (
        readers(sealed, tmp_path / "parts") as parts,
        pytest.raises(UnavailableError, match="cannot be written"),
    ):
        open_dataset(parts, destination=tmp_path / "absent" / "plain.parquet")


def test_a_part_is_a_file_object(sealed, tmp_path):
    with readers(sealed, tmp_path / "parts") as (first, *_), PartFile(first) as file:
        assert file.readable()
        assert file.seekable()
        assert file.read(4) == b"PAR1"
        assert file.seek(-4, io.SEEK_END) == first.size - 4
        assert file.read() == b"PAR1"
        assert file.seek(-2, io.SEEK_CUR) == file.tell() == first.size - 2
        assert file.seek(1) == 1
