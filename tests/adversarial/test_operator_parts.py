# SPDX-License-Identifier: Apache-2.0
"""The operator changes sealed parts, or puts others in their place (T-01, T-02).

Each scenario changes the files in one way while everything else stays genuine,
and must end in an integrity error that names the part, with no answer at all.
"""

import hashlib
import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleanroom.errors import CleanroomError, IntegrityError
from cleanroom.vault.chunks import SEALED_CHUNK_BYTES
from cleanroom.vault.header import HEADER_BYTES
from tests.support import sealed_tables
from tests.support.sealed_tables import KEY, Cut, encounters, query, readers

THREATS = ("T-01", "T-02")
PART_ROWS = 6 * 2048
CUT = Cut(group_rows=2048, groups_in_part=6)
SUM = "SELECT sum(cost), max(patient_id), max(ward), count(*) FROM hospital.encounters"


def scattered(number):
    """A number that does not compress, the same in every run."""
    return int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:5], "big")


@pytest.fixture(scope="module")
def table():
    rows = range(3 * PART_ROWS)
    frame = encounters(len(rows)).to_pandas()
    return frame.assign(
        cost=[scattered(row) for row in rows],
        patient_id=[f"{scattered(-row):013}" for row in rows],
    )


@pytest.fixture(scope="module")
def pristine(table, tmp_path_factory):
    directory = tmp_path_factory.mktemp("pristine")
    sealed = sealed_tables.seal(table, destination=directory, cut=CUT)
    files = {path.name: path.read_bytes() for path in directory.glob("*.part")}
    assert all(len(data) > HEADER_BYTES + 2 * SEALED_CHUNK_BYTES for data in files.values())
    return sealed, files


@pytest.fixture
def room(pristine, tmp_path):
    sealed, files = pristine
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return sealed, tmp_path


def attempt(room, sql=SUM):
    sealed, directory = room
    with readers(sealed, directory) as parts:
        return query(sql, parts).rows


def require_refused(room, part="1-00001.part"):
    with pytest.raises(IntegrityError, match=rf"^hospital\.encounters/{part}: ") as refused:
        attempt(room)
    return refused.value.code


def change(room, edit, name="1-00001.part"):
    path = room[1] / name
    path.write_bytes(edit(path.read_bytes()))


def chunk(data, number):
    start = HEADER_BYTES + number * SEALED_CHUNK_BYTES
    return data[start : start + SEALED_CHUNK_BYTES]


def with_chunk(data, number, new):
    start = HEADER_BYTES + number * SEALED_CHUNK_BYTES
    return data[:start] + new + data[start + len(new) :]


def test_untouched_parts_give_the_answer(room, table):
    assert attempt(room)[0][0] == table["cost"].sum()


def test_two_chunks_that_change_places_are_refused(room):
    change(room, lambda data: with_chunk(with_chunk(data, 0, chunk(data, 1)), 1, chunk(data, 0)))
    assert require_refused(room) == "vault.tampered"


def test_a_chunk_said_twice_is_refused(room):
    change(room, lambda data: with_chunk(data, 1, chunk(data, 0)))
    assert require_refused(room) == "vault.tampered"


def test_a_part_cut_at_a_chunk_border_is_refused(room):
    change(room, lambda data: data[: HEADER_BYTES + 2 * SEALED_CHUNK_BYTES])
    assert require_refused(room) == "vault.tampered"


@pytest.mark.parametrize("length", [0, 100, HEADER_BYTES, HEADER_BYTES + 15, HEADER_BYTES + 1000])
def test_a_part_cut_anywhere_is_refused(room, length):
    change(room, lambda data: data[:length])
    with pytest.raises(CleanroomError, match=r"^hospital\.encounters/1-00001\.part: "):
        attempt(room)


@pytest.mark.parametrize("more", [b"\0", bytes(16), bytes(SEALED_CHUNK_BYTES)])
def test_appended_bytes_are_refused(room, more):
    change(room, lambda data: data + more)
    require_refused(room)


def test_two_parts_that_change_places_are_refused(room):
    first, second = (room[1] / f"1-0000{number}.part" for number in (0, 1))
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    assert require_refused(room, "1-00000.part") == "vault.foreign-part"


def test_a_part_of_another_attempt_at_the_same_version_is_refused(room, table, tmp_path_factory):
    """T-02: same key, lineage, version and number; only the file id tells them apart."""
    older = tmp_path_factory.mktemp("older")
    sealed_tables.seal(table, destination=older, cut=CUT)
    change(room, lambda _: (older / "1-00001.part").read_bytes())
    assert require_refused(room) == "vault.foreign-part"


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, version=2),
        replace(KEY, lineage="hospital.admissions"),
        replace(KEY, key_id=b"x" * 16),
    ],
)
def test_a_part_of_another_version_or_dataset_is_refused(room, table, tmp_path_factory, other):
    directory = tmp_path_factory.mktemp("other")
    sealed_tables.seal(table, destination=directory, key=other, cut=CUT)
    change(room, lambda _: (directory / f"{other.version}-00001.part").read_bytes())
    assert require_refused(room) == "vault.foreign-part"


def test_a_header_that_lies_opens_nothing(room):
    """The header of the agreed part in front of another attempt's chunks."""
    other = (room[1] / "1-00000.part").read_bytes()
    change(room, lambda data: data[:HEADER_BYTES] + other[HEADER_BYTES:])
    assert require_refused(room) == "vault.tampered"


def test_a_changed_part_is_noticed_in_the_middle_of_a_scan(room):
    """The change comes after the part was opened and its end verified."""
    sealed, directory = room
    path = directory / "1-00001.part"
    data = bytearray(path.read_bytes())
    with readers(sealed, directory) as parts:
        data[HEADER_BYTES + SEALED_CHUNK_BYTES + 5] ^= 1
        path.write_bytes(data)
        with pytest.raises(IntegrityError, match=r"1-00001\.part: ") as refused:
            query(SUM, parts)
    assert refused.value.code == "vault.tampered"


def test_a_part_that_is_cut_in_the_middle_of_a_scan_is_noticed(room):
    sealed, directory = room
    with readers(sealed, directory) as parts:
        os.truncate(directory / "1-00001.part", HEADER_BYTES + 10)
        with pytest.raises(IntegrityError, match=r"1-00001\.part: ") as refused:
            query(SUM, parts)
    assert refused.value.code == "vault.truncated"


@pytest.mark.parametrize(
    "sql",
    [
        f"{SUM} UNION ALL SELECT 1, 'a', 'b', 2",
        "SELECT cost, patient_id, ward FROM hospital.encounters LIMIT 100000",
        "SELECT max(TRY(cost + 1)), max(patient_id), max(ward) FROM hospital.encounters",
    ],
)
def test_no_query_gives_a_partial_answer(room, sql):
    change(room, lambda data: with_chunk(data, 1, bytes(SEALED_CHUNK_BYTES)), "1-00002.part")
    with pytest.raises(IntegrityError, match=r"1-00002\.part: "):
        attempt(room, sql)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_refused_by_name(room, pristine, place, bit):
    path = room[1] / "1-00001.part"
    data = bytearray(pristine[1]["1-00001.part"])
    data[int(place * len(data))] ^= 1 << bit
    path.write_bytes(data)
    with pytest.raises(CleanroomError, match=r"^hospital\.encounters/1-00001\.part: "):
        attempt(room)
