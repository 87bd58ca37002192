# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import MalformedError
from cleanroom.identity.wire import WireReader, wire_string


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_strings_read_back_in_order(parts):
    reader = WireReader(b"".join(wire_string(part) for part in parts), what="blob")
    assert [reader.string() for _ in parts] == parts
    reader.end()


def test_a_length_beyond_the_data_is_refused_without_allocating_it():
    with pytest.raises(MalformedError, match="^blob: found cut short$") as refusal:
        WireReader(b"\xff\xff\xff\xffabc", what="blob").string()
    assert refusal.value.code == "ssh.wire"


def test_an_empty_blob_has_no_first_string():
    with pytest.raises(MalformedError, match="^blob: found cut short$"):
        WireReader(b"", what="blob").string()


def test_bytes_after_the_last_field_are_refused():
    reader = WireReader(wire_string(b"a") + b"\0", what="blob")
    assert reader.string() == b"a"
    with pytest.raises(MalformedError, match="^blob: found bytes after the end$"):
        reader.end()
