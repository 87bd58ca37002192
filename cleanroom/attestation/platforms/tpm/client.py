# SPDX-License-Identifier: Apache-2.0
"""Ask a TPM 2.0: make keys, read and extend registers, quote, read its storage.

A small client of our own (part 3 of the specification), because a runner's
trusted base should not hold a general TPM stack to send ten commands.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from cleanroom.attestation.platforms.tpm.algorithms import NULL, Hash
from cleanroom.attestation.platforms.tpm.commands import (
    ENDORSEMENT,
    NO_HANDLE,
    OWNER,
    PASSWORD_SESSION,
    Answer,
    Code,
    Command,
    execute,
)
from cleanroom.attestation.platforms.tpm.parse import PcrSelection
from cleanroom.attestation.platforms.tpm.transport import Transport
from cleanroom.attestation.platforms.tpm.wire import Reader, sized
from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.kernel.record import dataclass

EK_CERTIFICATE_INDEX = 0x01C00002  # RSA 2048 (TCG EK Credential Profile, table 2)

# The endorsement key that makers certify (EK Credential Profile, template L-1).
EK_POLICY = bytes.fromhex("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa")
EK_TEMPLATE = (
    b"\x00\x01\x00\x0b\x00\x03\x00\xb2"
    + sized(EK_POLICY)
    + b"\x00\x06\x00\x80\x00\x43\x00\x10\x08\x00\x00\x00\x00\x00"
    + sized(bytes(256))
)
# An attestation key: ECDSA P-256, restricted to signing what the TPM wrote.
AK_TEMPLATE = (
    b"\x00\x23\x00\x0b\x00\x05\x00\x72"
    + sized(b"")
    + b"\x00\x10\x00\x18\x00\x0b\x00\x03\x00\x10"
    + sized(b"")
    + sized(b"")
)

_READ_BYTES = 512  # any TPM returns that much at once; the profile asks for 1024
_MAX_INDEX_BYTES = 16 * 1024
_MAX_FIELD_BYTES = 4096
_NONCE_BYTES = 16
_POLICY_SESSION = b"\x01"
_OWNER_MAY_USE = 0x00020002  # TPMA_NV_OWNERREAD and TPMA_NV_OWNERWRITE


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedKey:
    """A key in the TPM.

    Attributes:
        handle: By which commands name it.
        public: Its ``TPMT_PUBLIC``, exact bytes.
    """

    handle: int
    public: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A secret that one TPM alone opens.

    Attributes:
        blob: Integrity and encrypted secret (``TPMS_ID_OBJECT``).
        secret: Seed, encrypted to the endorsement key (``TPM2B_ENCRYPTED_SECRET``).
    """

    blob: bytes
    secret: bytes


class Tpm:
    """One TPM behind a transport; every method is one or a few commands."""

    def __init__(self, transport: Transport) -> None:
        """Use an open transport; nothing is sent yet."""
        self._transport = transport

    @contextlib.contextmanager
    def attestation_key(self) -> Iterator[LoadedKey]:
        """Load the attestation key, the same for the life of this TPM, and free it again."""
        with self._primary(OWNER, AK_TEMPLATE) as key:
            yield key

    @contextlib.contextmanager
    def endorsement_key(self) -> Iterator[LoadedKey]:
        """Load the endorsement key that the maker's certificate names, and free it again."""
        with self._primary(ENDORSEMENT, EK_TEMPLATE) as key:
            yield key

    def read_public(self, handle: int) -> bytes:
        """Return the public area of a persistent key, such as Azure's at 0x81000003."""
        reader = self._ask(Code.READ_PUBLIC, handle)
        return reader.sized(limit=_MAX_FIELD_BYTES)

    def quote(
        self, key: LoadedKey, *, qualifying_data: bytes, selection: PcrSelection
    ) -> tuple[bytes, bytes]:
        """Return a ``TPMS_ATTEST`` over registers and its ``TPMT_SIGNATURE``."""
        parameters = sized(qualifying_data) + NULL.to_bytes(2, "big") + _selection(selection)
        reader = self._ask(Code.QUOTE, key.handle, parameters=parameters, authorised=1)
        message = reader.sized(limit=_MAX_FIELD_BYTES)
        return message, reader.take(reader.remaining)

    def read_registers(self, selection: PcrSelection) -> dict[int, bytes]:
        """Return the values of registers; a TPM gives eight at a time.

        Raises:
            UnavailableError: The TPM has no such bank.
        """
        values: dict[int, bytes] = {}
        while missing := selection.pcrs - values.keys():
            values |= self._some_registers(PcrSelection(bank=selection.bank, pcrs=missing))
        return values

    def extend(self, register: int, digest: bytes, *, bank: Hash = Hash.SHA256) -> None:
        """Extend a register: its new value is the hash of the old one and the digest."""
        parameters = (1).to_bytes(4, "big") + bank.to_bytes(2, "big") + digest
        self._ask(Code.PCR_EXTEND, register, parameters=parameters, authorised=1)

    def read_index(self, index: int) -> bytes:
        """Return what lies at an index of the non-volatile storage, read as its owner.

        Raises:
            UnavailableError: Nothing lies there.
            MalformedError: It is larger than anything that belongs there.
        """
        size = self._index_size(index)
        data = b""
        while len(data) < size:
            count = min(_READ_BYTES, size - len(data))
            place = count.to_bytes(2, "big") + len(data).to_bytes(2, "big")
            reader = self._ask(Code.NV_READ, OWNER, index, parameters=place, authorised=1)
            piece = reader.sized(limit=count)
            if len(piece) != count:
                raise MalformedError("TPM: a short read of its storage", code="tpm.response")
            data += piece
        return data

    def define_index(self, index: int, *, size: int) -> None:
        """Make room at an index that the owner may read and write."""
        public = (
            index.to_bytes(4, "big")
            + Hash.SHA256.to_bytes(2, "big")
            + _OWNER_MAY_USE.to_bytes(4, "big")
            + sized(b"")
            + size.to_bytes(2, "big")
        )
        parameters = sized(b"") + sized(public)
        self._ask(Code.NV_DEFINE_SPACE, OWNER, parameters=parameters, authorised=1)

    def write_index(self, index: int, data: bytes) -> None:
        """Write at an index, from its beginning; at most 512 bytes."""
        parameters = sized(data) + bytes(2)
        self._ask(Code.NV_WRITE, OWNER, index, parameters=parameters, authorised=1)

    def endorsement_certificate(self) -> bytes:
        """Return the maker's certificate of the endorsement key, in DER.

        Raises:
            UnavailableError: This TPM carries none.
        """
        return self.read_index(EK_CERTIFICATE_INDEX)

    def activate(self, *, key: LoadedKey, endorsement: LoadedKey, credential: Credential) -> bytes:
        """Open a credential: succeeds only if both keys are in this TPM.

        Raises:
            UnavailableError: They are not, or the credential was made for another key.
        """
        parameters = sized(credential.blob) + sized(credential.secret)
        with self._endorsement_session() as session:
            answer = self._execute(
                Command(
                    code=Code.ACTIVATE_CREDENTIAL,
                    handles=(key.handle, endorsement.handle),
                    sessions=(PASSWORD_SESSION, session),
                    parameters=parameters,
                )
            )
        return _reader(Code.ACTIVATE_CREDENTIAL, answer).sized(limit=_MAX_FIELD_BYTES)

    @contextlib.contextmanager
    def _primary(self, hierarchy: int, template: bytes) -> Iterator[LoadedKey]:
        # No password, nothing to seal, no outside data, no registers.
        parameters = sized(sized(b"") + sized(b"")) + sized(template) + sized(b"") + bytes(4)
        answer = self._execute(
            Command(
                code=Code.CREATE_PRIMARY,
                handles=(hierarchy,),
                sessions=(PASSWORD_SESSION,),
                parameters=parameters,
                returns_handle=True,
            )
        )
        public = _reader(Code.CREATE_PRIMARY, answer).sized(limit=_MAX_FIELD_BYTES)
        with self._freed(answer.handle):
            yield LoadedKey(handle=answer.handle, public=public)

    @contextlib.contextmanager
    def _endorsement_session(self) -> Iterator[int]:
        # A policy session, no salt, no bound entity, no cipher, SHA-256.
        parameters = (
            sized(bytes(_NONCE_BYTES))
            + sized(b"")
            + _POLICY_SESSION
            + NULL.to_bytes(2, "big")
            + Hash.SHA256.to_bytes(2, "big")
        )
        answer = self._execute(
            Command(
                code=Code.START_AUTH_SESSION,
                handles=(NO_HANDLE, NO_HANDLE),
                parameters=parameters,
                returns_handle=True,
            )
        )
        with self._freed(answer.handle):
            # The endorsement key's policy asks for the endorsement hierarchy's password.
            parameters = sized(b"") * 3 + bytes(4)
            self._ask(
                Code.POLICY_SECRET, ENDORSEMENT, answer.handle, parameters=parameters, authorised=1
            )
            yield answer.handle

    @contextlib.contextmanager
    def _freed(self, handle: int) -> Iterator[None]:
        try:
            yield
        finally:
            # A policy session is gone once it was used; a TPM has room for three keys.
            with contextlib.suppress(UnavailableError):
                parameters = handle.to_bytes(4, "big")
                self._execute(Command(code=Code.FLUSH_CONTEXT, parameters=parameters))

    def _some_registers(self, selection: PcrSelection) -> Mapping[int, bytes]:
        reader = self._ask(Code.PCR_READ, parameters=_selection(selection))
        reader.take(8)  # counter of changes, and that one selection follows
        bank = reader.number(2)
        read = int.from_bytes(reader.sized(width=1, limit=4), "little")
        indices = [index for index in sorted(selection.pcrs) if read >> index & 1]
        count = reader.number(4)
        if bank != selection.bank or not indices or count != len(indices):
            raise UnavailableError(
                f"TPM: does not keep {selection}",
                code="tpm.bank",
                hint="enable the SHA-256 bank in the firmware's settings",
            )
        return {index: reader.sized(limit=selection.bank.size) for index in indices}

    def _index_size(self, index: int) -> int:
        reader = self._ask(Code.NV_READ_PUBLIC, index)
        public = Reader(reader.sized(limit=_MAX_FIELD_BYTES), what="TPM storage index")
        public.take(10)  # index, hash of its name, attributes
        public.sized(limit=_MAX_FIELD_BYTES)
        size = public.number(2)
        if size > _MAX_INDEX_BYTES:
            raise MalformedError(
                f"TPM storage index: {size} bytes against at most {_MAX_INDEX_BYTES}",
                code="tpm.oversize",
            )
        return size

    def _ask(
        self, code: Code, *handles: int, parameters: bytes = b"", authorised: int = 0
    ) -> Reader:
        command = Command(
            code=code,
            handles=handles,
            sessions=(PASSWORD_SESSION,) * authorised,
            parameters=parameters,
        )
        return _reader(code, self._execute(command))

    def _execute(self, command: Command) -> Answer:
        return execute(command, transport=self._transport)


def _reader(code: Code, answer: Answer) -> Reader:
    return Reader(answer.parameters, what=f"TPM {code.name}")


def _selection(selection: PcrSelection) -> bytes:
    bitmap = sum(1 << index for index in selection.pcrs).to_bytes(3, "little")
    return (1).to_bytes(4, "big") + selection.bank.to_bytes(2, "big") + sized_byte(bitmap)


def sized_byte(data: bytes) -> bytes:
    """Write one byte of length, then the bytes."""
    return len(data).to_bytes(1, "big") + data
