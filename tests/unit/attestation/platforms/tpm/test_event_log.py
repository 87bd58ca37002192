# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.attestation.platforms.tpm import event_log as logs
from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.event_log import (
    parse_event_log,
    replay,
    require_replayed,
)
from cleanroom.errors import IntegrityError, MalformedError
from tests.support.tpm_logs import NO_ACTION, SEPARATOR, SHA1, Entry, event_log, header

SHA256 = Hash.SHA256
KERNEL = Entry(register=4, data=b"kernel")
INITRD = Entry(register=9, data=b"initrd")
LOG = event_log(KERNEL, INITRD, Entry(register=4, kind=SEPARATOR, data=bytes(4)))
LOCALITY = b"StartupLocality\0"
BOOT = frozenset({0, 4, 9})


def extended(*events, start=bytes(32)):
    value = start
    for event in events:
        value = SHA256.extend(value, SHA256.digest(event))
    return value


VALUES = {0: bytes(32), 4: extended(b"kernel", bytes(4)), 9: extended(b"initrd")}


def refused(data, cause):
    with pytest.raises(MalformedError) as caught:
        parse_event_log(data)
    assert caught.value.code == f"tpm.{cause}"


def explain(log, registers=BOOT, values=VALUES):
    require_replayed(parse_event_log(log), values=values, bank=SHA256, registers=registers)


def test_a_complete_log_explains_the_registers():
    log = parse_event_log(LOG)
    assert log.banks == {SHA256}
    assert [(event.register, event.data) for event in log.events[:2]] == [
        (4, b"kernel"),
        (9, b"initrd"),
    ]
    assert replay(log, bank=SHA256) == {4: VALUES[4], 9: VALUES[9]}
    explain(LOG)


@pytest.mark.parametrize(
    "entries",
    [
        (KERNEL,),
        (KERNEL, KERNEL),
        (Entry(register=4, kind=SEPARATOR, data=bytes(4)), KERNEL),
        (Entry(register=4, data=b"another kernel"), Entry(register=4, data=bytes(4))),
        (KERNEL, INITRD, Entry(register=9, data=b"one more")),
        (KERNEL, Entry(register=4, data=bytes(4)), Entry(register=0, data=b"firmware")),
        (KERNEL, Entry(register=4, data=bytes(4)), Entry(register=5, data=b"initrd")),
    ],
)
def test_a_log_with_an_entry_left_out_added_changed_or_moved_is_refused(entries):
    with pytest.raises(IntegrityError, match="^event log: register") as caught:
        explain(event_log(*entries))
    assert caught.value.code == "tpm.replay"


def test_a_register_that_was_not_quoted_is_not_explained():
    with pytest.raises(IntegrityError, match="register 5 replays to 0+, quoted not at all"):
        explain(LOG, registers=BOOT | {5})


def test_a_log_says_nothing_about_a_bank_that_it_does_not_keep():
    with pytest.raises(MalformedError) as caught:
        replay(parse_event_log(LOG), bank=Hash.SHA384)
    assert caught.value.code == "tpm.bank"


def test_an_entry_that_no_register_took_is_not_replayed():
    entry = Entry(register=0xFFFFFFFF, kind=NO_ACTION, data=b"says what it likes")
    log = parse_event_log(event_log(entry, KERNEL))
    assert replay(log, bank=SHA256).keys() == {4}
    assert not log.events[0].is_measured
    assert not log.events[0].data_is_measured(SHA256)


def test_text_counts_only_where_its_digest_was_extended():
    lie = Entry(
        register=4, data=b"secure boot on", digests=((SHA1, bytes(20)), (SHA256, bytes(32)))
    )
    log = parse_event_log(event_log(KERNEL, lie))
    assert [event.data_is_measured(SHA256) for event in log.events] == [True, False]
    assert not log.events[0].data_is_measured(Hash.SHA384)


def test_the_locality_of_the_start_is_the_first_value_of_register_zero():
    start = Entry(register=0, kind=NO_ACTION, data=LOCALITY + b"\x03")
    log = event_log(start, Entry(register=0, data=b"firmware"))
    assert replay(parse_event_log(log), bank=SHA256)[0] == extended(
        b"firmware", start=bytes(31) + b"\x03"
    )


@pytest.mark.parametrize(
    "entries",
    [
        (Entry(register=0, data=b"x"), Entry(register=0, kind=NO_ACTION, data=LOCALITY + b"\x03")),
        (Entry(register=0, kind=NO_ACTION, data=LOCALITY + b"\x03"),) * 2,
        (Entry(register=0, kind=NO_ACTION, data=LOCALITY),),
        (Entry(register=0, kind=NO_ACTION, data=LOCALITY + b"\x03\x03"),),
    ],
)
def test_a_locality_out_of_place_is_refused(entries):
    with pytest.raises(MalformedError, match="startup locality"):
        replay(parse_event_log(event_log(*entries)), bank=SHA256)


@pytest.mark.parametrize("filler", [b"\xff", b"\0"])
def test_padding_of_a_table_is_not_read(filler):
    assert parse_event_log(LOG + filler * 4096) == parse_event_log(LOG)
    with pytest.raises(MalformedError):
        parse_event_log(LOG + filler * 64 + b"x")


@pytest.mark.parametrize("ends", [b"\xff\xff", b"\0\0"])
def test_an_entry_may_end_like_padding(ends):
    log = event_log(KERNEL, Entry(register=4, data=b"ends in " + ends))
    assert parse_event_log(log).events[-1].data == b"ends in " + ends
    assert parse_event_log(log + ends * 9).events[-1].data == b"ends in " + ends


def test_a_log_cut_inside_an_entry_is_refused():
    starts = [len(event_log()), len(event_log(KERNEL)), len(event_log(KERNEL, INITRD)), len(LOG)]
    for length in range(len(LOG)):
        if length not in starts:
            with pytest.raises(MalformedError):
                parse_event_log(LOG[:length])


@pytest.mark.parametrize(
    ("head", "cause"),
    [
        (b"", "truncated"),
        (header(kind=8), "event-log"),
        (header(register=2), "event-log"),
        (header(digest=b"\1" * 20), "event-log"),
        (header(signature=b"Spec ID Event02\0"), "event-log"),
        (header(signature=b"")[:28] + b"\0\0\0\0", "event-log"),
        (header(banks={}), "event-log"),
        (header(banks=[(number, 20) for number in range(0x100, 0x111)]), "event-log"),
        (header(banks=[(SHA256, 32), (SHA256, 32)]), "event-log"),
        (header(banks={int(SHA256): 20}), "event-log"),
        (header(banks={0x27: 65}), "event-log"),
        (header(banks={SHA1: 20}), "hash"),
        (header(trailing=b"\0"), "trailing"),
    ],
)
def test_a_header_that_is_wrong_in_one_thing_is_refused(head, cause):
    refused(event_log(head=head), cause)


def test_a_bank_that_we_do_not_know_is_passed_over():
    head = header(banks={int(SHA256): 32, 0x27: 32})
    entry = Entry(register=4, digests=((SHA256, b"d" * 32), (0x27, bytes(32))))
    log = parse_event_log(event_log(entry, head=head))
    assert log.banks == {SHA256}
    assert log.events[0].digests == {SHA256: b"d" * 32}


def test_the_log_of_a_trust_domain_counts_from_register_one():
    head = header(banks={int(Hash.SHA384): 48}, register=1)
    entry = Entry(register=1, digests=((Hash.SHA384, b"d" * 48),))
    assert parse_event_log(event_log(entry, head=head)).banks == {Hash.SHA384}


@pytest.mark.parametrize(
    ("entry", "cause"),
    [
        (Entry(register=24), "register"),
        (Entry(register=4, digests=((SHA256, bytes(32)),)), "event-log"),
        (Entry(register=4, digests=((SHA256, bytes(32)), (SHA256, bytes(32)))), "event-log"),
        (Entry(register=4, digests=((SHA256, bytes(32)), (0x0C, bytes(48)))), "event-log"),
        (Entry(register=4, data=bytes(64 * 1024 + 1)), "oversize"),
    ],
)
def test_an_entry_that_is_wrong_in_one_thing_is_refused(entry, cause):
    refused(event_log(entry), cause)


def test_a_log_without_end_is_refused():
    many = event_log(*[Entry(register=4)] * logs.MAX_EVENTS)
    assert len(parse_event_log(many).events) == logs.MAX_EVENTS
    refused(many + Entry(register=4).encode(), "oversize")
    refused(LOG + b"\xff" * logs.MAX_LOG_BYTES, "oversize")
