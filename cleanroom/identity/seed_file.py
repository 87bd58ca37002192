# SPDX-License-Identifier: Apache-2.0
"""The file that keeps a party's secret seeds under a passphrase."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping


def seal_seeds(
    seeds: Mapping[str, bytes],
    passphrase: bytes,
    *,
    entropy: Callable[[int], bytes] = os.urandom,
) -> bytes:
    """Encrypt the seeds under a passphrase."""
    raise NotImplementedError(seeds, passphrase, entropy)


def open_seeds(data: bytes, passphrase: bytes) -> dict[str, bytes]:
    """Decrypt the seeds."""
    raise NotImplementedError(data, passphrase)
