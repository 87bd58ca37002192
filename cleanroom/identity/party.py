# SPDX-License-Identifier: Apache-2.0
"""Party documents: which keys an organisation says are its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.kernel.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyDocument:
    """What one organisation publishes about itself; its digest is its fingerprint."""

    raw: bytes
    digest: Digest
    name: str
    title: str
    signing_keys: tuple[SSHPublicKey, ...]
    receiving_key: bytes
    broker_address: str
    broker_key: bytes


def parse_party(data: bytes, *, what: str = "party document") -> PartyDocument:
    """Read a party document from its exact bytes."""
    raise NotImplementedError(data, what)


def render_party(
    *,
    name: str,
    title: str,
    signing_keys: Sequence[SSHPublicKey],
    receiving_key: bytes,
    broker_address: str,
    broker_key: bytes,
) -> bytes:
    """Write a party document."""
    raise NotImplementedError(name, title, signing_keys, receiving_key, broker_address, broker_key)
