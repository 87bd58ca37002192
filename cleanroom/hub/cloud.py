# SPDX-License-Identifier: Apache-2.0
"""Objects of a hub in somebody else's store: S3, Azure Blob, GCS, or a mounted directory.

The store is trusted with as little as the hub: an object is put once and never replaced,
and compared with its name whenever it is read.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cleanroom.errors import IntegrityError, MalformedError, RefusedError, UnavailableError
from cleanroom.hub.objects import ObjectStore, Storage, local_storage
from cleanroom.hub.wire import OBJECT_BYTES
from cleanroom.kernel.digest import Digest

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Bucket

SCHEMES = ("s3", "az", "gs", "file")
PATIENCE = dt.timedelta(seconds=20)  # a caller waits meanwhile, and asks again itself
_PROBE = "cleanroom-hub"


class CloudObjects(ObjectStore):
    """The objects of one room in a bucket; what is on its way lies on this machine."""

    def __init__(self, home: Path, *, bucket: Bucket, room: str) -> None:
        """Open the objects of a room.

        Args:
            home: The room's directory here, for what has not arrived whole.
            bucket: Where objects go.
            room: Begins their names.

        Raises:
            UnavailableError: The disk refuses.
        """
        super().__init__(home)
        self._bucket = bucket
        self._room = room

    def local_path(self, digest: Digest) -> Path | None:
        """Return nothing: no object lies on this machine."""
        del digest
        return None

    def holds(self, digest: Digest) -> bool:
        """Tell whether there is an object of that name.

        Raises:
            UnavailableError: The store does not answer.
        """
        with _answering():
            try:
                self._bucket.head(self._key(digest))
            except FileNotFoundError:
                return False
        return True

    def read(self, digest: Digest) -> bytes:
        """Return an object's bytes.

        Raises:
            IntegrityError: The store has other bytes under that name.
            UnavailableError: There is none, or the store does not answer.
        """
        with _answering():
            answer = self._bucket.get(self._key(digest))
            if answer.meta["size"] > OBJECT_BYTES:
                raise _altered()
            data = bytes(answer.bytes())
        if Digest.of(data) != digest:
            raise _altered()
        return data

    def _keep(self, path: Path, digest: Digest) -> None:
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415 - of the extra

        with _answering():
            try:
                # Create-only: two that bring one object at once, and a retry, replace nothing.
                self._bucket.put(self._key(digest), path.read_bytes(), mode="create")
            except AlreadyExistsError:
                self.read(digest)

    def _key(self, digest: Digest) -> str:
        return f"rooms/{self._room}/objects/{digest.hex[:2]}/{digest.hex}"


def open_storage(url: str, *, to_write: bool) -> Storage:
    """Return where objects of a hub lie, by the address of a store.

    Credentials come from the environment, as the store's own tools read them.

    Args:
        url: ``s3://bucket/prefix``, ``az://container/prefix``, ``gs://bucket/prefix``,
            ``file:///directory``; empty for the hub's own directory.
        to_write: Ask the store now whether objects can be put there, once each.

    Raises:
        MalformedError: No such address, or a setting in the environment that is none.
        RefusedError: The store would replace an object that is there.
        UnavailableError: The extra that speaks to stores is not installed, or the store
            does not answer, has no such bucket or refuses.
    """
    if not url:
        return local_storage
    scheme = url.partition("://")[0]
    if scheme not in SCHEMES:
        raise MalformedError(
            "--store: not the address of a store",
            code="hub.store",
            hint=f"one of {', '.join(SCHEMES)}, for example s3://bucket/prefix",
        )
    try:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - of the extra
        from obstore.store import from_url  # noqa: PLC0415
    except ImportError:
        raise UnavailableError(
            "--store: the library for stores is not installed",
            code="hub.store-extra",
            hint="pip install 'cleanroom[hub]'",
        ) from None
    waiting: dict[str, Any] = (
        {} if scheme == "file" else {"retry_config": {"retry_timeout": PATIENCE}}
    )
    try:
        bucket = from_url(url, **waiting)
    except (BaseError, ValueError, OSError):
        raise MalformedError(
            "--store: the address or a setting of it is not understood", code="hub.store"
        ) from None
    if to_write:
        _require_create_only(bucket)
    return lambda home, room: CloudObjects(home, bucket=bucket, room=room)


def _require_create_only(bucket: Bucket) -> None:
    from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415 - of the extra

    with _answering():
        # The second of two finds an object: some stores know no If-None-Match and obey.
        for _ in range(2):
            try:
                bucket.put(_PROBE, b"objects of a cleanroom hub\n", mode="create")
            except AlreadyExistsError:
                return
    raise RefusedError(
        "--store: it replaces an object that is there",
        code="hub.store-replaces",
        hint="a store is needed that puts create-only (If-None-Match: *), as S3, Azure and GCS do",
    )


@contextmanager
def _answering() -> Iterator[None]:
    from obstore.exceptions import BaseError  # noqa: PLC0415 - of the extra

    try:
        yield
    except (BaseError, OSError):
        # Its words name keys, hosts and settings.
        raise UnavailableError(
            "hub: its store does not answer, or refuses",
            code="hub.store-failed",
            hint="the hub's operator checks the store's address and credentials",
        ) from None


def _altered() -> IntegrityError:
    return IntegrityError(
        "hub object: the store holds other bytes under its name",
        code="hub.object-digest",
        hint="the hub's operator removes it there; then send it again",
    )
