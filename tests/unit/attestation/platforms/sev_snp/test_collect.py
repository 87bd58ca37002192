# SPDX-License-Identifier: Apache-2.0
import errno
import os

import pytest

from cleanroom.attestation.platforms.sev_snp import collect as module
from cleanroom.attestation.platforms.sev_snp.collect import SnpCollector, open_guest_device
from cleanroom.attestation.platforms.sev_snp.verify import SnpVerifier
from cleanroom.errors import MalformedError, UnavailableError
from tests.support.fake_configfs import FakeConfigfs
from tests.support.fake_sev_guest import FakeSevGuest
from tests.support.snp_forge import (
    AT,
    VLEK,
    all_pins,
    host_table,
    make_collateral,
    make_report,
    make_vek,
)

BINDING = bytes(range(64, 128))
DEVICE = frozenset({"dev/sev-guest"})


def report(data, level):
    return make_report(report_data=data, vmpl=level)


def collector(*, files=None, device=None, pauses=None, vmpl=0, collateral=None):
    return SnpCollector(
        files=files or FakeConfigfs(answer=report, auxblob=host_table()),
        ioctl=device or FakeSevGuest(answer=report),
        name=lambda: "request",
        pause=[].append if pauses is None else pauses.append,
        vmpl=vmpl,
        collateral=collateral or {},
    )


def by_device(**changes):
    return collector(files=FakeConfigfs(provider="", also=DEVICE), **changes)


def verified(item):
    return SnpVerifier(pins=all_pins()).verify(item, at=AT).carried[0].found


def test_configfs_gives_evidence_that_verifies_with_the_hosts_certificates():
    assert collector().missing() == ()
    assert collector().platform == "snp"
    assert verified(collector().collect(binding=BINDING)) == BINDING


def test_the_old_device_gives_the_same():
    device = FakeSevGuest(answer=report, table=host_table())
    item = by_device(device=device).collect(binding=BINDING)
    assert item == collector().collect(binding=BINDING)
    assert device.calls == [(BINDING, 0, 16384)]


def test_a_host_without_certificates_leaves_what_the_operator_fetched():
    item = by_device(collateral=make_collateral()).collect(binding=BINDING)
    assert verified(item) == BINDING


def test_a_clouds_certificate_is_found_as_well():
    table = host_table(vlek=make_vek(kind=VLEK))
    files = FakeConfigfs(
        answer=lambda data, level: make_report(report_data=data, vmpl=level, key_info=4),
        auxblob=table,
    )
    assert set(collector(files=files).collect(binding=BINDING).collateral) == {"vek"}


def test_the_privilege_level_is_asked_for():
    item = collector(vmpl=2).collect(binding=BINDING)
    assert SnpVerifier(pins=all_pins()).verify(item, at=AT).facts[0].vmpl == 2
    device = FakeSevGuest(answer=report, table=host_table())
    by_device(device=device, vmpl=3).collect(binding=BINDING)
    assert device.calls[0][1] == 3


def test_more_certificates_than_expected_are_asked_for_again():
    device = FakeSevGuest(answer=report, table=host_table() + bytes(20_000))
    by_device(device=device).collect(binding=BINDING)
    assert [size for _, _, size in device.calls] == [16384, 24576]


def test_a_busy_host_is_asked_again_after_a_pause_and_then_given_up():
    pauses = []
    by_device(device=FakeSevGuest(answer=report, busy=3), pauses=pauses).collect(binding=BINDING)
    assert pauses == [0.5, 0.5, 0.5]
    with pytest.raises(UnavailableError, match="^/dev/sev-guest: found it busy each time, agreed"):
        by_device(device=FakeSevGuest(answer=report, busy=8)).collect(binding=BINDING)


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"refused": 0}, UnavailableError, "found host error 0, agreed a report"),
        ({"refused": 9 << 32}, UnavailableError, "found host error 9, agreed a report"),
        ({"status": 22}, MalformedError, "answered status 22"),
        ({"claimed": 1183}, MalformedError, "answered status 0 and 1183 bytes"),
        ({"table": bytes(20_000), "wanted": 0}, MalformedError, "certificates of 0 bytes"),
        ({"table": bytes(20_000), "wanted": 70_000}, MalformedError, "certificates of 70000"),
        ({"table": bytes(20_000), "wanted": 17_000}, MalformedError, "certificates of 17000"),
    ],
)
def test_a_refusal_or_nonsense_of_the_device_is_named(changes, error, match):
    with pytest.raises(error, match=f"^/dev/sev-guest: {match}"):
        by_device(device=FakeSevGuest(answer=report, **changes)).collect(binding=BINDING)


def test_a_machine_without_either_says_so_for_both():
    nowhere = collector(files=FakeConfigfs(provider=""))
    assert [sentence.split(":")[0] for sentence in nowhere.missing()] == [
        "/sys/kernel/config/tsm/report",
        "/dev/sev-guest",
    ]
    with pytest.raises(UnavailableError, match="^snp: /sys/kernel/config/tsm/report: not there"):
        nowhere.collect(binding=BINDING)


def test_a_short_binding_is_refused():
    with pytest.raises(MalformedError, match="^binding: found 63 bytes"):
        collector().collect(binding=BINDING[:63])


def test_the_real_device_is_opened_below_the_root_and_closed_again(tmp_path, monkeypatch):
    calls = []
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "sev-guest").touch()

    def ioctl(descriptor, number, argument, mutate):
        os.fstat(descriptor)
        calls.append((descriptor, number, bytes(argument), mutate))

    monkeypatch.setattr(module.fcntl, "ioctl", ioctl)
    open_guest_device(tmp_path)(7, bytearray(b"argument"))
    ((descriptor, number, argument, mutate),) = calls
    assert (number, argument, mutate) == (7, b"argument", True)
    with pytest.raises(OSError, match="Bad file descriptor") as closed:
        os.fstat(descriptor)
    assert closed.value.errno == errno.EBADF
