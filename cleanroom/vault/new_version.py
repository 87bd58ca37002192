# SPDX-License-Identifier: Apache-2.0
"""Make the next version of a dataset in a room: its key, its parts, its signed document.

The order survives a kill at any point. The key is staged before the first part,
the document is published after the last one, and only then does the broker see
the key. Until the document is there, nobody takes the parts for a dataset; until
the key is settled, the broker keeps to the version before.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from cleanroom.contract import places
from cleanroom.contract.dataset import Dataset, DatasetTerms, Part, parse_dataset
from cleanroom.contract.document_render import render_dataset
from cleanroom.contract.layout import RoomDirectory
from cleanroom.contract.policy import Policy, parse_policy
from cleanroom.contract.room_files import make_below, remove_empty_below
from cleanroom.contract.signing import SigningParty, publish_signed
from cleanroom.contract.types import ColumnType
from cleanroom.envelope.signed_file import verify_file
from cleanroom.errors import CleanroomError, RefusedError, UnavailableError
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.record import dataclass
from cleanroom.vault.data_key import (
    DataKey,
    discard_staged_key,
    new_data_key,
    next_version,
    open_staged_key,
    settle_data_key,
    stage_data_key,
)
from cleanroom.vault.plan import DEFAULT_CUT, Cut
from cleanroom.vault.seal import (
    Progress,
    SealedDataset,
    SealingOrder,
    abandon_sealing,
    clear_stray_parts,
    discard_journal,
    is_sealing,
    seal_dataset,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionOwner:
    """Who seals.

    Attributes:
        party: Signs the policy and the dataset document.
        receiving: Opens the data key of an interrupted sealing.
        broker_home: Where the owner's broker finds data keys.
    """

    party: SigningParty
    receiving: ReceivingKey = field(repr=False)
    broker_home: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """How an owner wants rows to lie, and where in a database they are.

    Attributes:
        sort: Columns by whose sealed values the rows are sorted first.
        group_rows: Most rows in a row group.
        table: Table of a database file; empty for the one of the dataset's name.
    """

    sort: tuple[str, ...] = ()
    group_rows: int = DEFAULT_CUT.group_rows
    table: str = ""


AS_IT_IS = Arrangement()


def seal_version(
    source: Path,
    *,
    policy: bytes,
    room: RoomDirectory,
    owner: VersionOwner,
    normalisation: Mapping[str, str],
    types: Mapping[str, str],
    progress: Progress,
    arrangement: Arrangement = AS_IT_IS,
) -> Dataset:
    """Seal a table as the next version of the dataset that the policy names.

    Args:
        source: A file, a folder of Parquet files, or a database.
        policy: Exact bytes of the policy.
        room: Where the version is published.
        owner: Who seals.
        normalisation: Identifier rule by column.
        types: Type by column, where the owner states one; the others are found in the data.
        progress: Told how many rows are sealed.
        arrangement: How rows lie in the parts, and which table of a database they are.

    Raises:
        RefusedError: The policy is another party's, or the table does not fit it.
        MalformedError: Policy or table are not what they should be, or the room holds links.
        UnavailableError: The disk refuses; no version was published.
    """
    terms = _own_policy(policy, owner)
    _require_source(source)
    place = f"datasets/{terms.dataset}"
    try:
        # No link in a room makes parts land, or old ones be removed, elsewhere (T-01).
        destination = make_below(room.path, f"{place}/parts")
        key = _key_of_next_version(terms, owner, destination)
        order = SealingOrder(
            key=key,
            roles={name: column.role for name, column in terms.columns.items()},
            types=types,
            normalisation=normalisation,
            cut=Cut(group_rows=arrangement.group_rows),
            sort=arrangement.sort,
            table=arrangement.table,
        )
        sealed = seal_dataset(source, destination=destination, order=order, progress=progress)
        document = render_dataset(
            _document(sealed, key=key, policy=terms, normalisation=normalisation)
        )
        publish_signed(room, f"{place}/policy.toml", policy, kind="policy", party=owner.party)
        publish_signed(room, f"{place}/dataset.toml", document, kind="dataset", party=owner.party)
        settle_data_key(owner.broker_home, lineage=key.lineage, version=key.version)
        discard_journal(destination, version=key.version)
    finally:
        # Of a refused sealing stays nothing, not even where it would have been.
        remove_empty_below(room.path, place)
    return parse_dataset(document)


def abandon_version(policy: bytes, *, room: RoomDirectory, owner: VersionOwner) -> None:
    """Forget an interrupted sealing of the policy's dataset, so that another source can be sealed.

    A version whose signed document is in the room is finished instead: others may
    hold that document, and a second one of the same number would pass for a forgery.

    Raises:
        RefusedError: The policy is another party's.
        MalformedError: The policy is none.
        UnavailableError: Another process is sealing this version.
    """
    terms = _own_policy(policy, owner)
    destination = room.path / places.dataset_directory(terms.dataset) / "parts"
    version = next_version(owner.broker_home, terms.dataset)
    if not is_sealing(destination, version=version):
        _clear_if_never_published(terms.dataset, version, room=room, owner=owner)
        remove_empty_below(room.path, places.dataset_directory(terms.dataset))
        return
    if _is_published(terms.dataset, version, room=room, owner=owner):
        settle_data_key(owner.broker_home, lineage=terms.dataset, version=version)
        discard_journal(destination, version=version)
        return
    make_below(room.path, f"{places.dataset_directory(terms.dataset)}/parts")
    abandon_sealing(owner.broker_home, destination, lineage=terms.dataset, version=version)
    remove_empty_below(room.path, places.dataset_directory(terms.dataset))


def _is_published(lineage: str, version: int, *, room: RoomDirectory, owner: VersionOwner) -> bool:
    staged = open_staged_key(
        owner.broker_home, lineage=lineage, version=version, receiving=owner.receiving
    )
    dataset = _own_document(lineage, room=room, owner=owner)
    if staged is None or dataset is None:
        return False
    return (dataset.version, dataset.key_id) == (version, staged.key_id.hex())


def _clear_if_never_published(
    lineage: str, version: int, *, room: RoomDirectory, owner: VersionOwner
) -> None:
    """Delete parts of a sealing that was begun here and lost its journal.

    A broker home that was restored counts from an older version; parts that the owner's own
    document in the room may name are then another version's, and stay.
    """
    staged = open_staged_key(
        owner.broker_home, lineage=lineage, version=version, receiving=owner.receiving
    )
    dataset = _own_document(lineage, room=room, owner=owner)
    if staged is not None and (dataset is None or dataset.version < version):
        destination = room.path / places.dataset_directory(lineage) / "parts"
        clear_stray_parts(destination, version=version)


def _own_document(lineage: str, *, room: RoomDirectory, owner: VersionOwner) -> Dataset | None:
    """Read the dataset's document, unless what lies there is not the owner's."""
    place = places.dataset_file(lineage)
    with suppress(CleanroomError):
        file = room.load(place)
        verify_file(file, kind="dataset", signer=owner.party.document, what=place)
        return parse_dataset(file.data)
    return None


def _own_policy(policy: bytes, owner: VersionOwner) -> Policy:
    terms = parse_policy(policy)
    if terms.owner != owner.party.name:
        raise RefusedError(
            f"policy.toml: of {terms.owner}, sealed by {owner.party.name}",
            code="vault.policy-owner",
            hint="seal under a policy whose owner is the acting party",
        )
    return terms


def _require_source(source: Path) -> None:
    # Asked before a key is made, which a missing file would leave behind.
    if not source.exists():
        raise UnavailableError(
            f"{source.name}: no such file", code="file.absent", hint="check the path"
        )


def _key_of_next_version(policy: Policy, owner: VersionOwner, destination: Path) -> DataKey:
    version = next_version(owner.broker_home, policy.dataset)
    staged = open_staged_key(
        owner.broker_home, lineage=policy.dataset, version=version, receiving=owner.receiving
    )
    if staged is not None and is_sealing(destination, version=version):
        return staged
    # Without its journal a sealing cannot be continued, and whoever took the journal may
    # hold a document that was published under this key. Another key makes that one useless:
    # no two documents of one version can both be opened (T-02).
    discard_staged_key(owner.broker_home, lineage=policy.dataset, version=version)
    key = new_data_key(lineage=policy.dataset, version=version)
    stage_data_key(owner.broker_home, key, receiving_key=owner.party.document.receiving_key)
    return key


def _document(
    sealed: SealedDataset, *, key: DataKey, policy: Policy, normalisation: Mapping[str, str]
) -> DatasetTerms:
    return DatasetTerms(
        lineage=key.lineage,
        owner=policy.owner,
        version=key.version,
        policy=policy.digest,
        key_id=key.key_id.hex(),
        columns=tuple((name, ColumnType(kind)) for name, kind in sealed.columns),
        normalisation=normalisation,
        parts=tuple(
            Part(file=part.file, digest=part.digest, size=part.size, file_id=part.file_id.hex())
            for part in sealed.parts
        ),
    )
