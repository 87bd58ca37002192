# SPDX-License-Identifier: Apache-2.0
"""Data keys at rest: one per dataset version, sealed to their owner's receiving key.

A key is staged while its dataset is being sealed and settled afterwards, so the
owner's broker never offers a version that is not whole. A key seals one version
once; whoever seals again draws a new one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import field
from pathlib import Path

from cleanroom.contract.types import LINEAGE, require_form
from cleanroom.errors import IntegrityError, UnavailableError
from cleanroom.identity.receiving import ReceivingKey, seal_to
from cleanroom.kernel.canonical import JSONValue, canonical_json
from cleanroom.kernel.files import (
    PRIVATE_DIRECTORY,
    PRIVATE_FILE,
    read_limited,
    sync_directory,
    write_atomic,
)
from cleanroom.kernel.limits import KIB
from cleanroom.kernel.record import dataclass
from cleanroom.kernel.remembered import remembered
from cleanroom.kernel.strict_base64 import decode_base64, encode_base64
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape

FORMAT = "cleanroom.data-key.v0"
KEY_DIRECTORY = "data-keys"
KEY_BYTES = 32
KEY_ID_BYTES = 16
MAX_KEY_FILE_BYTES = 16 * KIB
_REMEMBERED = 64

DELETED = ".deleted"
_SETTLED = re.compile(r"([1-9][0-9]{0,8})\.json")
_NUMBERED = re.compile(r"([1-9][0-9]{0,8})\.(?:json|deleted)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """The key of one version of one dataset.

    Attributes:
        lineage: The dataset.
        version: Its version.
        key_id: 16 public bytes that name the key.
        secret: The 32 key bytes; never shown.
    """

    lineage: str
    version: int
    key_id: bytes
    secret: bytes = field(repr=False)


class _KeyWire(WireModel):
    format: str
    lineage: str
    version: int
    key_id: str
    sealed: str


def new_data_key(
    *, lineage: str, version: int, entropy: Callable[[int], bytes] = os.urandom
) -> DataKey:
    """Draw a fresh key and a fresh name for it.

    Raises:
        MalformedError: The lineage is not ``<owner>.<table>``.
    """
    require_form(lineage, LINEAGE, what="lineage", agreed="<owner>.<table>")
    return DataKey(
        lineage=lineage,
        version=version,
        key_id=entropy(KEY_ID_BYTES),
        secret=entropy(KEY_BYTES),
    )


def stage_data_key(broker_home: Path, key: DataKey, *, receiving_key: bytes) -> None:
    """Keep a key on disk while its dataset is being sealed; the broker does not see it yet.

    Raises:
        UnavailableError: The disk is full or refuses.
    """
    path = _staged(broker_home, key.lineage, key.version)
    sealed = seal_to(receiving_key, key.secret, info=_info(key.lineage, key.version, key.key_id))
    document: dict[str, JSONValue] = {
        "format": FORMAT,
        "lineage": key.lineage,
        "version": key.version,
        "key_id": key.key_id.hex(),
        "sealed": encode_base64(sealed),
    }
    path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_DIRECTORY)
    write_atomic(path, canonical_json(document), mode=PRIVATE_FILE)


def open_staged_key(
    broker_home: Path, *, lineage: str, version: int, receiving: ReceivingKey
) -> DataKey | None:
    """Open the key of an interrupted sealing; ``None`` when there was none.

    Raises:
        MalformedError: The file is no key file.
        IntegrityError: It is another version's, or sealed to another receiving key.
    """
    path = _staged(broker_home, lineage, version)
    if not path.exists():
        return None
    return _open(path, lineage=lineage, version=version, receiving=receiving)


def settle_data_key(broker_home: Path, *, lineage: str, version: int) -> None:
    """Make a staged key the version's key, visible to the broker; doing it twice is harmless.

    Raises:
        UnavailableError: There is no such key, or the disk refuses.
    """
    staged = _staged(broker_home, lineage, version)
    settled = _settled(broker_home, lineage, version)
    if settled.exists() and not staged.exists():
        return
    try:
        staged.replace(settled)
        sync_directory(settled.parent)
    except OSError as error:
        raise UnavailableError(
            f"data key of {lineage} version {version}: cannot be settled: "
            f"{os.strerror(error.errno or 0)}",
            code="vault.key-absent",
        ) from error


def discard_staged_key(broker_home: Path, *, lineage: str, version: int) -> None:
    """Delete the key of an interrupted sealing, if there is one."""
    _staged(broker_home, lineage, version).unlink(missing_ok=True)


def open_data_key(
    broker_home: Path, *, lineage: str, version: int, receiving: ReceivingKey
) -> DataKey:
    """Open the key of a sealed version.

    Raises:
        UnavailableError: There is no such key.
        MalformedError: The file is no key file.
        IntegrityError: It is another version's, or sealed to another receiving key.
    """
    path = _settled(broker_home, lineage, version)
    return _open(path, lineage=lineage, version=version, receiving=receiving)


def name_data_key(broker_home: Path, *, lineage: str, version: int) -> str:
    """Return the 32 hexadecimal digits under which a sealed version's key lies here.

    Nothing is opened and nothing proven: the name is bound into the sealed key, so
    opening it tells whether it is the one.

    Raises:
        UnavailableError: There is no such key.
        MalformedError: The file is no key file.
        IntegrityError: It says that it is another version's.
    """
    path = _settled(broker_home, lineage, version)
    return _read(path, lineage=lineage, version=version, what=_name(lineage, version)).key_id


def list_versions(broker_home: Path, lineage: str) -> tuple[int, ...]:
    """List the sealed versions of a dataset, ascending."""
    directory = _directory(broker_home, lineage)
    if not directory.is_dir():
        return ()
    matches = (_SETTLED.fullmatch(path.name) for path in directory.iterdir())
    return tuple(sorted(int(match[1]) for match in matches if match))


def next_version(broker_home: Path, lineage: str) -> int:
    """Return the number of the next version: one more than any that ever had a key."""
    directory = _directory(broker_home, lineage)
    if not directory.is_dir():
        return 1
    matches = (_NUMBERED.fullmatch(path.name) for path in directory.iterdir())
    return max((int(match[1]) for match in matches if match), default=0) + 1


def delete_data_key(broker_home: Path, *, lineage: str, version: int) -> None:
    """Delete a version's key: its parts can never be opened again.

    A mark stays behind, so that no later version ever takes the same number: the
    old document is as genuine as before, and would pass for the new one.

    Raises:
        UnavailableError: There is no such key, or the disk refuses.
    """
    path = _settled(broker_home, lineage, version)
    try:
        if path.exists():
            path.with_suffix(DELETED).touch(mode=PRIVATE_FILE)
        path.unlink()
        sync_directory(path.parent)
    except OSError as error:
        raise UnavailableError(
            f"data key of {lineage} version {version}: cannot be deleted: "
            f"{os.strerror(error.errno or 0)}",
            code="vault.key-absent",
        ) from error


def _open(path: Path, *, lineage: str, version: int, receiving: ReceivingKey) -> DataKey:
    what = _name(lineage, version)
    wire = _read(path, lineage=lineage, version=version, what=what)
    key_id = bytes.fromhex(wire.key_id)
    sealed = decode_base64(wire.sealed, what=what)
    secret = receiving.open(sealed, info=_info(lineage, version, key_id))
    return DataKey(lineage=lineage, version=version, key_id=key_id, secret=secret)


def _name(lineage: str, version: int) -> str:
    return f"data key of {lineage} version {version}"


def _read(path: Path, *, lineage: str, version: int, what: str) -> _KeyWire:
    wire = _parse(read_limited(path, what=what, limit=MAX_KEY_FILE_BYTES), what=what)
    if (wire.lineage, wire.version) != (lineage, version):
        raise IntegrityError(f"{what}: the file holds another version's", code="vault.foreign-key")
    return wire


# What is remembered is as sealed as the file, which is read each time.
@remembered(_REMEMBERED)
def _parse(data: bytes, *, what: str) -> _KeyWire:
    wire = validate_shape(
        _KeyWire, parse_json(data, what=what, limit=MAX_KEY_FILE_BYTES), what=what
    )
    require_form(wire.format, re.escape(FORMAT), what=what, agreed=FORMAT)
    require_form(wire.key_id, r"[0-9a-f]{32}", what=what, agreed="32 hexadecimal digits")
    return wire


def _info(lineage: str, version: int, key_id: bytes) -> bytes:
    bound: dict[str, JSONValue] = {"lineage": lineage, "version": version, "key_id": key_id.hex()}
    return FORMAT.encode() + b"\0" + canonical_json(bound)


def _directory(broker_home: Path, lineage: str) -> Path:
    # The lineage becomes a directory: its form leaves no room for a path.
    require_form(lineage, LINEAGE, what="lineage", agreed="<owner>.<table>")
    return broker_home / KEY_DIRECTORY / lineage


def _settled(broker_home: Path, lineage: str, version: int) -> Path:
    return _directory(broker_home, lineage) / f"{version}.json"


def _staged(broker_home: Path, lineage: str, version: int) -> Path:
    return _directory(broker_home, lineage) / f".{version}.sealing.json"
