# SPDX-License-Identifier: Apache-2.0
import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.contract.released_keys import ReleasedKeys, open_keys, seal_keys
from cleanroom.contract.state_chain import (
    derive_head,
    genesis_head,
    next_head,
    owner_set_id,
    owners_of,
)
from cleanroom.contract.statements import (
    Acknowledgement,
    Commit,
    DatasetRelease,
    KeyRelease,
    ReceiverReleases,
    Refusal,
    StateEntry,
    StateStep,
    Uses,
    log_leaf,
    make_acknowledgement,
    make_commit,
    make_key_release,
    make_refusal,
    verify_acknowledgement,
    verify_commit,
    verify_key_release,
    verify_refusal,
)
from cleanroom.envelope.dsse import sign_statement
from cleanroom.envelope.statement import make_statement, parse_statement
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.digest import Digest
from tests.support.keys import signing_key, throwaway_party

NOW = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.UTC)
KEY = signing_key("broker")
BROKER_KEY = KEY.public_key().public_bytes_raw()
ENTRY = Digest.of(b"entry")
LINEAGE = "hospital.patients"

RELEASE = KeyRelease(
    party="hospital",
    epoch="e1",
    contract=Digest.of(b"contract"),
    query=Digest.of(b"query"),
    run_request=Digest.of(b"run request"),
    run="run-00000001",
    runtime_data=Digest.of(b"runtime data"),
    evidence=Digest.of(b"evidence"),
    nonce=b"n" * 32,
    appraisal={"ear.status": "contraindicated", "iat": 1},
    datasets=(
        DatasetRelease(
            lineage=LINEAGE,
            version=Digest.of(b"dataset"),
            number=2,
            key_id="ab" * 16,
            head=derive_head(LINEAGE, [ENTRY]),
            entries=(StateEntry(digest=ENTRY, owners=("hospital", "insurer")),),
        ),
    ),
    owners=("hospital", "insurer"),
    uses=Uses(used=1, limit=5),
    releases=(ReceiverReleases(lineage=LINEAGE, receiver="*", used=1, limit=9),),
    released_at=NOW,
    expires=NOW + dt.timedelta(minutes=10),
    sealed=b"sealed",
)
REFUSAL = Refusal(
    party="hospital", run="run-00000001", code="broker.nonce-used", message="no", refused_at=NOW
)
COMMIT = Commit(
    party="hospital",
    epoch="e1",
    run="run-00000001",
    runtime_data=Digest.of(b"runtime data"),
    receipt=Digest.of(b"receipt"),
    result=Digest.of(b"result"),
    lineages=(
        StateStep(
            lineage=LINEAGE,
            previous=genesis_head(LINEAGE),
            next=next_head(genesis_head(LINEAGE), ENTRY),
        ),
    ),
    entry=ENTRY,
    committed_at=NOW,
)
ACKNOWLEDGEMENT = Acknowledgement(
    party="hospital",
    epoch="e1",
    kind="revocation",
    document=Digest.of(b"revocation"),
    acknowledged_at=NOW,
)

KINDS = {
    "key release": (RELEASE, make_key_release, verify_key_release),
    "refusal": (REFUSAL, make_refusal, verify_refusal),
    "commit": (COMMIT, make_commit, verify_commit),
    "acknowledgement": (ACKNOWLEDGEMENT, make_acknowledgement, verify_acknowledgement),
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


@EVERY_KIND
def test_a_statement_says_to_its_reader_what_its_maker_said(kind):
    value, make, verify = KINDS[kind]
    envelope = sign_statement(make(value), KEY)
    assert verify(envelope, party="hospital", broker_key=BROKER_KEY) == value


@EVERY_KIND
def test_a_statement_of_another_key_is_refused(kind):
    value, make, verify = KINDS[kind]
    envelope = sign_statement(make(value), signing_key("somebody else"))
    with pytest.raises(IntegrityError):
        verify(envelope, party="hospital", broker_key=BROKER_KEY)


@EVERY_KIND
def test_a_statement_in_another_partys_name_is_refused(kind):
    value, make, verify = KINDS[kind]
    envelope = sign_statement(make(value), KEY)
    with pytest.raises(IntegrityError, match="word of 'hospital'") as refused:
        verify(envelope, party="insurer", broker_key=BROKER_KEY)
    assert refused.value.code == "statement.party"


@EVERY_KIND
@pytest.mark.parametrize("other", KINDS)
def test_a_statement_is_never_read_as_one_of_another_kind(kind, other):
    if kind == other:
        return
    value, make, _ = KINDS[kind]
    envelope = sign_statement(make(value), KEY)
    with pytest.raises(MalformedError):
        KINDS[other][2](envelope, party="hospital", broker_key=BROKER_KEY)


@EVERY_KIND
def test_a_statement_about_another_subject_is_refused(kind):
    value, make, verify = KINDS[kind]
    predicate_type = f"urn:cleanroom:{kind.replace(' ', '-')}:v0"
    said = parse_statement(make(value), predicate_type=predicate_type, what="statement")
    payload = make_statement(
        subjects=dict.fromkeys(said.subjects, Digest.of(b"something else")),
        predicate_type=predicate_type,
        predicate=dict(said.predicate),
    )
    with pytest.raises(IntegrityError) as refused:
        verify(sign_statement(payload, KEY), party="hospital", broker_key=BROKER_KEY)
    assert refused.value.code == "statement.subject"


@EVERY_KIND
@pytest.mark.parametrize("change", ["missing", "unknown", "version"])
def test_a_predicate_with_another_shape_is_refused(kind, change):
    value, make, verify = KINDS[kind]
    predicate_type = f"urn:cleanroom:{kind.replace(' ', '-')}:v0"
    said = parse_statement(make(value), predicate_type=predicate_type, what="statement")
    predicate = dict(said.predicate)
    if change == "missing":
        del predicate["party"]
    elif change == "unknown":
        predicate["more"] = 1
    else:
        predicate["format"] = "cleanroom.other.v9"
    payload = make_statement(
        subjects=said.subjects, predicate_type=predicate_type, predicate=predicate
    )
    with pytest.raises(MalformedError):
        verify(sign_statement(payload, KEY), party="hospital", broker_key=BROKER_KEY)


def test_a_commit_without_an_entry_says_so():
    commit = dataclasses.replace(COMMIT, entry=None)
    envelope = sign_statement(make_commit(commit), KEY)
    assert verify_commit(envelope, party="hospital", broker_key=BROKER_KEY) == commit


@pytest.mark.parametrize(
    "entries",
    [(), RELEASE.datasets[0].entries * 2, (StateEntry(digest=Digest.of(b"x"), owners=()),)],
    ids=["hidden", "doubled", "exchanged"],
)
def test_a_history_that_does_not_lead_to_its_head_is_refused(entries):
    dataset = dataclasses.replace(RELEASE.datasets[0], entries=entries)
    envelope = sign_statement(
        make_key_release(dataclasses.replace(RELEASE, datasets=(dataset,))), KEY
    )
    with pytest.raises(IntegrityError, match=r"head of hospital\.patients"):
        verify_key_release(envelope, party="hospital", broker_key=BROKER_KEY)


def test_a_log_leaf_is_the_digest_of_the_exact_statement_as_a_line():
    assert log_leaf(b"statement") == f"{Digest.of(b'statement')}\n".encode()


@given(st.lists(st.binary(min_size=1, max_size=8), min_size=1, max_size=6, unique=True))
def test_a_head_commits_to_every_entry_and_their_order(entries):
    digests = [Digest.of(entry) for entry in entries]
    head = derive_head(LINEAGE, digests)
    assert derive_head(LINEAGE, digests[:-1]) != head
    assert derive_head("hospital.encounters", digests) != head
    if len(digests) > 1:
        assert derive_head(LINEAGE, digests[::-1]) != head


def test_an_owner_set_has_one_name():
    assert owner_set_id(["insurer", "hospital", "insurer"]) == "hospital+insurer"
    assert owners_of(["insurer.a", "hospital.b", "insurer.c"]) == ("hospital", "insurer")


RECEIVING = throwaway_party("runner").unlocked.receiving
KEYS = ReleasedKeys(keys={LINEAGE: b"k" * 32}, shares={"hospital+insurer": b"s" * 32})


def test_released_keys_open_for_the_runner_they_are_sealed_to():
    release = seal_keys(KEYS, release=RELEASE, hpke_key=RECEIVING.public_bytes)
    assert open_keys(release, receiving=RECEIVING) == KEYS
    assert "kkkk" not in repr(KEYS)


def test_released_keys_open_for_nobody_else():
    release = seal_keys(KEYS, release=RELEASE, hpke_key=RECEIVING.public_bytes)
    with pytest.raises(IntegrityError):
        open_keys(release, receiving=throwaway_party("eve").unlocked.receiving)


@pytest.mark.parametrize(
    "change",
    [
        {"party": "insurer"},
        {"epoch": "e2"},
        {"contract": Digest.of(b"x")},
        {"query": Digest.of(b"x")},
        {"run_request": Digest.of(b"x")},
        {"run": "run-00000002"},
        {"runtime_data": Digest.of(b"x")},
        {"evidence": Digest.of(b"x")},
        {"nonce": b"m" * 32},
        {"appraisal": {}},
        {"datasets": ()},
        {"owners": ("hospital",)},
        {"uses": Uses(used=2, limit=5)},
        {"releases": ()},
        {"released_at": NOW + dt.timedelta(seconds=1)},
        {"expires": NOW + dt.timedelta(days=1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_released_keys_open_as_part_of_their_own_statement_only(change):
    release = seal_keys(KEYS, release=RELEASE, hpke_key=RECEIVING.public_bytes)
    with pytest.raises(IntegrityError):
        open_keys(dataclasses.replace(release, **change), receiving=RECEIVING)


def test_every_field_of_a_release_is_bound_to_its_keys():
    bound = {name for change in _bound_changes() for name in change}
    assert bound | {"sealed"} == {field.name for field in dataclasses.fields(KeyRelease)}


def _bound_changes():
    mark = test_released_keys_open_as_part_of_their_own_statement_only.pytestmark[0]
    return mark.args[1]


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        (ReleasedKeys(keys={}, shares={}), IntegrityError),
        (ReleasedKeys(keys={**KEYS.keys, "a.b": b"k" * 32}, shares={}), IntegrityError),
        (ReleasedKeys(keys={LINEAGE: b"short"}, shares={}), MalformedError),
        (ReleasedKeys(keys=KEYS.keys, shares={"x": b"short"}), MalformedError),
    ],
    ids=["none", "more", "short key", "short share"],
)
def test_keys_other_than_the_release_says_are_refused(keys, error):
    release = seal_keys(keys, release=RELEASE, hpke_key=RECEIVING.public_bytes)
    with pytest.raises(error):
        open_keys(release, receiving=RECEIVING)
