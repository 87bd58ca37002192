# SPDX-License-Identifier: Apache-2.0
"""Ask the Nitro Secure Module for a document, through ``/dev/nsm``.

Source: Linux ``include/uapi/linux/nsm.h``. One ioctl carries two buffers: a CBOR
request of at most 4 KiB and room for an answer of at most 12 KiB.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from cleanroom.attestation.binding import check_binding_length
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.nitro.cbor import CBORValue, decode, encode
from cleanroom.attestation.platforms.nitro.root import PLATFORM
from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.kernel.record import dataclass

NSM_REQUEST = 0xC0200A00  # _IOWR(0x0A, 0, struct nsm_iovec[2])
MAX_ANSWER_BYTES = 0x3000
_DEVICE = Path("dev/nsm")

Ioctl = Callable[[int, int, ctypes.Structure], int]


class Buffer(ctypes.Structure):
    """``struct nsm_iovec``: where, and how long."""

    _fields_ = (("address", ctypes.c_uint64), ("length", ctypes.c_uint64))


class Message(ctypes.Structure):
    """``struct nsm_raw``: the request and the room for the answer."""

    _fields_ = (("request", Buffer), ("response", Buffer))


def system_ioctl(descriptor: int, request: int, message: ctypes.Structure) -> int:
    """Hand the message to the kernel, which changes the answer's length in it."""
    done: int = fcntl.ioctl(descriptor, request, message)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class NitroCollector:
    """Collect a document from the enclave one runs in.

    Attributes:
        root: Root of the file system.
        ioctl: The kernel.
    """

    root: Path
    ioctl: Ioctl

    @property
    def platform(self) -> str:
        """Name of the kind that it makes."""
        return PLATFORM

    def missing(self) -> tuple[str, ...]:
        """Say what this machine lacks; empty if ready."""
        device = self.root / _DEVICE
        if not device.exists():
            return (f"{device}: not there; this is no Nitro enclave, or its kernel lacks nsm",)
        if not os.access(device, os.R_OK | os.W_OK):
            return (f"{device} may not be read and written by this user.",)
        return ()

    def collect(self, *, binding: bytes) -> EvidenceItem:
        """Return a document whose ``user_data`` is the 64 bytes.

        Raises:
            MalformedError: The binding is not 64 bytes, or the module answers nonsense.
            UnavailableError: There is no module, or it does not answer.
        """
        check_binding_length(binding)
        members: dict[int | str, CBORValue] = {
            "user_data": binding,
            "nonce": None,
            "public_key": None,
        }
        answer = decode(self._ask(encode({"Attestation": members})), what="nitro module")
        attestation = answer.get("Attestation") if isinstance(answer, dict) else None
        document = attestation.get("document") if isinstance(attestation, dict) else None
        if not isinstance(document, bytes):
            raise MalformedError("nitro module: found no document", code="nitro.answer")
        return EvidenceItem(platform=PLATFORM, report=document, collateral={})

    def _ask(self, request: bytes) -> bytes:
        sent = ctypes.create_string_buffer(request, len(request))
        room = ctypes.create_string_buffer(MAX_ANSWER_BYTES)
        message = Message(
            request=Buffer(address=ctypes.addressof(sent), length=len(request)),
            response=Buffer(address=ctypes.addressof(room), length=MAX_ANSWER_BYTES),
        )
        try:
            descriptor = os.open(self.root / _DEVICE, os.O_RDWR | os.O_CLOEXEC)
            try:
                self.ioctl(descriptor, NSM_REQUEST, message)
            finally:
                os.close(descriptor)
        except OSError:
            raise UnavailableError(
                "nitro: the secure module gave no document, agreed one",
                code="nitro.no-document",
                hint="cleanroom attest collect says what this machine lacks",
            ) from None
        if message.response.length > MAX_ANSWER_BYTES:
            raise MalformedError("nitro module: an answer beyond its room", code="nitro.answer")
        return room.raw[: message.response.length]
