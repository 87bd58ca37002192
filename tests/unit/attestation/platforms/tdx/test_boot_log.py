# SPDX-License-Identifier: Apache-2.0
"""The log of a trust domain's firmware must replay to the registers that were quoted."""

import pytest

from cleanroom.attestation.platforms.tdx import KINDS
from cleanroom.attestation.platforms.tdx.boot_log import LOG_PATH, is_boot_log
from cleanroom.attestation.platforms.tdx.collect import TdxCollector
from cleanroom.attestation.platforms.tdx.verify import TdxVerifier
from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.errors import IntegrityError, MalformedError
from tests.support.dcap_forge import AT, Wrong, domain, intel, make_collateral, make_quote
from tests.support.fake_configfs import FakeConfigfs
from tests.support.tpm_logs import Entry, event_log, header

(KIND,) = KINDS
HEAD = header({int(Hash.SHA384): 48}, register=1)


def entry(register, text="first"):
    data = f"{text} of {register}".encode()
    return Entry(register=register, data=data, digests=((Hash.SHA384, Hash.SHA384.digest(data)),))


def log_of(*entries):
    return event_log(*entries, head=HEAD)


ENTRIES = (entry(1), entry(2), entry(3), entry(2, "second"), entry(4))
LOG = log_of(*ENTRIES)


def registers(*entries):
    values = [bytes(48)] * 4
    for item in entries:
        at = item.register - 1
        values[at] = Hash.SHA384.extend(values[at], Hash.SHA384.digest(item.data))
    return {f"rtmr{number}": value for number, value in enumerate(values)}


def quote_over(**values):
    return make_quote(wrong=Wrong(body=domain(**values)))


QUOTE = quote_over(**registers(*ENTRIES))


def verified(quote, log):
    item = KIND.intake(quote, [make_collateral(), log])
    return TdxVerifier(pins=intel().pins).verify(item, at=AT)


@pytest.mark.parametrize("padding", [b"", b"\xff" * 5000, bytes(1_000_000)])
def test_a_whole_log_explains_the_registers(padding):
    last = verified(QUOTE, LOG + padding).checks[-1]
    assert (last.name, last.found) == ("boot log", "5 entries replay to RTMR0, RTMR1 and RTMR2")


@pytest.mark.parametrize("filler", [b"\xff", b"\0"])
def test_an_entry_that_ends_like_padding_for_long_is_not_cut(filler):
    data = b"table" + filler * 5000
    digests = ((Hash.SHA384, Hash.SHA384.digest(data)),)
    entries = (*ENTRIES[:-1], Entry(register=3, data=data, digests=digests))
    item = KIND.intake(
        quote_over(**registers(*entries)), [make_collateral(), log_of(*entries) + filler * 70_000]
    )
    assert item.collateral["ccel"] == log_of(*entries)
    assert TdxVerifier(pins=intel().pins).verify(item, at=AT).checks[-1].name == "boot log"


def test_what_the_guest_added_since_is_said_and_no_reason_to_refuse():
    later = quote_over(**(registers(*ENTRIES) | {"rtmr3": b"l" * 48}))
    assert verified(later, LOG).checks[-1].found.endswith("; the guest extended RTMR3 since")


@pytest.mark.parametrize(
    "entries",
    [
        ENTRIES[1:],
        (*ENTRIES, ENTRIES[0]),
        (ENTRIES[0], ENTRIES[3], ENTRIES[2], ENTRIES[1], ENTRIES[4]),
    ],
)
def test_an_entry_left_out_added_or_moved_is_refused(entries):
    with pytest.raises(IntegrityError, match="^event log: register"):
        verified(QUOTE, log_of(*entries))


def test_a_register_that_no_domain_has_is_refused():
    with pytest.raises(MalformedError, match="^event log: found register 5, agreed 1 to 4"):
        verified(QUOTE, log_of(*ENTRIES, entry(5)))


def test_a_log_that_cannot_be_read_is_refused_where_it_is_verified():
    cut = LOG[:-3]
    assert KIND.intake(QUOTE, [cut]).collateral["ccel"] == cut
    with pytest.raises(MalformedError, match="^event log: ends at byte"):
        verified(QUOTE, cut)


def test_there_is_one_log():
    with pytest.raises(MalformedError, match="^event log: found two"):
        KIND.intake(QUOTE, [LOG, log_of(ENTRIES[0])])
    assert "ccel" in KIND.intake(QUOTE, [LOG, LOG]).collateral
    assert not is_boot_log(QUOTE)


def test_the_kernel_hands_the_log_out_beside_the_quote():
    files = FakeConfigfs(
        provider="tdx_guest",
        auxblob=None,
        answer=lambda data, _level: quote_over(report_data=data),
        others={LOG_PATH: LOG + b"\xff" * 300_000},
    )
    collector = TdxCollector(files=files, name=lambda: "request", collateral={})
    kept = collector.collect(binding=bytes(64)).collateral["ccel"]
    assert kept.startswith(LOG)
    assert len(kept) < len(LOG) + 1000
