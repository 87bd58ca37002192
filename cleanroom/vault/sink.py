# SPDX-License-Identifier: Apache-2.0
"""The only place that DuckDB may write to while sealing: straight into a sealed part."""

from __future__ import annotations

from typing import Any

from fsspec.spec import AbstractFileSystem

from cleanroom.vault.stream import PartWriter

SINK_PATH = "sealing://part"


class SealingSink(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A write-only file system with one file, which seals what it is given.

    Attributes:
        failure: The first error of the disk, because DuckDB wraps it in its own words.
    """

    protocol = "sealing"
    cachable = False

    def __init__(self, writer: PartWriter) -> None:
        """Send the one file to this part."""
        super().__init__()
        self._writer: PartWriter | None = writer
        self.failure: OSError | None = None

    def open(self, path: str, mode: str = "rb", **_: Any) -> _SinkFile:  # noqa: ANN401 - fsspec's
        """Open the part once, for writing only."""
        if self._writer is None or mode != "wb" or path != SINK_PATH:
            raise PermissionError("sealing: only the part that is being sealed can be written")
        writer, self._writer = self._writer, None
        return _SinkFile(self, writer)

    def isfile(self, path: str) -> bool:  # noqa: ARG002 - fsspec's interface
        """Say that nothing exists here, so that DuckDB creates it."""
        return False

    def isdir(self, path: str) -> bool:  # noqa: ARG002 - fsspec's interface
        """Say that nothing exists here, so that DuckDB creates it."""
        return False


class _SinkFile:
    def __init__(self, sink: SealingSink, writer: PartWriter) -> None:
        self._sink = sink
        self._writer = writer

    def write(self, data: bytes) -> int:
        try:
            return self._writer.write(data)
        except OSError as error:
            self._sink.failure = self._sink.failure or error
            raise

    def close(self) -> None:
        """Leave finishing to whoever knows that the copy succeeded."""
