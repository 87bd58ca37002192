# SPDX-License-Identifier: Apache-2.0
import datetime as dt

import pytest

from cleanroom.attestation import der
from cleanroom.errors import MalformedError
from tests.support.der_writer import identifier, integer, sequence, tlv, utc_time


def refused(match):
    return pytest.raises(MalformedError, match=f"^thing: {match}")


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_a_value_of_any_length_reads_back(size):
    encoded = tlv(der.OCTET_STRING, bytes(size))
    value, rest = der.read_value(encoded + b"rest", what="thing")
    assert (value.tag, len(value.content), value.encoded, rest) == (4, size, encoded, b"rest")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "ends inside"),
        (b"\x30", "ends inside"),
        (b"\x30\x02\x00", "ends inside"),
        (b"\x1f\x81\x01\x00", "has a tag of several bytes"),
        (b"\x30\x80\x00\x00", "has a length of unknown form"),
        (b"\x30\x84\x00\x00\x00\x01\x00", "has a length of unknown form"),
        (b"\x30\x82\x01", "has a length of unknown form"),
        (b"\x30\x81\x7f" + bytes(127), "has a padded length"),
        (b"\x30\x82\x00\xff" + bytes(255), "has a padded length"),
    ],
)
def test_a_value_that_is_not_whole_or_has_a_second_spelling_is_refused(data, match):
    with refused(match):
        der.read_value(data, what="thing")


def test_one_value_means_one_of_that_tag():
    encoded = sequence(integer(1))
    assert der.read_only(encoded, tag=der.SEQUENCE, what="thing").encoded == encoded
    with refused("has bytes behind"):
        der.read_only(encoded + b"\0", tag=der.SEQUENCE, what="thing")
    with refused("has tag 0x30 against 0x04"):
        der.read_only(encoded, tag=der.OCTET_STRING, what="thing")


def test_values_are_counted_and_their_tags_compared():
    with refused("has more than 512 values"):
        der.read_all(b"\x05\x00" * 513, what="thing")
    value = der.read_only(sequence(integer(1), integer(2)), tag=der.SEQUENCE, what="thing")
    assert len(der.children(value, tags=(2, 2), what="thing")) == 2
    with refused("is not made of"):
        der.children(value, tags=(2,), what="thing")


@pytest.mark.parametrize("number", [0, 1, 127, 128, 255, 256, 2**70])
def test_integers_read_back(number):
    value, _ = der.read_value(integer(number), what="thing")
    assert der.unsigned(value, what="thing") == number


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"\x02\x00", "is not an unsigned"),
        (b"\x02\x01\xff", "is not an unsigned"),
        (b"\x04\x01\x01", "is not an unsigned"),
        (b"\x02\x02\x00\x01", "is a padded integer"),
    ],
)
def test_integers_of_another_form_are_refused(data, match):
    value, _ = der.read_value(data, what="thing")
    with refused(match):
        der.unsigned(value, what="thing")


@pytest.mark.parametrize(
    "dotted", ["1.2.840.113741.1.13.1.2.17", "2.5.4.3", "0.9.2342", "2.16.840.1"]
)
def test_identifiers_read_back(dotted):
    value, _ = der.read_value(identifier(dotted), what="thing")
    assert der.object_identifier(value, what="thing") == dotted
    assert der.encoded_identifier(dotted) == value.content


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"\x06\x00", "is not an object identifier"),
        (b"\x06\x01\x88", "is not an object identifier"),
        (b"\x02\x01\x2a", "is not an object identifier"),
        (b"\x06\x03\x2a\x80\x01", "is a padded object identifier"),
    ],
)
def test_identifiers_of_another_form_are_refused(data, match):
    value, _ = der.read_value(data, what="thing")
    with refused(match):
        der.object_identifier(value, what="thing")


@pytest.mark.parametrize(
    ("data", "moment"),
    [
        (utc_time(dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)), (2026, 1, 2, 3, 4, 5)),
        (tlv(der.UTC_TIME, b"500101000000Z"), (1950, 1, 1, 0, 0, 0)),
        (tlv(der.GENERALIZED_TIME, b"99991231235959Z"), (9999, 12, 31, 23, 59, 59)),
    ],
)
def test_times_are_read_in_utc(data, moment):
    value, _ = der.read_value(data, what="thing")
    assert der.time_value(value, what="thing") == dt.datetime(*moment, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (der.UTC_TIME, b"260230000000Z"),
        (der.UTC_TIME, b"2601020304Z"),
        (der.UTC_TIME, b"260102030405+"),
        (der.UTC_TIME, b"26010203040xZ"),
        (der.GENERALIZED_TIME, b"260102030405Z"),
        (der.OCTET_STRING, b"260102030405Z"),
    ],
)
def test_times_of_another_form_are_refused(tag, text):
    value, _ = der.read_value(tlv(tag, text), what="thing")
    with refused("is not a time"):
        der.time_value(value, what="thing")


def test_an_envelope_has_one_spelling():
    inner = sequence(integer(1))
    der.require_signed_envelope(sequence(inner, inner, tlv(3, b"\0signature")), what="thing")
    for bad, match in (
        (sequence(inner, inner, tlv(3, b"\1signature")), "has a signature that is not whole"),
        (sequence(inner, inner, tlv(3)), "has a signature that is not whole"),
        (sequence(inner, inner), "is not made of"),
        (sequence(inner, inner, tlv(3, b"\0")) + b"x", "has bytes behind"),
    ):
        with refused(match):
            der.require_signed_envelope(bad, what="thing")
