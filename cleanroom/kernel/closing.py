# SPDX-License-Identifier: Apache-2.0
"""What is open until it is closed: by hand, or at the end of a ``with`` block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """Something that a ``with`` block closes, however the block ends."""

    @abstractmethod
    def close(self) -> None:
        """Give back what is held."""

    def __enter__(self) -> Self:
        """Return this object."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Close it; what the block raised goes on."""
        del raised
        self.close()
