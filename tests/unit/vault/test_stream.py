# SPDX-License-Identifier: Apache-2.0
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.vault.chunks import SEALED_CHUNK_BYTES, chunk_nonce, map_chunks
from cleanroom.vault.header import CHUNK_BYTES, HEADER_BYTES, PartContext
from cleanroom.vault.stream import PartReader, PartWriter, open_part

KEY = b"s" * 32
CONTEXT = PartContext(
    lineage="hospital.encounters",
    version=1,
    part=0,
    parts=1,
    key_id=b"k" * 16,
    file_id=b"f" * 16,
)
INTERESTING = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 200_000]


def sealed(plain, *, pieces=()):
    file = io.BytesIO()
    writer = PartWriter(file, key=KEY, context=CONTEXT)
    start = 0
    for piece in (*pieces, len(plain)):
        writer.write(plain[start : start + piece])
        start += piece
    digest = writer.finish()
    assert Digest.of(file.getvalue()) == digest
    assert writer.sealed_bytes == len(file.getvalue())
    return file.getvalue()


PATTERN = bytes(range(251)) * 900


def pattern(length):
    return PATTERN[:length]


@pytest.fixture
def part(tmp_path):
    def build(data):
        path = tmp_path / "1-00000.part"
        path.write_bytes(data)
        return path

    return build


def opened(path):
    return PartReader(path, key=KEY, expected=CONTEXT, name="hospital.encounters/1-00000.part")


@pytest.mark.parametrize("length", INTERESTING)
def test_what_was_sealed_reads_back(part, length):
    plain = pattern(length)
    reader = opened(part(sealed(plain)))
    try:
        assert reader.size == length
        assert reader.read_at(0, length) == plain
        assert reader.read_at(0, length + 10) == plain
        assert reader.verify() == Digest.of(sealed(plain))
    finally:
        reader.close()


@settings(max_examples=30, deadline=None)
@given(
    length=st.sampled_from(INTERESTING),
    pieces=st.lists(st.integers(0, 150_000), max_size=5),
)
def test_how_bytes_arrive_does_not_change_what_is_sealed(length, pieces):
    plain = pattern(length)
    assert sealed(plain, pieces=pieces) == sealed(plain)


@pytest.fixture(scope="module")
def long_part(tmp_path_factory):
    path = tmp_path_factory.mktemp("part") / "1-00000.part"
    path.write_bytes(sealed(pattern(200_000)))
    reader = opened(path)
    yield reader
    reader.close()


@settings(max_examples=100, deadline=None)
@given(offset=st.integers(0, 210_000), length=st.integers(0, 210_000))
def test_any_slice_reads_as_from_a_plain_file(long_part, offset, length):
    assert long_part.read_at(offset, length) == pattern(200_000)[offset : offset + length]


def test_threads_read_their_own_places(long_part):
    plain = pattern(200_000)
    together = threading.Barrier(4)

    def read(start):
        together.wait()
        return all(
            long_part.read_at(place, 3000) == plain[place : place + 3000]
            for place in range(start, 190_000, 7919)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(read, (0, 11, 65_530, 131_072)))


@pytest.mark.parametrize("length", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 150_000])
def test_a_cut_or_longer_part_is_refused_when_it_is_opened(part, length):
    data = sealed(pattern(length))
    cuts = {HEADER_BYTES, HEADER_BYTES + 5, HEADER_BYTES + SEALED_CHUNK_BYTES, len(data) - 1}
    for cut in cuts:
        if cut < len(data):
            with pytest.raises(IntegrityError, match=r"^hospital.encounters/1-00000.part: "):
                opened(part(data[:cut]))
    for more in (b"\0", bytes(16), bytes(17), bytes(SEALED_CHUNK_BYTES)):
        with pytest.raises(IntegrityError):
            opened(part(data + more))


def test_an_empty_last_chunk_is_no_second_form_of_a_full_one():
    with pytest.raises(IntegrityError, match="cut short"):
        map_chunks(HEADER_BYTES + SEALED_CHUNK_BYTES + 16, what="part")


def test_a_changed_chunk_is_refused_where_it_is_read_and_nowhere_else(part):
    data = bytearray(sealed(pattern(3 * CHUNK_BYTES)))
    data[HEADER_BYTES + SEALED_CHUNK_BYTES + 100] ^= 1
    reader = opened(part(bytes(data)))
    try:
        assert reader.read_at(0, CHUNK_BYTES) == pattern(3 * CHUNK_BYTES)[:CHUNK_BYTES]
        for offset, length in [(CHUNK_BYTES, CHUNK_BYTES), (CHUNK_BYTES + 1, 5), (0, 99_999)]:
            with pytest.raises(IntegrityError) as refused:
                reader.read_at(offset, length)
            assert refused.value.code == "vault.tampered"
        with pytest.raises(IntegrityError):
            reader.verify()
        assert reader.read_at(7, 9) == pattern(16)[7:16]
    finally:
        reader.close()


def test_a_part_that_shrinks_while_it_is_read_is_refused(part):
    path = part(sealed(pattern(3 * CHUNK_BYTES)))
    reader = opened(path)
    try:
        os.truncate(path, HEADER_BYTES + 100)
        with pytest.raises(IntegrityError) as refused:
            reader.read_at(0, CHUNK_BYTES)
        assert refused.value.code == "vault.truncated"
    finally:
        reader.close()


def test_another_key_opens_nothing(part):
    path = part(sealed(b"plain"))
    with pytest.raises(IntegrityError, match="not what its owner sealed"):
        PartReader(path, key=b"x" * 32, expected=CONTEXT, name="part")


def test_a_missing_part_is_unavailable(tmp_path):
    with pytest.raises(UnavailableError, match="cannot be opened") as refused:
        opened(tmp_path / "absent.part")
    assert refused.value.hint


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("is_open", [True, False])
def test_a_pipe_or_directory_in_the_place_of_a_part_is_none(tmp_path, make, is_open):
    path = tmp_path / "1-00000.part"
    make(path)
    source = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if is_open else path
    with pytest.raises(MalformedError, match="not a regular file"):
        opened(source)
    with pytest.raises(MalformedError, match="not a regular file"):
        open_part(path, what="part")


def test_a_disk_that_fails_is_unavailable(part):
    reader = opened(part(sealed(pattern(2 * CHUNK_BYTES))))
    # Another descriptor takes the file's place, as after a lost mount.
    hole = os.open(os.path.dirname(__file__), os.O_RDONLY)  # noqa: PTH120
    try:
        os.dup2(hole, reader._file.fileno())  # noqa: SLF001 - no other way to break the disk
        with pytest.raises(UnavailableError, match="cannot be read"):
            reader.read_at(0, 10)
    finally:
        os.close(hole)
        reader.close()


def test_a_short_write_goes_on_with_the_rest():
    class Slow(io.BytesIO):
        def write(self, data):
            return super().write(bytes(data[:1000]))

    slow = Slow()
    writer = PartWriter(slow, key=KEY, context=CONTEXT)
    writer.write(pattern(100_000))
    writer.finish()
    assert slow.getvalue() == sealed(pattern(100_000))


def test_nonces_never_repeat_within_a_part():
    seen = {chunk_nonce(number, last=last) for number in range(300) for last in (False, True)}
    assert len(seen) == 600
