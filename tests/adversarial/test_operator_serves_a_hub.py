# SPDX-License-Identifier: Apache-2.0
"""T-01, T-02, T-03, T-06: the operator of a hub alters, swaps, replays, hides and truncates.

The operator can change everything that the hub keeps; the hub itself is the product's and
serves whatever lies there. Both parties work with mirrors of the room.
"""

from __future__ import annotations

import dataclasses

import pytest

from cleanroom.contract import places
from cleanroom.contract.approval import Decision
from cleanroom.contract.dataset import parse_dataset
from cleanroom.contract.layout import RoomDirectory
from cleanroom.errors import CleanroomError, IntegrityError
from cleanroom.hub.wire import OBJECT_BYTES
from cleanroom.kernel.digest import Digest
from tests.support.keys import sign_by, throwaway_party
from tests.support.mirrors import share_room
from tests.support.room_documents import QUERY, build_room
from tests.support.served_hub import content_of, files_of

DOCUMENTS = build_room()
FILES = files_of(DOCUMENTS.files())
APPROVAL = places.approval_file(QUERY, "hospital")
PART = "datasets/hospital.encounters/parts/1-00000.part"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    return share_room(tmp_path_factory.mktemp("shared"), DOCUMENTS)


@pytest.fixture
def bench(tmp_path, shared):
    with shared.copied(tmp_path) as opened:
        yield opened


def kept(bench, party="insurer"):
    """Return everything in a party's mirror."""
    root = bench.mirrors[party].path
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def refuse(bench, code, *, subject="", data=False):
    """Expect that a pull is refused by code and subject, and changes nothing."""
    before = kept(bench)
    with pytest.raises(CleanroomError, match=f"^{subject}") as refused:
        bench.mirrors["insurer"].pull(data=data)
    assert refused.value.code == code
    assert kept(bench) == before
    return refused.value


@pytest.mark.parametrize(
    "place", ["contract.toml", "parties/hospital.toml", "datasets/hospital.encounters/policy.toml"]
)
def test_an_altered_document_names_the_party_whose_signature_failed(bench, place):
    """T-01: one letter of a comment is another document."""
    altered = FILES[place] + b"# \n"
    signatures = {name: data for name, data in FILES.items() if name.startswith(f"{place}.sig/")}
    with bench.operator() as operator:
        operator.show({place: altered, **signatures})
    error = refuse(bench, "signature.mismatch", subject=f"{place}: signature of hospital")
    assert isinstance(error, IntegrityError)


def test_a_document_without_its_signature_is_not_taken(bench):
    """T-01."""
    with bench.operator() as operator:
        operator.show({APPROVAL: FILES[APPROVAL] + b"# \n"})
    refuse(bench, "signature.missing", subject=f"{APPROVAL}: signature of hospital")


def test_a_document_in_the_place_of_another_is_not_taken(bench):
    """T-03, T-17: genuine, signed, and somebody else's."""
    policy = "datasets/hospital.encounters/policy.toml"
    swapped = {policy: FILES["datasets/hospital.encounters/dataset.toml"]}
    signature = "datasets/hospital.encounters/dataset.toml.sig/hospital.sig"
    swapped[f"{policy}.sig/hospital.sig"] = FILES[signature]
    with bench.operator() as operator:
        operator.show(swapped)
    refuse(bench, "signature.namespace", subject=policy)


def test_keys_of_the_operator_s_own_sign_nothing(bench):
    """T-03: a swapped party document, and an approval signed by its keys."""
    forged = throwaway_party("hospital", edition=2)
    approval = sign_by(FILES[APPROVAL] + b"# \n", kind="approval", parties=(forged,))
    with bench.operator() as operator:
        operator.show(files_of({APPROVAL: approval}))
    refuse(bench, "signature.foreign-key", subject=f"{APPROVAL}: signature of hospital")


def test_an_older_approval_does_not_replace_a_rejection(bench):
    """T-02, T-06: brokers were told of the rejection directly; the mirror keeps it too."""
    rejection = DOCUMENTS.approval("hospital", decision=Decision.REJECT, sequence=1_900_000_000)
    owner = bench.mirrors["hospital"]
    RoomDirectory(path=owner.path).publish(APPROVAL, rejection.data, rejection.signatures)
    owner.push()
    insurer = bench.mirrors["insurer"]
    insurer.pull(data=False)
    assert (insurer.path / APPROVAL).read_bytes() == rejection.data
    old = {name: data for name, data in FILES.items() if name.startswith(APPROVAL)}
    with bench.operator() as operator:
        operator.show(old)
    refuse(bench, "mirror.older", subject=APPROVAL)


def test_an_older_dataset_does_not_replace_a_newer_one(bench):
    """T-02."""
    place = "datasets/hospital.encounters/dataset.toml"
    before = parse_dataset(FILES[place])
    newer = (
        FILES[place]
        .replace(
            f"version = {before.version}\n".encode(), f"version = {before.version + 1}\n".encode()
        )
        .replace(f"parts/{before.version}-".encode(), f"parts/{before.version + 1}-".encode())
    )
    signed = sign_by(newer, kind="dataset", parties=(DOCUMENTS.parties["hospital"],))
    owner = bench.mirrors["hospital"]
    RoomDirectory(path=owner.path).publish(place, newer, signed.signatures)
    owner.push()
    bench.mirrors["insurer"].pull(data=False)
    with bench.operator() as operator:
        operator.show({name: data for name, data in FILES.items() if name.startswith(place)})
    refuse(bench, "mirror.older", subject=place)


def test_what_is_hidden_stays_with_whom_has_seen_it(bench):
    """T-06: nothing is removed because a hub shows it no more."""
    before = kept(bench)
    with bench.operator() as operator:
        operator.hide(APPROVAL)
        operator.hide("contract.toml.sig/hospital.sig")
    bench.mirrors["insurer"].pull(data=False, again=True)
    assert kept(bench) == before


def test_another_room_is_found_out(bench, tmp_path):
    """T-01: the hub serves another room of the same parties under this one's name."""
    strangers = {name: throwaway_party(name, edition=3) for name in DOCUMENTS.parties}
    other = files_of(build_room(parties=strangers).files())
    with bench.operator() as operator:
        operator.show(other)
    before = kept(bench)
    with pytest.raises(IntegrityError, match="signature of") as refused:
        bench.mirrors["insurer"].pull(data=False)
    assert refused.value.code == "signature.foreign-key"
    # Party documents come, to be compared; nothing that their keys signed does.
    after = {name: data for name, data in kept(bench).items() if not name.startswith("archive/")}
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {name for name in before if name.startswith("parties/")}


@pytest.mark.parametrize("change", [lambda data: data[:-1], bytes.upper])
def test_an_object_of_other_bytes_is_not_taken(bench, change):
    """T-01: truncated, lengthened, altered."""
    sealed = b"sealed part"
    with bench.operator() as operator:
        operator.show({PART: sealed})
        operator.write_object(Digest.of(sealed), change(sealed))
    refuse(bench, "digest.mismatch", subject="hub object", data=True)


def test_a_part_of_swapped_objects_is_not_taken(bench):
    """T-01: every object is genuine, their order is not."""
    first, second = b"1" * OBJECT_BYTES, b"2" * OBJECT_BYTES
    with bench.operator() as operator:
        operator.show({PART: first + second})
        content = content_of(first + second)
        swapped = dataclasses.replace(content, objects=content.objects[::-1])
        with operator.index.changing() as change:
            change.put(PART, swapped)
    refuse(bench, "digest.mismatch", subject=PART, data=True)


@pytest.mark.parametrize(
    "place",
    ["../outside.toml", "/etc/x", ".hub.json", "contract.toml/../../x", "parties/../x.toml"],
)
def test_a_hub_writes_nowhere_else(bench, tmp_path, place):
    """T-01: places are those of a room, whatever the hub says."""
    with bench.operator() as operator:
        operator.show({place: b"x"})
    refuse(bench, "hub.place")
    assert not (tmp_path / "outside.toml").exists()


def test_an_archive_that_is_not_what_its_name_says_is_not_taken(bench):
    """T-02: superseded documents are found by digest."""
    with bench.operator() as operator:
        operator.show({places.archive_file(Digest.of(b"old")): b"other"})
    refuse(bench, "mirror.archive")


def test_a_signature_without_its_document_is_not_taken(bench):
    """T-01."""
    place = places.signature_file(places.approval_file("another", "hospital"), "hospital")
    with bench.operator() as operator:
        operator.show({place: FILES["contract.toml.sig/hospital.sig"]})
    refuse(bench, "mirror.no-document")


def test_a_signature_by_nobody_who_is_known_is_not_taken(bench):
    """T-03."""
    stranger = throwaway_party("stranger")
    signature = stranger.sign(FILES["contract.toml"], kind="contract")
    with bench.operator() as operator:
        operator.show({"contract.toml.sig/stranger.sig": signature})
    refuse(bench, "mirror.party-unknown", subject="contract.toml: signature of stranger")
