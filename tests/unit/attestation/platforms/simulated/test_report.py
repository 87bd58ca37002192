# SPDX-License-Identifier: Apache-2.0
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.attestation.platforms.simulated.parse import (
    MAGIC,
    REPORT_BYTES,
    SIGNED_BYTES,
    encode_signed,
    parse_report,
)
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.attested_runs import NOW, RUNNER

SIGNED = encode_signed(debug=False, issued_at=NOW, measurement=RUNNER, report_data=b"d" * 64)
REPORT = SIGNED + b"s" * 64


def patched(at, data):
    return REPORT[:at] + data + REPORT[at + len(data) :]


@given(
    st.booleans(),
    st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59)),  # noqa: DTZ001
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=64, max_size=64),
)
def test_every_field_is_read_back_as_it_was_written(debug, moment, measurement, report_data):
    issued_at = moment.replace(microsecond=0, tzinfo=dt.UTC)
    signed = encode_signed(
        debug=debug,
        issued_at=issued_at,
        measurement=Digest(measurement),
        report_data=report_data,
    )
    report = parse_report(signed + b"s" * 64)
    assert report.signed == signed
    assert (report.debug, report.issued_at) == (debug, issued_at)
    assert (report.measurement.raw, report.report_data) == (measurement, report_data)
    assert report.signature == b"s" * 64


def test_the_documented_offsets_are_the_ones_in_the_bytes():
    assert REPORT[:16] == MAGIC == b"CLEANROOM-SIM-v0"
    assert int.from_bytes(REPORT[20:28], "big") == int(NOW.timestamp())
    assert REPORT[28:60] == RUNNER.raw
    assert REPORT[60:124] == b"d" * 64
    assert (len(SIGNED), len(REPORT)) == (SIGNED_BYTES, REPORT_BYTES) == (128, 192)


def test_a_report_of_any_other_length_is_refused():
    for length in (*range(REPORT_BYTES), REPORT_BYTES + 1, REPORT_BYTES * 2):
        with pytest.raises(MalformedError, match="^simulated report:") as refused:
            parse_report((REPORT * 2)[:length])
        assert refused.value.code == "simulated.length"


@pytest.mark.parametrize(
    ("at", "data", "code"),
    [
        (0, b"CLEANROOM-SIM-v1", "simulated.magic"),
        (0, b"cleanroom-sim-v0", "simulated.magic"),
        (16, b"\x00\x00\x00\x02", "simulated.reserved"),
        (16, b"\x80\x00\x00\x00", "simulated.reserved"),
        (124, b"\x00\x00\x00\x01", "simulated.reserved"),
        (124, b"\x01\x00\x00\x00", "simulated.reserved"),
        (20, (253402300800).to_bytes(8, "big"), "simulated.time"),
        (20, b"\xff" * 8, "simulated.time"),
    ],
)
def test_one_changed_field_is_refused_by_name(at, data, code):
    with pytest.raises(MalformedError, match="^simulated report: found") as refused:
        parse_report(patched(at, data))
    assert refused.value.code == code


def test_the_last_second_of_the_calendar_is_read():
    assert parse_report(patched(20, (253402300799).to_bytes(8, "big"))).issued_at.year == 9999
