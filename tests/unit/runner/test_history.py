# SPDX-License-Identifier: Apache-2.0
"""The disclosure state: opened whole, by all owners together, or not at all."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from cleanroom.contract.state_chain import derive_head, genesis_head, next_head, owner_set_id
from cleanroom.contract.statement_shapes import DatasetRelease, StateEntry
from cleanroom.errors import IntegrityError, KeyRefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.runner.history import open_history
from cleanroom.runner.past_release import PastRelease

BOTH = ("hospital", "insurer")
STAYS, MEMBERS = "hospital.stays", "insurer.members"
RELEASE = PastRelease(
    run="run-00000001", request=Digest.of(b"request"), result=b"{}", checks=b"[]", tables=()
)


class Entries:
    """A broker that keeps sealed entries, and may give out others."""

    def __init__(self, *sealed):
        self.kept = {Digest.of(entry): entry for entry in sealed}
        self.asked = []

    def entries(self, digests):
        self.asked.append(digests)
        return tuple(self.kept[digest] for digest in digests)


def grant(lineage, *entries, owners_of_entries=BOTH, sets=(BOTH, ("hospital",), ("insurer",))):
    """A grant of the lineage's owner, with its share for each set of owners."""
    owner = lineage.partition(".")[0]
    digests = [Digest.of(entry) for entry in entries]
    dataset = DatasetRelease(
        lineage=lineage,
        version=Digest.of(b"version"),
        number=1,
        key_id="00" * 16,
        head=derive_head(lineage, digests),
        entries=tuple(StateEntry(digest=one, owners=owners_of_entries) for one in digests),
    )
    shares = {
        owner_set_id(owners): Digest.of(f"{owner} of {owners}".encode()).raw
        for owners in sets
        if owner in owners
    }
    return SimpleNamespace(release=SimpleNamespace(datasets=(dataset,)), shares=shares)


def opened(*entries, **changes):
    grants = {
        "hospital": grant(STAYS, *entries, **changes),
        "insurer": grant(MEMBERS, *entries, **changes),
    }
    return open_history(grants, brokers={name: Entries(*entries) for name in BOTH})


def sealed_entry():
    return opened().seal(RELEASE)


def test_a_lineage_without_history_starts_at_its_genesis():
    history = opened()
    assert history.releases == ()
    assert history.owners == BOTH
    assert history.heads == {STAYS: genesis_head(STAYS), MEMBERS: genesis_head(MEMBERS)}


def test_what_one_run_seals_the_next_one_opens():
    history = opened(sealed_entry())
    assert history.releases == (RELEASE,)
    assert history.answered(RELEASE.request) == RELEASE
    assert history.answered(Digest.of(b"another request")) is None


def test_an_entry_of_two_lineages_is_opened_once():
    entry = sealed_entry()
    grants = {"hospital": grant(STAYS, entry), "insurer": grant(MEMBERS, entry)}
    brokers = {name: Entries(entry) for name in BOTH}
    history = open_history(grants, brokers=brokers)
    assert len(history.releases) == 1
    assert [broker.asked for broker in brokers.values()] == [[(Digest.of(entry),)], []]


def test_a_history_is_asked_for_in_one_request_however_long_it_is():
    entries = [opened().seal(replace(RELEASE, run=f"run-{number:08}")) for number in range(5)]
    grants = {"hospital": grant(STAYS, *entries), "insurer": grant(MEMBERS, entries[3])}
    brokers = {name: Entries(*entries) for name in BOTH}
    history = open_history(grants, brokers=brokers)
    assert [past.run for past in history.releases] == [f"run-{number:08}" for number in range(5)]
    assert brokers["hospital"].asked == [tuple(Digest.of(entry) for entry in entries)]
    assert brokers["insurer"].asked == []


def test_two_entries_in_each_other_s_place_are_refused():
    entries = [opened().seal(replace(RELEASE, run=f"run-{number:08}")) for number in range(2)]
    broker = Entries(*entries)
    broker.kept = dict(zip(broker.kept, reversed(entries), strict=True))
    grants = {"hospital": grant(STAYS, *entries), "insurer": grant(MEMBERS)}
    with pytest.raises(IntegrityError, match="^disclosure state: found"):
        open_history(grants, brokers=dict.fromkeys(BOTH, broker))


def test_a_new_entry_moves_every_head_and_a_stored_answer_none():
    history, entry = opened(), Digest.of(b"entry")
    moved = {step.lineage: step.next for step in history.steps(entry)}
    assert moved == {name: next_head(head, entry) for name, head in history.heads.items()}
    assert all(step.next == step.previous for step in history.steps(None))


def test_the_size_of_an_entry_tells_a_power_of_two_only():
    small = opened().seal(RELEASE)
    larger = opened().seal(replace(RELEASE, result=b"x" * 100))
    assert len(small) == len(larger)


def test_another_entry_than_the_head_commits_to_is_refused():
    entry = sealed_entry()
    broker = Entries(entry)
    broker.kept[Digest.of(entry)] = entry[:-1] + b"\0"
    grants = {"hospital": grant(STAYS, entry), "insurer": grant(MEMBERS)}
    with pytest.raises(IntegrityError, match="^disclosure state: found"):
        open_history(grants, brokers=dict.fromkeys(BOTH, broker))


def test_an_entry_under_other_shares_is_refused():
    foreign = sealed_entry()
    with pytest.raises(IntegrityError) as refused:
        opened(foreign, owners_of_entries=("hospital",))
    assert refused.value.code == "state.integrity"


def test_a_truncated_entry_is_refused():
    with pytest.raises(IntegrityError, match="does not open"):
        opened(sealed_entry()[:20])


@pytest.mark.parametrize(
    "owners", [("bank", "hospital"), ("bank",)], ids=["one share missing", "all missing"]
)
def test_history_shared_with_an_owner_who_takes_no_part_is_refused(owners):
    with pytest.raises(KeyRefusedError, match="the share of bank") as refused:
        opened(sealed_entry(), owners_of_entries=owners)
    assert refused.value.code == "state.share-missing"


def test_a_broker_that_keeps_its_share_back_stops_the_run():
    with pytest.raises(KeyRefusedError, match="the share of hospital"):
        opened(sets=(("insurer",),))
