# SPDX-License-Identifier: Apache-2.0
"""Datasets of the acting party: opened, looked at, deleted. Only an owner can."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cleanroom.contract import places
from cleanroom.contract.dataset import Dataset, Part, parse_dataset
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.room_files import list_below, remove_below
from cleanroom.envelope.signed_file import verify_file
from cleanroom.errors import IdentityUnprovenError, RefusedError
from cleanroom.identity.pins import load_pins
from cleanroom.identity.profile import Profile, UnlockedSeeds
from cleanroom.kernel.digest import Digest
from cleanroom.vault.data_key import delete_data_key, list_versions, open_data_key
from cleanroom.vault.open import close_parts, open_dataset, open_parts, verify_parts
from cleanroom.vault.stream import open_part

# As sealing names them: version and number.
_PART = re.compile(r"[0-9]+-[0-9]+\.part")


def read_dataset(profile: Profile, room: Path, lineage: str) -> Dataset:
    """Read the room's document of a dataset and verify its owner's signature.

    Raises:
        UnavailableError: There is none.
        IdentityUnprovenError: Its owner is not pinned.
        IntegrityError: The signature does not hold.
    """
    place = places.dataset_file(lineage)
    file = RoomDirectory(path=room).load(place)
    dataset = parse_dataset(file.data, what=place)
    owner = load_pins(profile.pins_directory).documents.get(dataset.owner)
    if owner is None:
        raise IdentityUnprovenError(
            f"{place}: its owner {dataset.owner} is not pinned",
            code="identity.unproven",
            hint="compare fingerprints, then: "
            f"cleanroom party trust ROOM/parties/{dataset.owner}.toml",
        )
    verify_file(file, kind="dataset", signer=owner, what=place)
    return dataset


def check_policy(profile: Profile, dataset: Dataset, room: Path) -> None:
    """Verify that the policy beside a dataset is the one it was sealed under, signed by its owner.

    Raises:
        IntegrityError: It is another one, or the signature does not hold.
        MalformedError: Its signature is not one.
    """
    place = places.policy_file(dataset.lineage)
    file = RoomDirectory(path=room).find(place, dataset.policy)
    owner = load_pins(profile.pins_directory).documents[dataset.owner]
    verify_file(file, kind="policy", signer=owner, what=place)


def check_parts(dataset: Dataset, room: Path) -> None:
    """Compare every part's bytes with the digests that the owner signed; needs no key.

    Raises:
        UnavailableError: A part is missing.
        MalformedError: Something else than a file lies in a part's place.
        IntegrityError: A part has other bytes.
    """
    directory = room / places.dataset_directory(dataset.lineage)
    for part in dataset.parts:
        part.digest.require(_digest(directory, part), what=part.file)


def _digest(directory: Path, part: Part) -> Digest:
    with os.fdopen(open_part(directory / part.file, what=part.file), "rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").digest())


def describe(dataset: Dataset) -> dict[str, Any]:
    """Describe a dataset: everything that its document says, which is no value."""
    return {
        "dataset": dataset.lineage,
        "owner": dataset.owner,
        "version": dataset.version,
        "digest": str(dataset.digest),
        "policy": str(dataset.policy),
        "schema": str(dataset.schema),
        "columns": [{"name": name, "type": kind} for name, kind in dataset.columns],
        "normalisation": dict(dataset.normalisation),
        "parts": [{"file": part.file, "digest": str(part.digest)} for part in dataset.parts],
    }


def render(description: Mapping[str, Any]) -> str:
    """Write a description for people, one fact a line."""
    facts = {name: value for name, value in description.items() if isinstance(value, str | int)}
    lines = [f"{name} {value}" for name, value in facts.items()]
    lines += [f"column {column['name']} {column['type']}" for column in description["columns"]]
    lines += [f"normalised {name} {rule}" for name, rule in description["normalisation"].items()]
    lines += [f"part {part['file']} {part['digest']}" for part in description["parts"]]
    return "\n".join(lines)


def open_plain(
    profile: Profile, seeds: UnlockedSeeds, dataset: Dataset, *, room: Path, destination: Path
) -> None:
    """Write a dataset back as the plain Parquet that its owner sealed.

    Raises:
        RefusedError: It is another party's.
        UnavailableError: This profile does not hold the key, or the disk refuses.
        IntegrityError: A part is not what the owner signed.
    """
    _require_own(dataset, profile)
    key = open_data_key(
        profile.broker_home,
        lineage=dataset.lineage,
        version=dataset.version,
        receiving=seeds.receiving,
    )
    directory = room / places.dataset_directory(dataset.lineage)
    readers = open_parts(dataset, directory=directory, key=key.secret)
    with contextlib.ExitStack() as stack:
        stack.callback(close_parts, readers)
        verify_parts(dataset, readers)
        open_dataset(readers, destination=destination)


def delete(profile: Profile, dataset: Dataset, *, room: Path) -> tuple[int, ...]:
    """Delete every key of a dataset, then all versions' parts; nobody can open a copy any more.

    The keys go first. Parts may lie in backups and at other parties; without a key
    they are noise wherever they are. Documents stay, because receipts refer to them.

    Raises:
        RefusedError: It is another party's.
        UnavailableError: There is no key, or the disk refuses.
    """
    _require_own(dataset, profile)
    versions = list_versions(profile.broker_home, dataset.lineage)
    for version in versions:
        delete_data_key(profile.broker_home, lineage=dataset.lineage, version=version)
    _delete_parts(room, f"{places.dataset_directory(dataset.lineage)}/parts")
    return versions


def _require_own(dataset: Dataset, profile: Profile) -> None:
    if dataset.owner != profile.name:
        raise RefusedError(
            f"{dataset.lineage}: its owner is {dataset.owner}, found {profile.name}",
            code="data.owner",
            hint="only the owner holds its keys, and can open or delete it",
        )


def _delete_parts(room: Path, directory: str) -> None:
    # Of every version: the documents of older ones are in the archive.
    for name in list_below(room, directory):
        if _PART.fullmatch(name):
            remove_below(room, f"{directory}/{name}")
