# SPDX-License-Identifier: Apache-2.0
"""The firmware's log: what it loaded, in the order in which it told the TPM.

``/sys/kernel/security/tpm0/binary_bios_measurements``, or the CCEL table of a TD
(TCG PC Client Platform Firmware Profile, section 10). Only digests that replay to
a quoted register are believed. The text beside a digest is believed only where
its own hash is that digest: anybody may write ``kernel 6.1, secure boot on``.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.parse import PCR_COUNT
from cleanroom.attestation.platforms.tpm.wire import Reader
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.kernel.record import dataclass

MAX_LOG_BYTES = 1024 * 1024  # a CCEL table is 64 KiB to 1 MiB, padded
MAX_EVENTS = 4096

_EV_NO_ACTION = 3
_SIGNATURE = b"Spec ID Event03\0"
_LOCALITY = b"StartupLocality\0"
# What firmware fills its table with; no entry is made of one of them alone.
_PADDING = (b"\xff", b"\0")
_SHA1_BYTES = 20
_MAX_ALGORITHMS = 16
_MAX_DIGEST_BYTES = 64
_MAX_EVENT_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry (``TCG_PCR_EVENT2``); unverified.

    Attributes:
        register: Index of the PCR, or of the measurement register of a TD.
        kind: ``TCG_EVENTTYPE``.
        digests: Digest in each bank that counts here.
        data: What the firmware wrote beside it.
    """

    register: int
    kind: int
    digests: Mapping[Hash, bytes]
    data: bytes

    @property
    def is_measured(self) -> bool:
        """Whether it was extended into a register at all."""
        return self.kind != _EV_NO_ACTION

    def data_is_measured(self, bank: Hash) -> bool:
        """Tell whether the digest is that of the data, so that these can be believed."""
        return self.is_measured and hmac.compare_digest(
            bank.digest(self.data), self.digests.get(bank, b"")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """A whole log; unverified.

    Attributes:
        banks: Banks that count and that every entry has a digest for.
        events: Entries in order, without the header.
        size: Bytes of the log, without the padding behind it.
    """

    banks: frozenset[Hash]
    events: tuple[Event, ...]
    size: int


def parse_event_log(data: bytes) -> EventLog:
    """Read a log; 0xFF or zeros after the last entry are padding, as firmware leaves it in CCEL.

    Raises:
        MalformedError: Truncated, too large, of the old format with SHA-1 alone, with a
            digest missing or doubled, or for a register that no machine has.
    """
    if len(data) > MAX_LOG_BYTES:
        raise MalformedError(
            f"event log: {len(data)} bytes against at most {MAX_LOG_BYTES}", code="tpm.oversize"
        )
    reader = Reader(data, what="event log", order="little")
    sizes = _header(reader)
    end = min(len(data.rstrip(filler)) for filler in _PADDING)
    events: list[Event] = []
    # An entry may itself end like padding, so it may run into what looks like it.
    while reader.position < end:
        if len(events) == MAX_EVENTS:
            raise reader.malformed(f"more than {MAX_EVENTS} entries", "oversize")
        events.append(_event(reader, sizes))
    banks = frozenset(Hash(number) for number in sizes if number in set(Hash))
    return EventLog(banks=banks, events=tuple(events), size=reader.position)


def replay(log: EventLog, *, bank: Hash) -> dict[int, bytes]:
    """Return the value of every register that the log extends.

    Raises:
        MalformedError: The log has no digests of that bank.
    """
    if bank not in log.banks:
        raise MalformedError(f"event log: no digests of bank {bank.name.lower()}", code="tpm.bank")
    registers: dict[int, bytes] = {}
    for event in log.events:
        if event.is_measured:
            value = registers.get(event.register, bytes(bank.size))
            registers[event.register] = bank.extend(value, event.digests[bank])
        elif event.register == 0 and event.data.startswith(_LOCALITY):
            registers[0] = _start(event, registers, bank)
    return registers


def require_replayed(
    log: EventLog, *, values: Mapping[int, bytes], bank: Hash, registers: frozenset[int]
) -> None:
    """Refuse a log that does not explain the quoted values of registers completely.

    Args:
        log: The log, as the attester sent it.
        values: Register to quoted value.
        bank: Bank of those values.
        registers: Which registers the log must explain; those that it does not
            mention must still be zero.

    Raises:
        IntegrityError: An entry was left out, added, changed or moved.
    """
    replayed = replay(log, bank=bank)
    for register in sorted(registers):
        found = replayed.get(register, bytes(bank.size))
        if not hmac.compare_digest(found, values.get(register, b"")):
            raise IntegrityError(
                f"event log: register {register} replays to {found.hex()},"
                f" quoted {values.get(register, b'').hex() or 'not at all'}",
                code="tpm.replay",
                hint="the log must be complete, and from the same start of the machine",
            )


def _header(reader: Reader) -> dict[int, int]:
    register, kind = reader.number(4), reader.number(4)
    digest = reader.take(_SHA1_BYTES)
    body = Reader(
        reader.sized(width=4, limit=_MAX_EVENT_BYTES), what="event log header", order="little"
    )
    # A log of the old format has no header of this kind, and SHA-1 digests alone.
    if kind != _EV_NO_ACTION or register > 1 or any(digest):
        raise reader.malformed("no TCG 2.0 header, which SHA-1 logs lack", "event-log")
    if body.take(min(len(_SIGNATURE), body.remaining)) != _SIGNATURE:
        raise reader.malformed("no TCG 2.0 signature, which SHA-1 logs lack", "event-log")
    body.take(8)  # platform class, version, errata, size of a machine word
    count = body.number(4)
    if not 1 <= count <= _MAX_ALGORITHMS:
        raise body.malformed(f"{count} banks against 1 to {_MAX_ALGORITHMS}", "event-log")
    sizes: dict[int, int] = {}
    for _ in range(count):
        number, size = body.number(2), body.number(2)
        if number in sizes or size > _MAX_DIGEST_BYTES or _wrong_size(number, size):
            raise body.malformed(f"a doubled bank or {size} bytes of {number:#06x}", "event-log")
        sizes[number] = size
    body.sized(width=1, limit=255)
    body.end()
    if not any(number in set(Hash) for number in sizes):
        raise body.malformed("SHA-1 alone against SHA-256 or longer", "hash")
    return sizes


def _wrong_size(number: int, size: int) -> bool:
    return number in set(Hash) and Hash(number).size != size


def _event(reader: Reader, sizes: Mapping[int, int]) -> Event:
    register, kind, count = reader.number(4), reader.number(4), reader.number(4)
    if register >= PCR_COUNT and kind != _EV_NO_ACTION:
        raise reader.malformed(f"register {register} against 0 to {PCR_COUNT - 1}", "register")
    if count != len(sizes):
        raise reader.malformed(f"{count} digests against {len(sizes)}", "event-log")
    digests: dict[int, bytes] = {}
    for _ in range(count):
        number = reader.number(2)
        if number in digests or number not in sizes:
            raise reader.malformed(f"a digest doubled or of bank {number:#06x}", "event-log")
        digests[number] = reader.take(sizes[number])
    return Event(
        register=register,
        kind=kind,
        digests={Hash(number): digests[number] for number in digests if number in set(Hash)},
        data=reader.sized(width=4, limit=_MAX_EVENT_BYTES),
    )


def _start(event: Event, registers: Mapping[int, bytes], bank: Hash) -> bytes:
    locality = event.data[len(_LOCALITY) :]
    # Said twice, or after the first extend, it would choose the value that follows.
    if len(locality) != 1 or 0 in registers:
        raise MalformedError("event log: a startup locality out of place", code="tpm.event-log")
    return bytes(bank.size - 1) + locality
