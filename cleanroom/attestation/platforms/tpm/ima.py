# SPDX-License-Identifier: Apache-2.0
"""The kernel's log of files that it read, as IMA keeps it for register 10.

``/sys/kernel/security/ima/binary_runtime_measurements``, or the ASCII file beside
it. The log replays to the quoted register or it is not believed. It tells of
executables beside the runner; it is no proof of absence, since common policies do
not measure memory file systems.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator

from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.wire import Reader
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.record import dataclass

REGISTER = 10
MAX_LOG_BYTES = 1024 * 1024
MAX_ENTRIES = 10_000

_SHA1_BYTES = 20
_MAX_TEMPLATE_NAME = 32
_MAX_DATA_BYTES = 16 * 1024
# Fields of each template that counts: digest, name, and a signature or the measured buffer;
# with an appended signature, the digest without it and that signature as well. Those of the
# second version name in the digest what was measured.
_FIELDS = {
    "ima-ng": 2,
    "ima-sig": 3,
    "ima-buf": 3,
    "ima-ngv2": 2,
    "ima-sigv2": 3,
    "ima-modsig": 5,
}
_NAMED = 2
_LINE_START = re.compile(rb"10 [0-9a-f]{40} ima-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One file that the kernel read; unverified.

    Attributes:
        path: As the kernel wrote it; for people.
        digest: Algorithm and hexadecimal digest of the file, ``sha256:...``.
        template: Exact template data; empty for a violation.
    """

    path: str
    digest: str
    template: bytes

    @property
    def is_violation(self) -> bool:
        """Whether the kernel could not measure it: open for writing at the same time."""
        return not self.template


def is_ima_text(data: bytes) -> bool:
    """Tell whether bytes begin like the ASCII log; decides nothing."""
    return _LINE_START.match(data) is not None


def parse_ima(data: bytes) -> tuple[Measured, ...]:
    """Read a log in whichever of the kernel's two forms it is.

    Raises:
        MalformedError: As for :func:`parse_ima_log`.
    """
    return parse_ima_text(data) if is_ima_text(data) else parse_ima_log(data)


def parse_ima_log(data: bytes) -> tuple[Measured, ...]:
    """Read a binary log.

    Raises:
        MalformedError: Truncated, too large, for another register, or with a template
            that does not carry SHA-256 digests.
    """
    return tuple(entry for entry, _ in _entries(data))


def until(data: bytes, *, value: bytes, bank: Hash) -> bytes:
    """Return the longest beginning of a binary log that replays to a value, or all of it.

    Raises:
        MalformedError: As for :func:`parse_ima_log`.
    """
    end, found = len(data), bytes(bank.size)
    for entry, position in _entries(data):
        found = _extend(found, entry, bank)
        if found == value:
            end = position
    return data[:end]


def parse_ima_text(data: bytes) -> tuple[Measured, ...]:
    """Read an ASCII log, and rebuild the template data that the kernel hashed.

    A path with a line break or a space in it can be read in two ways; the wrong
    one does not replay.

    Raises:
        MalformedError: A line of another form, or a template as above.
    """
    _require_size(data)
    entries: list[Measured] = []
    if not data:
        return ()
    for line in data.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n"):
        _require_room(len(entries))
        entries.append(_line(line))
    return tuple(entries)


def replay_ima(entries: tuple[Measured, ...], *, bank: Hash) -> bytes:
    """Return the value of register 10 after these entries."""
    value = bytes(bank.size)
    for entry in entries:
        value = _extend(value, entry, bank)
    return value


def require_ima_replayed(entries: tuple[Measured, ...], *, value: bytes, bank: Hash) -> None:
    """Refuse a log that does not explain the quoted value of register 10.

    Raises:
        IntegrityError: An entry was left out, added, changed or moved.
    """
    found = replay_ima(entries, bank=bank)
    if not hmac.compare_digest(found, value):
        raise IntegrityError(
            f"IMA log: register {REGISTER} replays to {found.hex()}, quoted {value.hex()}",
            code="tpm.replay",
            hint="read the log before the quote; entries after it are not explained",
        )


def _entries(data: bytes) -> Iterator[tuple[Measured, int]]:
    _require_size(data)
    reader = Reader(data, what="IMA log", order="little")
    count = 0
    while reader.remaining:
        _require_room(count)
        count += 1
        yield _entry(reader), reader.position


def _extend(value: bytes, entry: Measured, bank: Hash) -> bytes:
    # A violation is extended as all ones, so that nobody can leave it out.
    digest = b"\xff" * bank.size if entry.is_violation else bank.digest(entry.template)
    return bank.extend(value, digest)


def _entry(reader: Reader) -> Measured:
    register = reader.number(4)
    if register != REGISTER:
        raise reader.malformed(f"register {register} against {REGISTER}", "register")
    digest = reader.take(_SHA1_BYTES)
    name = reader.sized(width=4, limit=_MAX_TEMPLATE_NAME).decode("ascii", "replace")
    data = reader.sized(width=4, limit=_MAX_DATA_BYTES)
    path, file_digest = _template(name, data)
    # The kernel writes a violation with a digest of zeros.
    return Measured(path=path, digest=file_digest, template=data if any(digest) else b"")


def _template(name: str, data: bytes) -> tuple[str, str]:
    if name not in _FIELDS:
        raise _malformed(f"template {name!r} against {' or '.join(_FIELDS)}")
    reader = Reader(data, what="IMA log entry", order="little")
    fields = [reader.sized(width=4, limit=_MAX_DATA_BYTES) for _ in range(_FIELDS[name])]
    reader.end()
    algorithm, mark, digest = fields[0].partition(b":\0")
    path, end, rest = fields[1].partition(b"\0")
    if not mark or not end or rest:
        raise _malformed("an entry without its zero bytes")
    return path.decode("utf-8", "replace"), f"{algorithm.decode('ascii', 'replace')}:{digest.hex()}"


def _line(line: str) -> Measured:
    parts = line.split(" ", 4)
    if len(parts) != 5 or parts[0] != str(REGISTER) or parts[2] not in _FIELDS:  # noqa: PLR2004
        raise _malformed("a line of no template that counts")
    path, *tail = parts[4].rsplit(" ", _FIELDS[parts[2]] - _NAMED)
    if len(tail) != _FIELDS[parts[2]] - _NAMED:
        raise _malformed("a line of fewer fields than its template has")
    algorithm, mark, digest = parts[3].rpartition(":")
    if not mark or not algorithm.isascii():
        raise _malformed("a digest without its algorithm")
    file_digest = _hexadecimal(digest)
    raw = (f"{algorithm}:\0".encode() + file_digest, _text(path) + b"\0", *map(_tail, tail))
    template = b"".join(len(field).to_bytes(4, "little") + field for field in raw)
    zero = not any(_hexadecimal(parts[1]))
    return Measured(
        path=_text(path).decode("utf-8", "replace"),
        digest=f"{algorithm}:{file_digest.hex()}",
        template=b"" if zero else template,
    )


def _tail(text: str) -> bytes:
    # A signature or a buffer; a digest names its algorithm.
    algorithm, mark, digest = text.rpartition(":")
    named = f"{algorithm}:\0".encode("utf-8", "surrogateescape") if mark else b""
    return named + _hexadecimal(digest)


def _text(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _hexadecimal(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise _malformed("a digest that is not hexadecimal") from None


def _require_size(data: bytes) -> None:
    if len(data) > MAX_LOG_BYTES:
        raise MalformedError(
            f"IMA log: {len(data)} bytes against at most {MAX_LOG_BYTES}", code="tpm.oversize"
        )


def _require_room(count: int) -> None:
    if count == MAX_ENTRIES:
        raise MalformedError(f"IMA log: more than {MAX_ENTRIES} entries", code="tpm.oversize")


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"IMA log: {found}", code="tpm.ima")
