# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.attestation.platforms.tpm import ima
from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.ima import (
    parse_ima_log,
    parse_ima_text,
    replay_ima,
    require_ima_replayed,
)
from cleanroom.errors import IntegrityError, MalformedError
from tests.support.tpm_logs import ima_entry, ima_line, ima_template, little

PYTHON = ima_entry(b"/usr/bin/python3", b"python")
SIGNED = ima_entry(b"/usr/bin/signed", b"signed", template="ima-sig", signature=b"\3\2")
VIOLATION = ima_entry(b"/var/log/open", b"", violation=True)
LOG = PYTHON + SIGNED + VIOLATION


def value_of(*digests):
    value = bytes(32)
    for digest in digests:
        value = Hash.SHA256.extend(value, digest)
    return value


VALUE = value_of(
    Hash.SHA256.digest(ima_template(b"/usr/bin/python3", b"python")),
    Hash.SHA256.digest(
        ima_template(b"/usr/bin/signed", b"signed", template="ima-sig", signature=b"\3\2")
    ),
    b"\xff" * 32,
)


def refused(data, cause, parse=parse_ima_log):
    with pytest.raises(MalformedError, match="^IMA log") as caught:
        parse(data)
    assert caught.value.code == f"tpm.{cause}"


def test_a_complete_log_explains_register_ten():
    entries = parse_ima_log(LOG)
    assert [entry.path for entry in entries] == [
        "/usr/bin/python3",
        "/usr/bin/signed",
        "/var/log/open",
    ]
    assert entries[0].digest == "sha256:" + Hash.SHA256.digest(b"python").hex()
    assert [entry.is_violation for entry in entries] == [False, False, True]
    assert replay_ima(entries, bank=Hash.SHA256) == VALUE
    require_ima_replayed(entries, value=VALUE, bank=Hash.SHA256)


@pytest.mark.parametrize("log", [b"", PYTHON, SIGNED + PYTHON + VIOLATION, LOG + PYTHON])
def test_a_log_that_is_not_complete_and_in_order_is_refused(log):
    with pytest.raises(IntegrityError, match="^IMA log: register 10") as caught:
        require_ima_replayed(parse_ima_log(log), value=VALUE, bank=Hash.SHA256)
    assert caught.value.code == "tpm.replay"


@pytest.mark.parametrize(
    "template", ["ima-ng", "ima-sig", "ima-buf", "ima-ngv2", "ima-sigv2", "ima-modsig"]
)
def test_every_template_with_whole_digests_replays(template):
    entry = ima_entry(b"/usr/bin/x", b"x", template=template, signature=b"\3\2")
    found = ima_template(b"/usr/bin/x", b"x", template=template, signature=b"\3\2")
    value = value_of(Hash.SHA256.digest(found))
    require_ima_replayed(parse_ima_log(entry), value=value, bank=Hash.SHA256)
    line = ima_line(b"/usr/bin/x", b"x", template=template, signature=b"\3\2")
    assert parse_ima_text(line) == parse_ima_log(entry)


def test_a_violation_cannot_be_left_out():
    with pytest.raises(IntegrityError):
        require_ima_replayed(parse_ima_log(PYTHON + SIGNED), value=VALUE, bank=Hash.SHA256)


def test_text_and_binary_logs_say_the_same():
    text = ima_line(b"/usr/bin/python3", b"python") + ima_line(
        b"/usr/bin/with space", b"s", template="ima-sig", signature=b"\3\2"
    )
    binary = PYTHON + ima_entry(b"/usr/bin/with space", b"s", template="ima-sig", signature=b"\3\2")
    assert parse_ima_text(text) == parse_ima_log(binary)


def test_a_violation_in_text_has_a_digest_of_zeros():
    line = ima_line(b"/x", b"").split(b" ")
    line[1] = b"0" * 40
    (entry,) = parse_ima_text(b" ".join(line))
    assert entry.is_violation


def test_an_empty_log_explains_a_register_that_is_still_zero():
    assert parse_ima_text(b"") == parse_ima_log(b"") == ()
    require_ima_replayed((), value=bytes(32), bank=Hash.SHA256)


def test_a_path_with_a_line_separator_of_unicode_stays_whole():
    path = "/srv/a\u2028b\x0c".encode()
    assert parse_ima_text(ima_line(path, b"odd"))[0].template == ima_template(path, b"odd")


def test_a_path_that_is_no_text_survives():
    line = ima_line(b"/tmp/\xff\xfe", b"odd")
    (entry,) = parse_ima_text(line)
    assert entry.template == ima_template(b"/tmp/\xff\xfe", b"odd")


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (PYTHON[:-1], "truncated"),
        (ima_entry(b"/x", b"", register=14), "register"),
        (ima_entry(b"/x", b"", template="ima"), "ima"),
        (ima_entry(b"/x\0/y", b""), "ima"),
        (PYTHON.replace(b"sha256:\0", b"sha256::"), "ima"),
        (PYTHON.replace(b"python3\0", b"python3!"), "ima"),
        (little(10) + bytes(20) + little(6) + b"ima-ng" + little(9) + bytes(9), "trailing"),
        (little(10) + bytes(20) + little(33) + bytes(33), "oversize"),
        (little(10) + bytes(20) + little(6) + b"ima-ng" + little(16385), "oversize"),
    ],
)
def test_a_binary_log_that_is_wrong_in_one_thing_is_refused(data, cause):
    refused(data, cause)


GOOD_LINE = ima_line(b"/x", b"content")


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"10 00 ima-ng sha256:00",
        GOOD_LINE.replace(b"10 ", b"11 ", 1),
        GOOD_LINE.replace(b"ima-ng", b"ima"),
        GOOD_LINE.replace(b"sha256:", b"sha256"),
        GOOD_LINE.replace(b"sha256:", b"sha256:x"),
        b"10 zz" + GOOD_LINE[5:],
        GOOD_LINE.replace(b"sha256:", b"sha\x80:"),
        GOOD_LINE + b"\n",
        ima_line(b"/x", b"", template="ima-sig", signature=b"\1")[:-2] + b"z",
        ima_line(b"/x", b"", template="ima-sig", signature=b"\1")[:-4],
        ima_line(b"/x", b"", template="ima-modsig", signature=b"\1").replace(b"  ", b" "),
    ],
)
def test_a_line_that_is_wrong_in_one_thing_is_refused(line):
    refused(line, "ima", parse=parse_ima_text)


@pytest.mark.parametrize(
    ("parse", "entry"),
    [(parse_ima_log, ima_entry(b"", b"")), (parse_ima_text, b"10 00 ima-ng sha256:00 \n")],
)
def test_a_log_without_end_is_refused(parse, entry):
    assert len(parse(entry * ima.MAX_ENTRIES)) == ima.MAX_ENTRIES
    refused(entry * (ima.MAX_ENTRIES + 1), "oversize", parse=parse)
    refused(bytes(ima.MAX_LOG_BYTES + 1), "oversize", parse=parse)
