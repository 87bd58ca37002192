# SPDX-License-Identifier: Apache-2.0
"""Every parser of the vault, fed with noise: our errors only, and nothing else (T-18)."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import CleanroomError
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.digest import Digest
from cleanroom.vault.data_key import open_data_key
from cleanroom.vault.header import HEADER_BYTES, parse_header
from cleanroom.vault.journal import load_journal
from cleanroom.vault.session import sealing_session
from cleanroom.vault.source import open_source
from cleanroom.vault.stream import PartReader
from tests.vectors.sealed_part.generate import CONTEXT, KEY, good_parts

THREATS = ("T-18",)
OWNER = ReceivingKey.from_seed(b"h" * 32)
SHORT = good_parts()["short.part"]

jsonish = st.one_of(
    st.binary(max_size=200),
    st.text(alphabet='{}[]":,0123456789eE.-truefalsnl \\u', max_size=100).map(str.encode),
)


def only_ours(function):
    try:
        function()
    except CleanroomError as error:
        assert error.code


@settings(max_examples=300, deadline=None)
@given(data=st.one_of(st.binary(max_size=250), st.binary(min_size=192, max_size=192)))
def test_a_header_of_noise_is_refused_in_our_words(data):
    only_ours(lambda: parse_header(data, what="part"))


@settings(max_examples=200, deadline=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, len(SHORT) - 1), st.integers(1, 255)), min_size=1),
    cut=st.integers(0, len(SHORT)),
    more=st.binary(max_size=40),
)
def test_an_edited_part_never_opens(edits, cut, more):
    data = bytearray(SHORT)
    for place, change in edits:
        data[place] ^= change
    data = bytes(data[:cut]) + more
    if data == SHORT:
        return
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "part"
        path.write_bytes(data)
        with pytest.raises(CleanroomError, match="^part: "):
            PartReader(path, key=KEY, expected=CONTEXT, name="part")


@settings(max_examples=150, deadline=None)
@given(data=jsonish)
def test_noise_is_neither_a_journal_nor_a_key_file(data):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "data-keys" / "hospital.encounters" / "1.json"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        only_ours(lambda: load_journal(path, binding=Digest.of(b""), key=KEY))
        with pytest.raises(CleanroomError):
            open_data_key(
                Path(directory), lineage="hospital.encounters", version=1, receiving=OWNER
            )


@pytest.fixture(scope="module")
def connection():
    with sealing_session() as opened:
        yield opened


@settings(max_examples=40, deadline=None)
@given(
    head=st.sampled_from([b"PAR1", b"a,b\n", b"\xef\xbb\xbfa;b\r\n", b""]),
    data=st.one_of(
        st.binary(max_size=200), st.text(alphabet='a1,;"\n\r\t\0', max_size=60).map(str.encode)
    ),
    tail=st.sampled_from([b"", b"PAR1"]),
)
def test_noise_is_a_table_or_refused_in_our_words(connection, head, data, tail):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "source.csv"
        path.write_bytes(head + data + tail)
        only_ours(lambda: open_source(path, connection, table="").measure(stated=frozenset()))


def test_the_header_is_as_long_as_the_page_says():
    assert HEADER_BYTES == 192
