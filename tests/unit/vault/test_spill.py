# SPDX-License-Identifier: Apache-2.0
"""Scratch space: what was written comes back, or an error does; the disk sees nothing."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import IntegrityError, UnavailableError
from cleanroom.vault.chunks import TAG_BYTES
from cleanroom.vault.spill import SpillFile

KEY = bytes(range(32))
PLENTY = 1 << 20
CANARY = b"CANARY" * 100


@pytest.fixture
def descriptor(tmp_path):
    opened = os.open(tmp_path / "scratch", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


def scratch(descriptor, most=PLENTY):
    return SpillFile(descriptor, key=KEY, most_bytes=most)


def whole(descriptor):
    return os.pread(descriptor, PLENTY, 0)


@given(pieces=st.lists(st.binary(max_size=200), max_size=8))
def test_pieces_come_back_whatever_the_order(pieces):
    descriptor = os.memfd_create("scratch")
    try:
        spill = scratch(descriptor)
        written = [spill.write(data) for data in pieces]
        assert [spill.read(piece) for piece in reversed(written)] == pieces[::-1]
    finally:
        os.close(descriptor)


def test_the_disk_never_sees_what_was_written(descriptor):
    scratch(descriptor).write(CANARY)
    assert b"CANARY" not in whole(descriptor)
    assert len(whole(descriptor)) == len(CANARY) + TAG_BYTES


def test_equal_pieces_look_different(descriptor):
    spill = scratch(descriptor)
    spill.write(CANARY)
    spill.write(CANARY)
    sealed = whole(descriptor)
    assert sealed[: len(sealed) // 2] != sealed[len(sealed) // 2 :]


def test_the_place_of_a_forgotten_piece_is_used_again_under_another_nonce(descriptor):
    spill = scratch(descriptor)
    first = spill.write(CANARY)
    before = whole(descriptor)
    spill.free(first)
    second = spill.write(CANARY)
    assert second.place == first.place
    assert second.nonce != first.nonce
    assert whole(descriptor) != before
    assert len(whole(descriptor)) == len(before)


@pytest.mark.parametrize("place", [0, 300, len(CANARY) + TAG_BYTES - 1])
def test_a_flipped_byte_is_never_read(descriptor, place):
    spill = scratch(descriptor)
    piece = spill.write(CANARY)
    os.pwrite(descriptor, bytes([whole(descriptor)[place] ^ 1]), place)
    with pytest.raises(IntegrityError) as refused:
        spill.read(piece)
    assert refused.value.code == "vault.spill-tampered"


def test_an_older_piece_put_back_is_never_read(descriptor):
    spill = scratch(descriptor)
    first = spill.write(CANARY)
    old = whole(descriptor)
    spill.free(first)
    second = spill.write(CANARY[::-1])
    os.pwrite(descriptor, old, 0)
    with pytest.raises(IntegrityError):
        spill.read(second)


def test_two_pieces_that_change_places_are_never_read(descriptor):
    spill = scratch(descriptor)
    first, _ = spill.write(CANARY), spill.write(CANARY)
    sealed = whole(descriptor)
    half = len(sealed) // 2
    os.pwrite(descriptor, sealed[half:] + sealed[:half], 0)
    with pytest.raises(IntegrityError):
        spill.read(first)


def test_a_cut_file_is_never_read(descriptor):
    spill = scratch(descriptor)
    piece = spill.write(CANARY)
    os.ftruncate(descriptor, 100)
    with pytest.raises(IntegrityError):
        spill.read(piece)


def test_more_than_may_be_used_is_refused_and_nothing_is_written(descriptor):
    with pytest.raises(UnavailableError) as full:
        scratch(descriptor, most=len(CANARY)).write(CANARY)
    assert full.value.code == "vault.spill-full"
    assert whole(descriptor) == b""


def test_a_disk_that_cannot_be_written_or_read_is_said_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    reading = os.open(tmp_path / "file", os.O_RDONLY)
    writing = os.open(tmp_path / "file", os.O_WRONLY)
    try:
        with pytest.raises(UnavailableError, match="cannot be written"):
            scratch(reading).write(CANARY)
        spill = scratch(writing)
        with pytest.raises(UnavailableError, match="cannot be read"):
            spill.read(spill.write(CANARY))
    finally:
        os.close(reading)
        os.close(writing)
