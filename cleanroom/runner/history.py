# SPDX-License-Identifier: Apache-2.0
"""The disclosure history of every lineage a run touches, opened inside the runner.

An entry is sealed under shares of all owners whose data it came from, so no party
can read it alone. Every entry of every lineage is opened before the gate decides:
an entry that cannot be opened could hold the very release that forbids this one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cleanroom.contract.state_chain import next_head, owner_set_id, owners_of
from cleanroom.contract.statement_shapes import StateEntry, StateStep
from cleanroom.errors import IntegrityError, KeyRefusedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.padding import pad, unpad
from cleanroom.kernel.record import dataclass
from cleanroom.runner.brokers import Broker
from cleanroom.runner.grants import KeyGrant
from cleanroom.runner.past_release import PastRelease, decode_release, encode_release

_LABEL = b"cleanroom.state-entry.v0\0"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_WHAT = "disclosure state"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One opened entry, and where it stands.

    Attributes:
        release: What it says.
        owners: The owners whose shares sealed it.
        lineages: The lineages, of those that the run touches, whose history holds it.
    """

    release: PastRelease = field(repr=False)
    owners: tuple[str, ...]
    lineages: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was ever released from the lineages of a run, in this or any other contract.

    Attributes:
        entries: Earlier releases, each once, however many lineages it touched.
        heads: Head of every lineage before this run.
        owners: The owners whose shares seal the entry of this run.
        key: State key of exactly these owners.
    """

    entries: tuple[Entry, ...] = field(repr=False)
    heads: Mapping[str, Digest]
    owners: tuple[str, ...]
    key: bytes = field(repr=False)

    @property
    def releases(self) -> tuple[PastRelease, ...]:
        """Everything that was released or prepared, for the gate to compare with."""
        return tuple(entry.release for entry in self.entries)

    def answered(self, request: Digest) -> PastRelease | None:
        """Return the stored release of an identical request, if there was one.

        Only an entry that all owners of this run sealed together counts, for one
        owner alone could write any answer into its own history (T-14). And it must
        stand in the history of every lineage: one that a single broker committed
        was never compared with what the others released since (T-19).
        """
        for entry in self.entries:
            whole = entry.owners == self.owners and entry.lineages == frozenset(self.heads)
            if whole and entry.release.request == request:
                return entry.release
        return None

    def steps(self, entry: Digest | None) -> tuple[StateStep, ...]:
        """Return the step of every lineage: on by one entry, or none at all."""
        return tuple(
            StateStep(
                lineage=lineage,
                previous=head,
                next=head if entry is None else next_head(head, entry),
            )
            for lineage, head in sorted(self.heads.items())
        )

    def seal(self, release: PastRelease, *, entropy: Callable[[int], bytes] = os.urandom) -> bytes:
        """Seal the entry that this run adds; its size tells a power of two only."""
        nonce = entropy(_NONCE_BYTES)
        return nonce + AESGCM(self.key).encrypt(
            nonce, pad(encode_release(release)), _bound_to(self.owners)
        )


def open_history(grants: Mapping[str, KeyGrant], *, brokers: Mapping[str, Broker]) -> History:
    """Fetch and open every entry of every lineage that the run touches.

    The heads were verified with the releases: they commit to each entry's digest.

    Raises:
        KeyRefusedError: An entry needs the share of an owner who takes no part.
        IntegrityError: An entry is not the one its digest names, or does not open.
    """
    datasets = [dataset for grant in grants.values() for dataset in grant.release.datasets]
    standing: dict[Digest, set[str]] = {}
    opened: dict[Digest, tuple[PastRelease, tuple[str, ...]]] = {}
    for dataset in datasets:
        for entry in dataset.entries:
            standing.setdefault(entry.digest, set()).add(dataset.lineage)
        # What another lineage holds as well was fetched with it.
        new = {entry.digest: entry for entry in dataset.entries if entry.digest not in opened}
        owner = dataset.lineage.partition(".")[0]
        fetched = brokers[owner].entries(tuple(new)) if new else ()
        for entry, sealed in zip(new.values(), fetched, strict=True):
            opened[entry.digest] = (_open(sealed, entry=entry, grants=grants), entry.owners)
    owners = owners_of(dataset.lineage for dataset in datasets)
    return History(
        entries=tuple(
            Entry(release=release, owners=sealed_by, lineages=frozenset(standing[digest]))
            for digest, (release, sealed_by) in opened.items()
        ),
        heads={dataset.lineage: dataset.head for dataset in datasets},
        owners=owners,
        key=_state_key(owners, grants),
    )


def _open(sealed: bytes, *, entry: StateEntry, grants: Mapping[str, KeyGrant]) -> PastRelease:
    entry.digest.require(Digest.of(sealed), what=_WHAT)
    key = _state_key(entry.owners, grants)
    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        padded = AESGCM(key).decrypt(nonce, ciphertext, _bound_to(entry.owners))
    except (InvalidTag, ValueError):
        raise IntegrityError(
            f"{_WHAT}: an entry does not open under its owners' shares",
            code="state.integrity",
            hint="one owner's broker was restored with another state secret",
        ) from None
    return decode_release(unpad(padded, what=_WHAT))


def _state_key(owners: tuple[str, ...], grants: Mapping[str, KeyGrant]) -> bytes:
    name = owner_set_id(owners)
    shares: list[bytes] = []
    for owner in owners:
        share = grants[owner].shares.get(name) if owner in grants else None
        if share is None:
            raise KeyRefusedError(
                f"{_WHAT}: the share of {owner} for {name} is missing",
                code="state.share-missing",
                hint=f"data released together with {owner} needs {owner} in the contract",
            )
        shares.append(share)
    derived = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_bound_to(owners))
    # Every share has 32 bytes and the owners are sorted, so the parts cannot run together.
    return derived.derive(b"".join(shares))


def _bound_to(owners: tuple[str, ...]) -> bytes:
    return _LABEL + owner_set_id(owners).encode()
