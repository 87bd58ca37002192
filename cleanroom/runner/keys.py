# SPDX-License-Identifier: Apache-2.0
"""The two keys of one run: they live in this process's memory and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.record import dataclass

SEED_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKeys:
    """What a run signs with and what brokers seal its keys to.

    Attributes:
        signing: Ed25519, signs the receipt.
        receiving: X-Wing, opens key releases.
    """

    signing: Ed25519PrivateKey = field(repr=False)
    receiving: ReceivingKey = field(repr=False)

    @property
    def sign_public(self) -> bytes:
        """The raw 32 public bytes that the evidence binds."""
        return self.signing.public_key().public_bytes_raw()


def new_run_keys(*, entropy: Callable[[int], bytes] = os.urandom) -> RunKeys:
    """Draw fresh keys; a run that is started again is another run to every broker."""
    return RunKeys(
        signing=Ed25519PrivateKey.from_private_bytes(entropy(SEED_BYTES)),
        receiving=ReceivingKey.from_seed(entropy(SEED_BYTES)),
    )
