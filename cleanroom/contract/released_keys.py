# SPDX-License-Identifier: Apache-2.0
"""The sealed part of a key release: data keys and state shares for one runner.

It is sealed to the key inside the attested ``runtime_data`` and bound to every
other field of the release, so it opens for that runner and as part of that
statement only: a relayed, cut or re-addressed release is an integrity error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cleanroom.contract.statement_shapes import KeyRelease
from cleanroom.identity.receiving import ReceivingKey


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedKeys:
    """What one broker hands to one runner.

    Attributes:
        keys: Lineage to its 32-byte data key.
        shares: Owner set (``state_chain.owner_set_id``) to this broker's 32-byte share.
    """

    keys: Mapping[str, bytes] = field(repr=False)
    shares: Mapping[str, bytes] = field(repr=False)


def seal_keys(keys: ReleasedKeys, *, release: KeyRelease, hpke_key: bytes) -> KeyRelease:
    """Return the release with the keys sealed to the runner under all its other fields."""
    raise NotImplementedError(keys, release, hpke_key)


def open_keys(release: KeyRelease, *, receiving: ReceivingKey) -> ReleasedKeys:
    """Open a verified release inside the runner that it names."""
    raise NotImplementedError(release, receiving)
