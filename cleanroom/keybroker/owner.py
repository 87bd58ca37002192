# SPDX-License-Identifier: Apache-2.0
"""Whose broker it is: the party, whom it trusts, and secrets that nobody else holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cleanroom.contract.released_keys import SECRET_BYTES
from cleanroom.errors import IntegrityError
from cleanroom.identity.party import PartyDocument
from cleanroom.identity.pins import Pins
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.record import dataclass

_SHARE_LABEL = b"cleanroom.state-share.v0\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOwner:
    """Whose broker it is, whom it trusts, and the secrets it alone holds.

    Attributes:
        party: The owner's own party document.
        pins: Reads the party documents whose fingerprints the owner compared, its own
            included; asked for every request, so that trusting a party needs no restart.
        receiving: Opens the owner's data keys.
        broker_seed: Ed25519 seed of the broker's signing key.
        state_seed: Secret behind the broker's state shares.
    """

    party: PartyDocument
    pins: Callable[[], Pins]
    receiving: ReceivingKey
    broker_seed: bytes = field(repr=False)
    state_seed: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The owner's name in every contract."""
        return self.party.name

    def signing_key(self) -> Ed25519PrivateKey:
        """Return the key that signs the broker's statements and its log.

        Raises:
            IntegrityError: It is not the key that the party document publishes, so
                nobody could verify a word of this broker.
        """
        key = Ed25519PrivateKey.from_private_bytes(self.broker_seed)
        if key.public_key().public_bytes_raw() != self.party.broker_key:
            raise IntegrityError(
                f"broker key: not the one that the party document of {self.name} publishes",
                code="broker.key",
                hint="unlock the profile that this party document belongs to",
            )
        return key

    def state_share(self, owners: Iterable[str]) -> bytes:
        """Derive this broker's share of the key to entries of one set of owners.

        Nobody can open such an entry without a share of every owner in the set,
        and the share of one set tells nothing about that of another (T-14).
        """
        info = _SHARE_LABEL + canonical_json(sorted(owners))
        return HKDF(algorithm=hashes.SHA256(), length=SECRET_BYTES, salt=None, info=info).derive(
            self.state_seed
        )
