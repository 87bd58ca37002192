# SPDX-License-Identifier: Apache-2.0
"""Where each document lies in a room, and how it gets there whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cleanroom.contract.bundle import ContractBundle, RunBundle
from cleanroom.envelope.signed_file import SignedFile
from cleanroom.kernel.digest import Digest


class DocumentSource(Protocol):
    """Something that finds a document by its place and digest."""

    def find(self, relative: str, digest: Digest) -> SignedFile:
        """Return the exact document, with the signatures that are known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomDirectory:
    """A room: a directory that every party can read and write, and nobody trusts."""

    path: Path

    def load_contract_bundle(self) -> ContractBundle:
        """Read the contract and every document that it names."""
        raise NotImplementedError

    def load_run_bundle(self, run: str) -> RunBundle:
        """Read everything about one run."""
        raise NotImplementedError

    def find(self, relative: str, digest: Digest) -> SignedFile:
        """Return the current document if its digest matches, else the archived one."""
        raise NotImplementedError

    def publish(self, relative: str, data: bytes, signatures: Mapping[str, bytes]) -> None:
        """Write a document and its signatures whole, archiving what it replaces."""
        raise NotImplementedError
