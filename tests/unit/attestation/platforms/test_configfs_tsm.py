# SPDX-License-Identifier: Apache-2.0
import errno

import pytest

from cleanroom.attestation.platforms.configfs_tsm import TsmRequest, missing_tsm, request_report
from cleanroom.errors import MalformedError, UnavailableError
from tests.support.fake_configfs import REPORTS, FakeConfigfs

INBLOB = bytes(range(64))


def ask(files, *, privilege=0, provider="sev_guest", inblob=INBLOB):
    request = TsmRequest(provider=provider, inblob=inblob, privilege=privilege)
    return request_report(files, request, name="ours")


def test_a_request_is_answered_and_leaves_nothing_behind():
    files = FakeConfigfs(auxblob=b"certificates")
    answer = ask(files, privilege=2)
    assert (answer.report, answer.certificates) == (INBLOB + b"\x02", b"certificates")
    assert files.left == {}
    assert missing_tsm(files) == ()


def test_a_driver_without_levels_and_certificates_answers_too():
    files = FakeConfigfs(provider="tdx_guest", auxblob=None)
    answer = ask(files, privilege=None, provider="tdx_guest")
    assert (answer.report, answer.certificates) == (INBLOB + b"\0", b"")


def test_a_disturbed_request_is_made_again_and_then_given_up():
    assert ask(FakeConfigfs(disturbances=2)).report == INBLOB + b"\0"
    with pytest.raises(
        UnavailableError, match="^configfs-tsm: found writes of others .*, agreed ours alone"
    ):
        ask(FakeConfigfs(disturbances=3))


@pytest.mark.parametrize(
    ("files", "arguments", "match"),
    [
        (FakeConfigfs(provider="tdx_guest"), {}, "found provider tdx_guest, agreed sev_guest"),
        (
            FakeConfigfs(floor=2),
            {"privilege": 1},
            "found privilege level 1 asked for, agreed 2 or more",
        ),
        (FakeConfigfs(), {"privilege": 4}, "writing privlevel answered EINVAL"),
        (FakeConfigfs(uncounted=1), {}, "found 3 writes, agreed our 2"),
        (FakeConfigfs(failing={"mkdir": errno.EPERM}), {}, "making a request answered EPERM"),
        (FakeConfigfs(failing={"outblob": errno.EIO}), {}, "reading the report answered EIO"),
        (FakeConfigfs(failing={"provider": 0}), {}, "reading provider answered an error"),
        (FakeConfigfs(failing={"inblob": errno.EBUSY}), {}, "writing inblob answered EBUSY"),
    ],
)
def test_what_stands_in_the_way_is_named(files, arguments, match):
    with pytest.raises(UnavailableError, match=f"^configfs-tsm: {match}"):
        ask(files, **arguments)
    assert files.left == {}


def test_a_request_that_cannot_be_removed_does_not_hide_the_answer():
    assert ask(FakeConfigfs(failing={"rmdir": errno.EBUSY})).report == INBLOB + b"\0"


@pytest.mark.parametrize(
    ("files", "inblob", "match"),
    [
        (FakeConfigfs(), INBLOB[:63], "found 63 bytes to sign against 64"),
        (FakeConfigfs(answer=lambda *_: bytes(70_000)), INBLOB, "an answer over its limit"),
        (FakeConfigfs(auxblob=bytes(70_000)), INBLOB, "an answer over its limit"),
        (FakeConfigfs(floor=1000), INBLOB, "not a number"),
        (FakeConfigfs(floor=-1), INBLOB, "not a number"),
    ],
)
def test_nonsense_is_refused(files, inblob, match):
    with pytest.raises(MalformedError, match=f"^configfs-tsm: {match}"):
        ask(files, inblob=inblob)
    assert files.left == {}


def test_a_machine_without_it_says_what_is_missing():
    (sentence,) = missing_tsm(FakeConfigfs(provider=""))
    assert sentence.startswith(f"/{REPORTS}: not there")
