# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.attestation.platforms.tdx.body import parse_domain, parse_enclave
from cleanroom.attestation.platforms.tdx.parse import MAX_QUOTE_BYTES, parse_quote
from cleanroom.errors import MalformedError
from tests.support.dcap_extended import extended
from tests.support.dcap_forge import (
    REPORT_DATA,
    SGX,
    TDX,
    TEE_TCB_SVN,
    Wrong,
    domain,
    enclave,
    make_quote,
)


def malformed(match):
    return pytest.raises(MalformedError, match=f"^dcap quote: found {match}")


@pytest.mark.parametrize(
    ("tee", "version", "tdx", "size"),
    [(TDX, 4, 10, 584), (TDX, 5, 10, 584), (TDX, 5, 15, 648), (SGX, 3, 10, 384), (SGX, 5, 10, 384)],
)
def test_every_version_and_body_reads_back(tee, version, tdx, size):
    data = make_quote(tee, version, tdx=tdx)
    quote = parse_quote(data + b"padding")
    assert (quote.version, quote.tee, quote.padding) == (version, tee, 7)
    assert quote.raw == data
    assert len(quote.signed) == 48 + size + (6 if version == 5 else 0)
    assert quote.body.report_data == REPORT_DATA
    assert quote.authentication == bytes(range(32))
    assert quote.chain.startswith(b"-----BEGIN CERTIFICATE-----")


def test_every_field_of_a_domain_is_read_from_its_offset():
    body = parse_domain(domain(version=15, attributes=1 << 28 | 1, xfam=7, seam_attributes=9))
    assert (body.debug, body.attributes, body.xfam) == (True, 1 << 28 | 1, 7)
    assert (body.mrseam, body.mrsignerseam, body.seam_attributes) == (b"S" * 48, bytes(48), 9)
    assert (body.mrtd, body.mrconfigid) == (b"T" * 48, b"C" * 48)
    assert (body.mrowner, body.mrownerconfig) == (b"O" * 48, b"o" * 48)
    assert body.rtmrs == (b"0" * 48, b"1" * 48, b"2" * 48, b"3" * 48)
    assert (body.tee_tcb_svn, body.tee_tcb_svn2) == (TEE_TCB_SVN, TEE_TCB_SVN)
    assert parse_domain(domain()).mrservicetd == bytes(48)
    assert not parse_domain(domain()).debug
    assert parse_domain(domain() + bytes(16) + b"V" * 48).mrservicetd == b"V" * 48


def test_the_longest_body_is_read_from_its_offsets():
    body = bytearray(extended(partition=2, first_service_attributes=3, service_attributes=4))
    # By their offsets in Intel's header, and not by the order that they were written in.
    assert (len(body), body[648], body[649], body[681], body[729]) == (885, 2, *b"IDf")
    assert (body[777], body[785], body[801], body[817], body[829], body[877]) == (
        *(3, 2, 6),
        *b"Mn",
        4,
    )
    quote = parse_quote(make_quote(version=5, wrong=Wrong(body=bytes(body))))
    assert (len(quote.signed), quote.body.report_data) == (54 + 885, REPORT_DATA)
    more = quote.body.extension
    assert (more.partition, more.domain_id, more.devices) == (2, b"I" * 32, b"D" * 48)
    assert (more.first_service, more.first_service_attributes) == (b"f" * 48, 3)
    assert (more.service, more.service_attributes) == (b"n" * 48, 4)
    assert (more.first_cpusvn, more.first_model) == (bytes(range(2, 18)), b"M" * 12)
    assert more.first_tee_tcb_svn == TEE_TCB_SVN
    assert (quote.body.mrtd, quote.body.tee_tcb_svn2) == (b"T" * 48, TEE_TCB_SVN)
    nothing = parse_domain(domain(version=15)).extension
    assert (nothing.partition, nothing.domain_id, nothing.service) == (0, bytes(32), bytes(48))


@pytest.mark.parametrize("bit", range(64))
def test_whoever_may_profile_a_domain_looks_inside(bit):
    # TDATTRIBUTES bits 0 to 15: debugging, profiling, and what is reserved for more of it.
    assert parse_domain(domain(attributes=1 << bit)).debug is (bit < 16)


def test_every_field_of_an_enclave_is_read_from_its_offset():
    body = parse_enclave(
        enclave(miscselect=1, flags=7, ext_product=b"x" * 16, config=b"c" * 64, family=b"f" * 16)
    )
    assert (body.miscselect, body.flags, body.xfrm, body.debug) == (1, 7, 0xE7, True)
    assert (body.mrenclave, body.mrsigner) == (b"E" * 32, b"s" * 32)
    assert (body.product_id, body.svn, body.report_data) == (3, 4, REPORT_DATA)
    assert not parse_enclave(enclave()).debug


@pytest.mark.parametrize("name", ["zero_20", "zero_96", "zero_160", "zero_262"])
def test_a_reserved_byte_of_an_enclave_is_zero(name):
    with malformed("a reserved byte"):
        parse_enclave(enclave(**{name: b"\x01"}))


def test_bodies_of_another_length_are_refused():
    with malformed("a domain of 585 bytes"):
        parse_domain(domain() + b"\0")
    with malformed("an enclave of 383 bytes"):
        parse_enclave(enclave()[:-1])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"wrong": Wrong(header={"version": 2})}, "version 2 against 3 to 5"),
        ({"wrong": Wrong(header={"version": 6})}, "version 6 against 3 to 5"),
        ({"wrong": Wrong(header={"key_type": 3})}, "attestation key type 3 against 2"),
        ({"wrong": Wrong(header={"tee": 0x82})}, "TEE type 0x82 in version 4"),
        ({"version": 3}, "TEE type 0x81 in version 3"),
        ({"version": 5, "wrong": Wrong(body_type=1)}, "body type 1 of 584 bytes"),
        ({"version": 5, "wrong": Wrong(body_type=4)}, "body type 4 of 584 bytes"),
        ({"version": 5, "wrong": Wrong(body=bytes(700), body_type=2)}, "body type 2 of 700 bytes"),
        ({"version": 5, "wrong": Wrong(body=bytes(885), body_type=3)}, "body type 3 of 885 bytes"),
        ({"version": 5, "wrong": Wrong(body_type=5)}, "body type 5 of 584 bytes"),
        ({"tee": SGX, "version": 5, "wrong": Wrong(body_type=2)}, "body type 2 of 384 bytes"),
        ({"wrong": Wrong(types=(5, 5))}, "certification type 5 against 6"),
        ({"wrong": Wrong(types=(6, 4))}, "certification type 4 against 1, 2, 3 or 5"),
        ({"wrong": Wrong(tail=b"x")}, "bytes behind the last field"),
        ({"wrong": Wrong(nested=b"x")}, "bytes behind the last field"),
        ({"tee": SGX, "version": 3, "wrong": Wrong(tail=b"x")}, "bytes behind the last field"),
    ],
)
def test_a_field_out_of_form_is_refused_by_name(arguments, match):
    with malformed(match):
        parse_quote(make_quote(**arguments))


def test_a_quote_cut_anywhere_is_refused():
    data = make_quote()
    for size in range(0, len(data), 29):
        with malformed("an end inside a field"):
            parse_quote(data[:size])


def test_a_quote_over_its_limit_costs_nothing():
    with malformed(f"{MAX_QUOTE_BYTES + 1} bytes"):
        parse_quote(bytes(MAX_QUOTE_BYTES + 1))
