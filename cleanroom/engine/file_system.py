# SPDX-License-Identifier: Apache-2.0
"""The class that file systems of the engine derive from, without what else it would load.

Its library takes codecs of other distributions wherever they are installed. We compress
nothing with them, and what a runner loads has to be what it measures.
"""

from __future__ import annotations

from cleanroom.kernel.process import absent

with absent("backports.zstd", "isal", "lz4", "lzmaffi", "snappy", "zstandard"):
    from fsspec.spec import AbstractFileSystem

__all__ = ["AbstractFileSystem"]
