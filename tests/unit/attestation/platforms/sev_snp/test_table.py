# SPDX-License-Identifier: Apache-2.0
import struct

import pytest

from cleanroom.attestation.platforms.sev_snp.table import ARK, ASK, VCEK, parse_table
from cleanroom.errors import MalformedError
from tests.support.snp_forge import host_table


def entry(guid, offset, length):
    return struct.pack("<16sII", guid.bytes, offset, length)


END = bytes(24)


def test_a_table_gives_its_certificates_by_guid():
    table = host_table(vcek=b"chip", ask=b"issuer", ark=b"root")
    assert parse_table(table + bytes(100)) == {VCEK: b"chip", ASK: b"issuer", ARK: b"root"}


@pytest.mark.parametrize("empty", [b"", END, END + b"anything"])
def test_a_host_may_keep_nothing(empty):
    assert parse_table(empty) == {}


@pytest.mark.parametrize(
    ("table", "match"),
    [
        (bytes(70_000), "70000 bytes"),
        (b"x", "no last entry"),
        (entry(VCEK, 24, 0), "no last entry"),
        (entry(VCEK, 24, 0) * 17 + END, "more than 16 entries"),
        (entry(VCEK, 48, 1) + END, "points outside"),
        (entry(VCEK, 0, 4) + END + b"data", "points outside"),
        (entry(VCEK, 2**32 - 1, 2**32 - 1) + END, "points outside"),
        (entry(VCEK, 72, 1) * 2 + END + b"data", "the same entry twice"),
    ],
)
def test_a_table_out_of_form_is_refused(table, match):
    with pytest.raises(MalformedError, match=f"^snp certificate table: found .*{match}"):
        parse_table(table)
