# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.vault.header import (
    HEADER_BYTES,
    PartContext,
    encode_header,
    parse_header,
    require_context,
)

GOOD = PartContext(
    lineage="hospital.encounters",
    version=3,
    part=1,
    parts=4,
    key_id=b"k" * 16,
    file_id=b"f" * 16,
)

contexts = st.builds(
    PartContext,
    lineage=st.from_regex(r"[a-z][a-z0-9-]{0,31}\.[a-z][a-z0-9_]{0,62}", fullmatch=True),
    version=st.integers(1, 2**53 - 1),
    part=st.integers(0, 9),
    parts=st.integers(10, 20_000),
    key_id=st.binary(min_size=16, max_size=16),
    file_id=st.binary(min_size=16, max_size=16),
)


@settings(max_examples=50)
@given(context=contexts)
def test_a_header_reads_back_as_it_was_written(context):
    data = encode_header(context)
    assert len(data) == HEADER_BYTES == 192
    assert parse_header(data, what="part") == context


@pytest.mark.parametrize(
    "change",
    [
        {"lineage": "Hospital.encounters"},
        {"lineage": "hospital"},
        {"lineage": "hospital." + "e" * 64},
        {"version": 0},
        {"version": 2**53},
        {"part": -1},
        {"part": 4},
        {"parts": 20_001},
        {"key_id": b"k" * 15},
        {"file_id": b"f" * 17},
    ],
)
def test_a_context_out_of_range_has_no_header(change):
    with pytest.raises(MalformedError, match="^sealed part: ") as refused:
        encode_header(replace(GOOD, **change))
    assert refused.value.code == "vault.format"


def test_every_changed_header_byte_is_malformed_or_another_context():
    for position in range(HEADER_BYTES):
        data = bytearray(encode_header(GOOD))
        data[position] ^= 0x01
        try:
            found = parse_header(bytes(data), what="part")
        except MalformedError as refused:
            assert refused.code == "vault.format"
            continue
        with pytest.raises(IntegrityError, match="^part: its header names another"):
            require_context(found, expected=GOOD, what="part")


@pytest.mark.parametrize("data", [b"", b"PAR1", bytes(192), encode_header(GOOD)[:-1]])
def test_other_bytes_are_no_header(data):
    with pytest.raises(MalformedError, match="^part: not a sealed part"):
        parse_header(data, what="part")


def test_a_later_format_is_refused_as_such():
    data = bytearray(encode_header(GOOD))
    data[17] = 1
    with pytest.raises(MalformedError, match="does not read"):
        parse_header(bytes(data), what="part")


def test_padding_has_one_form():
    data = bytearray(encode_header(GOOD))
    data[-1] = 1
    with pytest.raises(MalformedError, match="padding"):
        parse_header(bytes(data), what="part")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lineage": "hospital.patients"}, "lineage"),
        ({"version": 2}, "version"),
        ({"part": 2}, "part"),
        ({"parts": 5}, "parts"),
        ({"key_id": b"x" * 16}, "key id"),
        ({"file_id": b"x" * 16}, "file id"),
    ],
)
def test_a_foreign_part_is_told_by_the_field_that_differs(change, words):
    with pytest.raises(IntegrityError, match=f"^part: its header names another {words}$") as found:
        require_context(replace(GOOD, **change), expected=GOOD, what="part")
    assert found.value.code == "vault.foreign-part"


def test_the_agreed_part_is_accepted():
    require_context(GOOD, expected=GOOD, what="part")
