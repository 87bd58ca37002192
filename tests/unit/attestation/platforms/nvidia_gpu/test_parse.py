# SPDX-License-Identifier: Apache-2.0
import struct

import pytest

from cleanroom.attestation.platforms.nvidia_gpu.parse import (
    MAX_REPORT_BYTES,
    driver_version,
    mode_of,
    parse_report,
    vbios_version,
    video_decoder_off,
)
from cleanroom.errors import MalformedError
from tests.support.nvidia_forge import (
    DRIVER,
    FWID,
    NONCE,
    make_report,
    measurement,
    opaque,
    request_bytes,
    response_bytes,
)

GOOD = make_report()
SIGNATURE = bytes(96)


def unsigned(measurements=None, fields=None):
    values = {1: measurement(1)} if measurements is None else measurements
    return request_bytes() + response_bytes(values, opaque() if fields is None else fields)


def test_a_report_is_read_field_by_field():
    report = parse_report(GOOD)
    assert report.nonce == NONCE
    assert report.signed + report.signature == GOOD
    assert report.measurements[8] == measurement(8)
    assert report.opaque[20] == FWID
    assert driver_version(report) == DRIVER
    assert vbios_version(report) == "96.00.ab.00.01"
    assert video_decoder_off(report)


def test_a_report_cut_anywhere_is_malformed():
    for size in range(len(GOOD)):
        with pytest.raises(MalformedError, match="^nvidia report: "):
            parse_report(GOOD[:size])


def test_one_byte_of_padding_is_ignored_and_two_are_not():
    assert parse_report(GOOD + b"\0") == parse_report(GOOD)
    with pytest.raises(MalformedError, match="behind the signature"):
        parse_report(GOOD + bytes(2))


def test_a_report_beyond_its_limit_is_not_read():
    with pytest.raises(MalformedError, match="against a limit") as refused:
        parse_report(bytes(MAX_REPORT_BYTES + 1))
    assert refused.value.code == "nvidia.oversize"


@pytest.mark.parametrize(
    ("at", "value", "code"),
    [
        (0, 0x12, "nvidia.version"),
        (1, 0xE1, "nvidia.request"),
        (2, 0x00, "nvidia.request"),
        (3, 0x01, "nvidia.request"),
        (36, 0x01, "nvidia.response"),
        (37, 0x12, "nvidia.version"),
        (38, 0x7F, "nvidia.response"),
        (39, 0x01, "nvidia.response"),
        (40, 0x01, "nvidia.response"),
        (41, 0x09, "nvidia.truncated"),
        (41, 0x07, "nvidia.record"),
        (45, 0x00, "nvidia.measurement"),
        (45, 0x02, "nvidia.measurement"),
        (46, 0x02, "nvidia.measurement"),
        (47, 0x34, "nvidia.measurement"),
        (50, 0x31, "nvidia.measurement"),
    ],
)
def test_one_wrong_header_byte_is_refused_by_its_name(at, value, code):
    with pytest.raises(MalformedError) as refused:
        parse_report(GOOD[:at] + bytes([value]) + GOOD[at + 1 :])
    assert refused.value.code == code


def test_a_slot_is_asked_for_and_answered():
    assert parse_report(make_report(slot=3)).nonce == NONCE


@pytest.mark.parametrize("size", [0, 65])
def test_a_measurement_of_no_known_size_is_refused(size):
    with pytest.raises(MalformedError) as refused:
        parse_report(unsigned({1: bytes(size)}) + SIGNATURE)
    assert refused.value.code == "nvidia.measurement"


def test_an_opaque_field_twice_is_refused():
    field = struct.pack("<HH", 3, 1) + b"1"
    data = unsigned(fields={})[:-2] + struct.pack("<H", 10) + field + field + SIGNATURE
    with pytest.raises(MalformedError) as refused:
        parse_report(data)
    assert refused.value.code == "nvidia.opaque"


@pytest.mark.parametrize(
    ("fields", "mode"),
    [
        ({}, "single"),
        ({"f36": None}, "single"),
        ({"f36": None, "f21": None}, "single"),
        ({"f36": None, "f21": b"\xaa"}, "protected-pcie"),
        ({"f36": b"\1\0"}, "multi"),
        ({"f36": b"\0"}, "single"),
        ({"f36": b"\1"}, "multi"),
        ({"f36": b"\1\0\0\0"}, "multi"),
        ({"f36": b"\2\0", "f21": b"\xaa"}, "protected-pcie"),
        ({"f36": b"\2\0", "f21": None}, "protected-pcie"),
        ({"f36": b"\1" + bytes(7), "f21": None}, "multi"),
    ],
)
def test_the_mode_of_use_is_read_from_either_field(fields, mode):
    assert mode_of(parse_report(make_report(fields=opaque(**fields)))) == mode


@pytest.mark.parametrize(
    "fields",
    [
        {"f36": b"\3\0"},
        {"f36": b""},
        {"f36": b"\0\0\0"},
        {"f36": b"\1\1"},
        {"f21": b"\0"},
        {"f21": b"\xaa"},
        {"f36": b"\2\0"},
    ],
)
def test_a_mode_that_is_unknown_or_contradicts_itself_is_refused(fields):
    with pytest.raises(MalformedError) as refused:
        mode_of(parse_report(make_report(fields=opaque(**fields))))
    assert refused.value.code == "nvidia.mode"


@pytest.mark.parametrize("value", [None, b"", b"\0", b"5 5", b"5\0005", b"\xff"])
def test_a_version_that_is_not_plain_text_is_refused(value):
    with pytest.raises(MalformedError, match="no driver version in plain text"):
        driver_version(parse_report(make_report(fields=opaque(f3=value))))


def test_a_switch_writes_its_version_as_text():
    report = parse_report(make_report(fields=opaque(f6=b"96.10.73.00.01")))
    assert vbios_version(report) == "96.10.73.00.01"


@pytest.mark.parametrize("value", [None, b"\xaa", b"\0"])
def test_only_a_clear_word_says_that_the_decoder_is_off(value):
    assert not video_decoder_off(parse_report(make_report(fields=opaque(f11=value))))
