# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.attestation.platforms.sev_snp.parse import SigningKey, parse_report
from cleanroom.attestation.platforms.sev_snp.product import (
    Product,
    product_of_cpu,
    product_of_name,
    read_tcb,
)
from cleanroom.errors import MalformedError
from tests.support.snp_forge import REPORT_DATA, make_report


def test_every_field_is_read_from_its_offset():
    report = parse_report(
        make_report(
            version=5,
            vmpl=2,
            key_info=0b111,
            policy=1 << 17 | 1 << 16 | 1 << 18 | 1 << 19 | 1 << 20 | 0x0102,
            launch_mitigations=3,
            current_mitigations=4,
            platform_info=0x67,
            current_tcb=b"C" * 8,
            committed_tcb=b"D" * 8,
            launch_tcb=b"L" * 8,
            current_build=b"cur",
            committed_build=b"com",
        )
    )
    policy = report.policy
    assert (policy.abi_major, policy.abi_minor) == (1, 2)
    assert (policy.smt, policy.migration_agent, policy.debug, policy.single_socket) == (True,) * 4
    assert (report.version, report.guest_svn, report.vmpl, report.platform_info) == (5, 7, 2, 0x67)
    assert (report.author_key, report.masked_chip_key) == (True, True)
    assert report.signing_key is SigningKey.VLEK
    assert report.report_data == REPORT_DATA
    assert (report.measurement, report.host_data) == (b"M" * 48, b"H" * 32)
    assert (report.id_key_digest, report.author_key_digest) == (b"K" * 48, b"A" * 48)
    assert (report.report_id, report.report_id_ma) == (b"R" * 32, b"\xff" * 32)
    assert (report.family_id, report.image_id) == (b"F" * 16, b"I" * 16)
    assert report.product is Product.GENOA
    assert (report.current_tcb, report.committed_tcb) == (b"C" * 8, b"D" * 8)
    assert (report.launch_tcb, report.reported_tcb.hex()) == (b"L" * 8, "0a00000000001754")
    assert (report.current_build, report.committed_build) == (b"cur", b"com")
    assert (report.launch_mitigations, report.current_mitigations) == (3, 4)
    assert len(report.signed) == 672


def test_a_report_before_version_three_names_no_product():
    assert parse_report(make_report(version=2, cpuid=0)).product is None


@pytest.mark.parametrize(
    ("changes", "match", "code"),
    [
        ({"version": 1}, "version 1 against 2 to 5", "version"),
        ({"version": 6}, "version 6 against 2 to 5", "version"),
        ({"algorithm": 0}, "signature algorithm 0 against 1", "algorithm"),
        ({"zero_4c": 1}, "a reserved byte", "reserved"),
        ({"zero_18b": b"\1"}, "a reserved byte", "reserved"),
        ({"zero_208": bytes(151) + b"\1"}, "a reserved byte", "reserved"),
        ({"version": 2}, "a field that version 2 does not have", "reserved"),
        ({"launch_mitigations": 1}, "a field that version 3 does not have", "reserved"),
        ({"version": 4, "current_mitigations": 1}, "a field that version 4", "reserved"),
        ({"policy": 0x1001F}, "an unknown policy bit", "policy"),
        ({"policy": 0x3001F | 1 << 26}, "an unknown policy bit", "policy"),
        ({"key_info": 7 << 2}, "a signing key other than VCEK or VLEK", "signing-key"),
        ({"key_info": 2 << 2}, "a signing key other than VCEK or VLEK", "signing-key"),
        ({"key_info": 1 << 5}, "a signing key other than VCEK or VLEK", "signing-key"),
    ],
)
def test_a_field_out_of_form_is_refused_by_name(changes, match, code):
    with pytest.raises(MalformedError, match=f"^snp report: found {match}") as caught:
        parse_report(make_report(**changes))
    assert caught.value.code == f"snp.{code}"


@pytest.mark.parametrize("size", [0, 1, 671, 1183, 1185, 4096])
def test_another_length_is_refused(size):
    with pytest.raises(MalformedError, match=f"^snp report: found {size} bytes against 1184"):
        parse_report(make_report().ljust(4096, b"\0")[:size])


@pytest.mark.parametrize("offset", [0x2A0 + 48, 0x2A0 + 71, 0x2E8 + 48, 0x2E8 + 71, 0x330, 0x49F])
def test_a_byte_that_nothing_signs_must_be_zero(offset):
    report = bytearray(make_report())
    report[offset] ^= 1
    with pytest.raises(MalformedError, match="^snp report: found a byte set behind"):
        parse_report(bytes(report))


def test_the_layout_of_versions_belongs_to_the_product():
    raw = bytes(range(1, 9))
    older = {"bootloader": 1, "tee": 2, "snp": 7, "microcode": 8}
    assert read_tcb(raw, Product.MILAN).components == older
    assert read_tcb(raw, Product.GENOA).components == older
    assert read_tcb(raw, Product.TURIN).components == {
        "fmc": 1,
        "bootloader": 2,
        "tee": 3,
        "snp": 4,
        "microcode": 8,
    }
    with pytest.raises(MalformedError, match="^snp tcb: found 7 bytes against 8"):
        read_tcb(raw[:7], Product.TURIN)


@pytest.mark.parametrize(
    ("family", "model", "product"),
    [
        (0x19, 0x00, Product.MILAN),
        (0x19, 0x0F, Product.MILAN),
        (0x19, 0x10, Product.GENOA),
        (0x19, 0x1F, Product.GENOA),
        (0x19, 0xA0, Product.GENOA),
        (0x19, 0xAF, Product.GENOA),
        (0x1A, 0x00, Product.TURIN),
        (0x1A, 0x11, Product.TURIN),
    ],
)
def test_a_processor_names_its_product(family, model, product):
    assert product_of_cpu(family, model) is product


@pytest.mark.parametrize(
    ("family", "model"), [(0x17, 0x01), (0x19, 0x20), (0x19, 0xB0), (0x1A, 0x12), (0x1B, 0x00)]
)
def test_an_unknown_processor_is_refused(family, model):
    with pytest.raises(MalformedError, match="^snp product: found family") as caught:
        product_of_cpu(family, model)
    assert caught.value.code == "snp.product"


def test_a_name_in_a_certificate_names_its_product():
    names = {"Milan": Product.MILAN, "Milan-B0": Product.MILAN, "Turin-A1": Product.TURIN}
    names |= {"Siena": Product.GENOA, "Siena-B2": Product.GENOA, "Bergamo-A1": Product.GENOA}
    assert {name: product_of_name(name) for name in names} == names
    for unknown in ("", "Milano", "Rome-B0", "milan", "Sienas", "siena"):
        with pytest.raises(MalformedError, match="^snp product: found another name"):
            product_of_name(unknown)
