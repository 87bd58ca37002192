# SPDX-License-Identifier: Apache-2.0
"""Ask Linux for a report: configfs-tsm, the one interface of all vendors.

``Documentation/ABI/testing/configfs-tsm-report`` (Linux 6.7 and later). A new
directory below ``/sys/kernel/config/tsm/report`` is a request: write ``inblob``,
read ``outblob`` and ``auxblob``, remove the directory. ``generation`` counts the
writes; if it is not the number of ours, somebody else wrote in between and the
report may be about their bytes.
"""

from __future__ import annotations

import contextlib
import errno

from cleanroom.attestation.platforms.host_files import HostFiles
from cleanroom.errors import MalformedError, UnavailableError
from cleanroom.kernel.record import dataclass

REPORTS = "sys/kernel/config/tsm/report"
INBLOB_BYTES = 64
MAX_OUTBLOB_BYTES = 64 * 1024
MAX_AUXBLOB_BYTES = 64 * 1024

_NO_TSM = (
    f"/{REPORTS}: not there; it takes Linux 6.7 or later, a mounted configfs, and the sev-guest"
    " or tdx-guest driver inside a confidential machine"
)
_MAX_LEVEL_DIGITS = 3
_RETRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TsmAnswer:
    """What the kernel answered.

    Attributes:
        report: ``outblob``.
        certificates: ``auxblob``; empty where the provider has none.
    """

    report: bytes
    certificates: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TsmRequest:
    """What to ask.

    Attributes:
        provider: Driver that must answer: ``sev_guest`` or ``tdx_guest``.
        inblob: The 64 bytes to have signed.
        privilege: Privilege level to ask for, where the provider knows levels.
    """

    provider: str
    inblob: bytes
    privilege: int | None


def missing_tsm(files: HostFiles) -> tuple[str, ...]:
    """Say why this interface cannot be used here; empty if it can."""
    if files.exists(REPORTS):
        return ()
    return (_NO_TSM,)


def request_report(files: HostFiles, request: TsmRequest, *, name: str) -> TsmAnswer:
    """Ask once, in a directory of its own, and leave nothing behind.

    Args:
        files: The machine's file system.
        request: What to ask.
        name: A name that nobody else uses at the same time.

    Raises:
        MalformedError: ``inblob`` is not 64 bytes, or the answer is too long.
        UnavailableError: The interface is missing, another driver answers, the
            privilege level is not allowed, or somebody disturbed the request.
    """
    if len(request.inblob) != INBLOB_BYTES:
        raise MalformedError(
            f"configfs-tsm: found {len(request.inblob)} bytes to sign against {INBLOB_BYTES}",
            code="collect.inblob",
        )
    directory = f"{REPORTS}/{name}"
    try:
        files.make_directory(directory)
    except OSError as error:
        raise _unavailable("making a request", error) from None
    try:
        return _ask(files, request, directory)
    finally:
        # A directory left behind is harmless; hiding the reason would not be.
        with contextlib.suppress(OSError):
            files.remove_directory(directory)


def _ask(files: HostFiles, request: TsmRequest, directory: str) -> TsmAnswer:
    provider = _text(files, f"{directory}/provider")
    # Any other driver's bytes would be sent to a verifier that cannot read them.
    if provider != request.provider:
        raise UnavailableError(
            f"configfs-tsm: found provider {provider}, agreed {request.provider}",
            code="collect.provider",
        )
    writes = 0
    if request.privilege is not None:
        _require_level(files, directory, request.privilege)
        _write(files, f"{directory}/privlevel", b"%d" % request.privilege)
        writes += 1
    for _ in range(_RETRIES):
        _write(files, f"{directory}/inblob", request.inblob)
        writes += 1
        answer = _answer(files, directory)
        if answer is not None:
            _require_generation(files, directory, writes)
            return answer
    raise UnavailableError(
        "configfs-tsm: found writes of others to this request each time, agreed ours alone",
        code="collect.disturbed",
    )


def _answer(files: HostFiles, directory: str) -> TsmAnswer | None:
    try:
        report = files.read(f"{directory}/outblob")
        certificates = (
            files.read(f"{directory}/auxblob") if files.exists(f"{directory}/auxblob") else b""
        )
    except OSError as error:
        # The kernel's word for "written while it was being answered".
        if error.errno == errno.EWOULDBLOCK:
            return None
        raise _unavailable("reading the report", error) from None
    if len(report) > MAX_OUTBLOB_BYTES or len(certificates) > MAX_AUXBLOB_BYTES:
        raise MalformedError("configfs-tsm: an answer over its limit", code="collect.oversize")
    return TsmAnswer(report=report, certificates=certificates)


def _require_level(files: HostFiles, directory: str, level: int) -> None:
    floor = _number(_text(files, f"{directory}/privlevel_floor"))
    if level < floor:
        raise UnavailableError(
            f"configfs-tsm: found privilege level {level} asked for, agreed {floor} or more",
            code="collect.privilege",
            hint="under a paravisor or SVSM the guest runs at a higher number",
        )


def _require_generation(files: HostFiles, directory: str, writes: int) -> None:
    generation = _number(_text(files, f"{directory}/generation"))
    if generation != writes:
        raise UnavailableError(
            f"configfs-tsm: found {generation} writes, agreed our {writes}",
            code="collect.disturbed",
        )


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > _MAX_LEVEL_DIGITS:
        raise MalformedError("configfs-tsm: not a number", code="collect.number")
    return int(text)


def _text(files: HostFiles, path: str) -> str:
    try:
        return files.read(path).decode("ascii", "replace").strip()
    except OSError as error:
        raise _unavailable(f"reading {path.rpartition('/')[2]}", error) from None


def _write(files: HostFiles, path: str, data: bytes) -> None:
    try:
        files.write(path, data)
    except OSError as error:
        raise _unavailable(f"writing {path.rpartition('/')[2]}", error) from None


def _unavailable(what: str, error: OSError) -> UnavailableError:
    name = errno.errorcode.get(error.errno or 0, "an error")
    return UnavailableError(
        f"configfs-tsm: {what} answered {name}",
        code="collect.configfs",
        hint="root is needed, and a kernel with the driver of this platform",
    )
