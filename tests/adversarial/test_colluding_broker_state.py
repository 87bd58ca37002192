# SPDX-License-Identifier: Apache-2.0
"""T-14: an owner writes into its own disclosure history what no runner ever sealed."""

from dataclasses import dataclass, field

import pytest

from cleanroom.contract.state_chain import derive_head, owners_of
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.runner.history import Entry, History
from cleanroom.runner.outcome import checks_from_json
from cleanroom.runner.past_release import PastRelease

THREATS = ("T-14", "T-19")
REQUEST = Digest.of(b"the identity of a joint request, computable from public documents")
STAYS, MEMBERS = "hospital.stays", "insurer.members"
HEADS = {name: derive_head(name, ()) for name in (STAYS, MEMBERS)}


@dataclass(frozen=True)
class Written:
    """An entry as some owners wrote it."""

    owners: tuple[str, ...] = ("hospital", "insurer")
    lineages: frozenset[str] = field(default_factory=lambda: frozenset(HEADS))


def history(written):
    release = PastRelease(run="run-0001", request=REQUEST, result=b"{}", checks=b"[]", tables=())
    entry = Entry(release=release, owners=written.owners, lineages=written.lineages)
    return History(entries=(entry,), heads=HEADS, owners=owners_of(HEADS), key=b"k" * 32)


def test_an_answer_that_all_owners_sealed_into_all_histories_is_repeated():
    assert history(Written()).answered(REQUEST) is not None
    assert history(Written()).answered(Digest.of(b"another request")) is None


@pytest.mark.parametrize(
    "written",
    [
        Written(owners=("hospital",)),
        Written(owners=("insurer",)),
        Written(owners=("bank", "hospital", "insurer")),
        Written(lineages=frozenset({STAYS})),
        Written(lineages=frozenset({MEMBERS})),
        Written(owners=("hospital",), lineages=frozenset({STAYS})),
    ],
)
def test_an_entry_of_some_owners_or_in_some_histories_answers_nothing(written):
    found = history(written)
    assert found.answered(REQUEST) is None
    # It still counts as released: nothing may be subtracted from it.
    assert len(found.releases) == 1


@pytest.mark.parametrize("data", [b"{}", b"[1]", b'[{"rule": "threshold"}]', b"[[]]"])
def test_checks_in_an_entry_are_read_strictly(data):
    with pytest.raises(MalformedError, match="^disclosure state"):
        checks_from_json(data)
