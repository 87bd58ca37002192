# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import os

import pytest

from cleanroom.contract import places
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.revocation import RevocationKind
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.errors import IntegrityError, MalformedError, UnavailableError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_CODE_BYTES, MAX_REVOCATIONS
from tests.support.keys import throwaway_party
from tests.support.room_documents import QUERY, RUN, build_room, with_file

ROOM = build_room()


def tree(path) -> dict[str, bytes]:
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def test_a_written_room_reads_as_the_same_bundle(tmp_path):
    withdrawn = ROOM.revocation("hospital", kind=RevocationKind.QUERY, subject=ROOM.query_digest)
    bundle = with_file(ROOM.bundle, "revocations", withdrawn, name="0")
    room = dataclasses.replace(ROOM, bundle=bundle).write(tmp_path / "room")
    assert room.load_run_bundle(RUN) == bundle
    assert room.load_contract_bundle() == bundle.agreement


def test_publishing_the_same_room_again_changes_nothing(tmp_path):
    ROOM.write(tmp_path / "room")
    before = tree(tmp_path)
    ROOM.write(tmp_path / "room")
    assert tree(tmp_path) == before


def test_documents_lie_where_the_layout_says(tmp_path):
    ROOM.write(tmp_path / "room")
    names = tree(tmp_path / "room").keys()
    assert {
        "contract.toml",
        "contract.toml.sig/hospital.sig",
        "contract.toml.sig/insurer.sig",
        "parties/hospital.toml",
        "parties/hospital.toml.sig/hospital.sig",
        "datasets/hospital.patients/policy.toml",
        "datasets/hospital.patients/dataset.toml.sig/hospital.sig",
        f"queries/{QUERY}/query.toml",
        f"queries/{QUERY}/query.sql",
        f"queries/{QUERY}/approvals/insurer.toml.sig/insurer.sig",
        f"runs/{RUN}/run.toml",
        f"runs/{RUN}/run.toml.sig/insurer.sig",
    } <= names


def test_a_dataset_that_is_not_sealed_yet_is_left_out(tmp_path):
    room = ROOM.write(tmp_path / "room")
    (tmp_path / "room" / places.dataset_file("insurer.claims")).unlink()
    assert "insurer.claims" not in room.load_contract_bundle().datasets


def test_a_pinned_version_is_found_after_a_newer_one_was_published(tmp_path):
    lineage = "hospital.patients"
    old = ROOM.bundle.agreement.datasets[lineage]
    pinned = tuple(
        dataclasses.replace(dataset, version=Digest.of(old.data))
        if dataset.lineage == lineage
        else dataset
        for dataset in ROOM.contract_terms.datasets
    )
    room = build_room(contract={"datasets": pinned}).write(tmp_path / "room")
    newer = build_room(datasets={lineage: {"version": 2, "parts": two_parts()}})
    file = newer.bundle.agreement.datasets[lineage]
    room.publish(places.dataset_file(lineage), file.data, file.signatures)
    assert room.load(places.dataset_file(lineage)) == file
    assert room.load_contract_bundle().datasets[lineage] == old


def two_parts():
    part = ROOM.dataset_terms["hospital.patients"].parts[0]
    return tuple(dataclasses.replace(part, file=f"parts/2-0000{index}.part") for index in range(2))


def test_replaced_bytes_and_their_signatures_are_archived(tmp_path):
    room = ROOM.write(tmp_path / "room")
    old = ROOM.bundle.agreement.contract
    new = build_room(contract={"max_runs": 7}).bundle.agreement.contract
    room.publish(places.CONTRACT, new.data, {"hospital": new.signatures["hospital"]})
    assert room.load(places.CONTRACT).signatures.keys() == {"hospital"}
    assert room.find(places.CONTRACT, Digest.of(old.data)) == old
    archived = tree(tmp_path / "room" / "archive")
    before, now = Digest.of(old.data).hex, Digest.of(new.data).hex
    assert archived.keys() == {
        *(before, f"{before}.sig/hospital.sig", f"{before}.sig/insurer.sig"),
        *(now, f"{now}.sig/hospital.sig"),
    }


class Killed(BaseException):
    """Stands for a kill between two changes of the directory."""


@pytest.fixture
def killed_after(monkeypatch):
    """Let a number of renames and removals happen, and none after them."""

    def arrange(changes):
        left = iter(range(changes))

        def counted(change):
            def act(*arguments, **options):
                if next(left, None) is None:
                    raise Killed
                return change(*arguments, **options)

            return act

        monkeypatch.setattr(os, "replace", counted(REPLACE))
        monkeypatch.setattr(os, "unlink", counted(UNLINK))

    return arrange


REPLACE, UNLINK = os.replace, os.unlink


@pytest.mark.parametrize("changes", range(11))
def test_a_kill_while_a_signed_document_is_replaced_leaves_one_of_both_with_its_signatures(
    tmp_path, killed_after, monkeypatch, changes
):
    room = ROOM.write(tmp_path / "room")
    old = ROOM.bundle.agreement.contract
    new = build_room(contract={"max_runs": 7}).bundle.agreement.contract
    killed_after(changes)
    # Three files of each go to the archive, two signatures go, and three files come.
    with pytest.raises(Killed):
        room.publish(places.CONTRACT, new.data, new.signatures)
    monkeypatch.undo()
    assert room.load(places.CONTRACT) in (old, new)
    assert room.load_contract_bundle().contract in (old, new)
    room.publish(places.CONTRACT, new.data, new.signatures)
    assert room.load(places.CONTRACT) == new


@pytest.mark.parametrize("changes", range(2))
def test_a_kill_while_a_first_document_is_published_shows_none_without_signature(
    tmp_path, killed_after, monkeypatch, changes
):
    (tmp_path / "room").mkdir()
    room = RoomDirectory(path=tmp_path / "room")
    file = ROOM.bundle.agreement.contract
    killed_after(changes)
    with pytest.raises(Killed):
        room.publish(places.CONTRACT, file.data, file.signatures)
    monkeypatch.undo()
    with pytest.raises(UnavailableError):
        room.load(places.CONTRACT)
    room.publish(places.CONTRACT, file.data, file.signatures)
    assert room.load(places.CONTRACT) == file


def test_signatures_of_the_same_bytes_add_up(tmp_path):
    (tmp_path / "room").mkdir()
    room = RoomDirectory(path=tmp_path / "room")
    file = ROOM.bundle.agreement.contract
    for name, armored in file.signatures.items():
        room.publish(places.CONTRACT, file.data, {name: armored})
    assert room.load(places.CONTRACT) == file


def test_stale_signatures_never_stand_beside_new_bytes(tmp_path):
    room = ROOM.write(tmp_path / "room")
    (tmp_path / "room" / places.CONTRACT).unlink()
    room.publish(places.CONTRACT, b"new", {})
    assert room.load(places.CONTRACT) == SignedFile(data=b"new", signatures={})


def test_signatures_lost_in_a_crash_are_found_in_the_archive(tmp_path):
    room = ROOM.write(tmp_path / "room")
    file = ROOM.bundle.agreement.contract
    room.publish(places.CONTRACT, b"new", {})
    # The crash: old bytes back in place, without the signatures that were removed.
    (tmp_path / "room" / places.CONTRACT).write_bytes(file.data)
    assert room.find(places.CONTRACT, Digest.of(file.data)) == file


def test_bytes_that_nobody_named_are_refused_by_name(tmp_path):
    room = ROOM.write(tmp_path / "room")
    with pytest.raises(IntegrityError) as refused:
        room.find(places.CONTRACT, Digest.of(b"another"))
    assert refused.value.message.startswith(f"contract.toml: found {ROOM.contract_digest}, agreed")
    with pytest.raises(IntegrityError, match="^parties/nobody.toml: found none, agreed sha256:"):
        room.find(places.party_file("nobody"), Digest.of(b"another"))


def test_signatures_beside_archived_bytes_that_were_changed_do_not_count(tmp_path):
    room = ROOM.write(tmp_path / "room")
    file = ROOM.bundle.agreement.contract
    room.publish(places.CONTRACT, b"new", {})
    (tmp_path / "room" / places.CONTRACT).write_bytes(file.data)
    (tmp_path / "room" / places.archive_file(Digest.of(file.data))).write_bytes(b"other")
    assert room.load(places.CONTRACT) == SignedFile(data=file.data, signatures={})


def test_an_archive_that_was_changed_is_refused(tmp_path):
    room = ROOM.write(tmp_path / "room")
    digest = Digest.of(b"old")
    (tmp_path / "room/archive").mkdir()
    (tmp_path / "room" / places.archive_file(digest)).write_bytes(b"forged")
    with pytest.raises(IntegrityError):
        room.find(places.CONTRACT, digest)


@pytest.mark.parametrize("place", ["contract.toml", f"runs/{RUN}/run.toml"])
def test_a_document_that_is_not_there_is_named(tmp_path, place):
    room = ROOM.write(tmp_path / "room")
    (tmp_path / "room" / place).unlink()
    with pytest.raises(UnavailableError, match=f"^{place}: found no such document"):
        room.load(place)


def test_a_contract_that_is_not_there_has_no_bundle(tmp_path):
    room = ROOM.write(tmp_path / "room")
    (tmp_path / "room/contract.toml").unlink()
    with pytest.raises(UnavailableError, match="^contract.toml: found no such document"):
        room.load_contract_bundle()


def test_a_run_is_found_although_its_query_and_contract_were_replaced(tmp_path):
    room = ROOM.write(tmp_path / "room")
    newer = build_room(
        contract={"predecessor": ROOM.contract_digest}, code=b"SELECT 1", run={"run": "second-run"}
    )
    newer.write(tmp_path / "room")
    loaded = room.load_run_bundle(RUN)
    assert loaded.query == ROOM.bundle.query
    assert loaded.code == ROOM.bundle.code
    assert loaded.agreement.contract == ROOM.bundle.agreement.contract
    assert room.load_run_bundle("second-run") == newer.bundle


def test_a_run_request_under_another_run_is_refused(tmp_path):
    room = ROOM.write(tmp_path / "room")
    room.publish(places.run_file("another-run"), ROOM.bundle.run.data, {})
    with pytest.raises(IntegrityError, match="^runs/another-run/run.toml: run: found"):
        room.load_run_bundle("another-run")


def test_documents_of_strangers_are_left_out(tmp_path):
    room = ROOM.write(tmp_path / "room")
    other = dataclasses.replace(
        ROOM, parties={**ROOM.parties, "mallory": throwaway_party("mallory")}
    )
    file = other.revocation("mallory", kind=RevocationKind.QUERY, subject=ROOM.query_digest)
    room.publish(
        places.revocation_file("mallory", Digest.of(file.data)), file.data, file.signatures
    )
    room.publish(places.approval_file(QUERY, "mallory"), b"no approval", {})
    (tmp_path / "room/revocations/notes.txt").write_bytes(b"")
    (tmp_path / "room/contract.toml.sig/notes.txt").write_bytes(b"")
    assert room.load_run_bundle(RUN) == ROOM.bundle


def test_code_over_its_limit_is_refused(tmp_path):
    room = build_room(code=b" " * (MAX_CODE_BYTES + 1)).write(tmp_path / "room")
    with pytest.raises(MalformedError) as refused:
        room.load_run_bundle(RUN)
    assert refused.value.code == "format.oversize"


def test_more_revocations_than_a_bundle_holds_are_refused(tmp_path):
    room = ROOM.write(tmp_path / "room")
    directory = tmp_path / "room/revocations"
    directory.mkdir()
    for number in range(MAX_REVOCATIONS + 1):
        (directory / f"hospital-{number:012x}.toml").write_bytes(b"")
    with pytest.raises(MalformedError) as refused:
        room.load_run_bundle(RUN)
    assert refused.value.code == "room.revocations"


def test_a_linked_signature_is_refused(tmp_path):
    room = ROOM.write(tmp_path / "room")
    signature = tmp_path / "room/contract.toml.sig/hospital.sig"
    signature.unlink()
    signature.symlink_to("nowhere")
    with pytest.raises(MalformedError) as refused:
        room.load(places.CONTRACT)
    assert refused.value.code == "room.link"


@pytest.mark.parametrize(
    "place",
    [
        places.party_file,
        places.query_file,
        lambda name: places.approval_file(QUERY, name),
        lambda name: places.signature_file("contract.toml", name),
        places.log_directory,
        places.policy_file,
        lambda name: places.code_file(QUERY, name),
        places.run_directory,
        lambda name: places.revocation_file(name, Digest.of(b"")),
    ],
)
@pytest.mark.parametrize("name", ["..", "../x", "/etc", "a/b", "", "A", "a\n"])
def test_no_name_becomes_a_path(place, name):
    with pytest.raises(MalformedError):
        place(name)


def test_the_other_places_of_a_run():
    assert places.receipt_file(RUN) == f"runs/{RUN}/receipt.json"
    assert places.result_file(RUN) == f"runs/{RUN}/result.sealed"
    assert places.log_directory("hospital") == "log/hospital"
