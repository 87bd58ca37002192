# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import os
import re

import pytest

from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from cleanroom.kernel.clock import format_time, parse_time, system_clock
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import read_limited, write_atomic

ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_digest_is_written_with_its_algorithm():
    assert str(Digest.of(b"abc")) == ABC
    assert Digest.parse(ABC) == Digest.of(b"abc")
    assert Digest.of(b"abc").hex == ABC[7:]


@pytest.mark.parametrize(
    "text", ["", ABC.upper(), ABC[:-1], ABC + "0", ABC[7:], "md5:" + ABC[7:], 5]
)
def test_a_digest_has_one_written_form(text):
    with pytest.raises(MalformedError, match="^subject: "):
        Digest.parse(text, what="subject")


def test_a_digest_of_another_length_is_refused():
    with pytest.raises(MalformedError):
        Digest(b"short")


def test_another_digest_is_refused_with_what_was_found_and_agreed():
    agreed, found = Digest.of(b"a"), Digest.of(b"b")
    agreed.require(agreed, what="query")
    expected = re.escape(f"query: found {found}, agreed {agreed}")
    with pytest.raises(IntegrityError, match=f"^{expected}$"):
        agreed.require(found, what="query")


def test_time_round_trips_in_whole_seconds():
    now = system_clock()
    assert now.microsecond == 0
    assert parse_time(format_time(now)) == now


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31",
        "2026-01-31T00:00:00",
        "2026-01-31T00:00:00+00:00",
        "2026-02-30T00:00:00Z",
        "\u0662\u0660\u0662\u0666-01-31T00:00:00Z",
        "2026-01-31T00:00:00Z\n",
        1,
    ],
)
def test_time_has_one_written_form(text):
    with pytest.raises(MalformedError, match="^expires: "):
        parse_time(text, what="expires")


@pytest.mark.parametrize("year", [1, 999, 2026, 9999])
def test_every_year_that_a_document_may_name_is_written_in_four_digits(year):
    moment = dt.datetime(year, 1, 31, tzinfo=dt.UTC)
    assert format_time(moment) == f"{year:04}-01-31T00:00:00Z"
    assert parse_time(format_time(moment)) == moment


def test_a_naive_time_is_never_written():
    with pytest.raises(MalformedError):
        format_time(dt.datetime(2026, 1, 1))  # noqa: DTZ001 - the naive time is the point


def test_writing_replaces_the_whole_file_and_leaves_no_other(tmp_path):
    target = tmp_path / "deep" / "file"
    write_atomic(target, b"one", mode=0o600)
    write_atomic(target, b"two", mode=0o600)
    assert target.read_bytes() == b"two"
    assert target.stat().st_mode & 0o777 == 0o600
    assert os.listdir(target.parent) == ["file"]  # noqa: PTH208 - hidden names count


def test_a_failed_write_keeps_the_old_file_and_no_temporary_one(tmp_path):
    target = tmp_path / "file"
    target.mkdir()
    with pytest.raises(UnavailableError, match="^file: cannot be written: "):
        write_atomic(target, b"data")
    assert os.listdir(tmp_path) == ["file"]  # noqa: PTH208 - hidden names count


def test_a_place_below_a_file_is_refused_like_a_disk_that_refuses(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="^name: cannot be written: "):
        write_atomic(tmp_path / "file" / "name", b"data")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_device_in_the_place_of_a_file_is_refused_at_once(tmp_path, make):
    """T-18: whoever can write a directory could make every reader of it wait for ever."""
    make(tmp_path / "document")
    with pytest.raises(MalformedError) as refused:
        read_limited(tmp_path / "document", what="document", limit=10)
    assert refused.value.code == "file.kind"


@pytest.mark.parametrize(
    ("name", "error", "code"),
    [
        ("absent", UnavailableError, "file.absent"),
        (".", MalformedError, "file.kind"),
        ("large/below", MalformedError, "file.kind"),
        ("large", MalformedError, "format.oversize"),
        ("a" * 300, UnavailableError, "file.unreadable"),
    ],
)
def test_a_read_that_cannot_be_trusted_is_refused(tmp_path, name, error, code):
    (tmp_path / "large").write_bytes(b"x" * 11)
    with pytest.raises(error) as refused:
        read_limited(tmp_path / name, what="document", limit=10)
    assert refused.value.code == code
