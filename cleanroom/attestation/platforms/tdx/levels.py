# SPDX-License-Identifier: Apache-2.0
"""How current is this firmware? Our own reading of Intel's levels, beside the second verifier's.

Intel lists levels from the newest down (Intel PCS API version 4, "TCB info V3" and "enclave
identity V2"). A machine is at the first level whose every version it reaches; the TDX module
and the quoting enclave have levels of their own. The second verifier joins the three into one
status. Here each is read alone: what is revoked or at no level at all is refused by its name,
and the joined status can be "UpToDate" only if each of the three is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cleanroom.attestation.platforms.tdx.body import Domain
from cleanroom.attestation.platforms.tdx.structure import SoundQuote
from cleanroom.errors import EvidenceRefusedError, IntegrityError, MalformedError
from cleanroom.kernel.record import dataclass

UP_TO_DATE, REVOKED = "UpToDate", "Revoked"
# What Intel says of an enclave; of a platform it says more, which the second verifier names.
_ENCLAVE_STATES = (UP_TO_DATE, "OutOfDate", REVOKED)
_MODULE_BYTES = 2  # of TEE_TCB_SVN: minor and major version of the module, judged apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Status of each part in Intel's words.

    Attributes:
        parts: ``platform``, ``quoting enclave`` and, for a domain, ``tdx module``.
    """

    parts: Mapping[str, str]

    @property
    def current(self) -> bool:
        """Whether every part is up to date."""
        return set(self.parts.values()) == {UP_TO_DATE}


def read_levels(info: Mapping[str, Any], identity: Mapping[str, Any], sound: SoundQuote) -> Levels:
    """Return the level of each part.

    Args:
        info: TCB info that Intel signed for this platform.
        identity: Identity that Intel signed for this quoting enclave.
        sound: The quote.

    Raises:
        MalformedError: Levels of another form.
        EvidenceRefusedError: A part that is revoked, or at no level.
    """
    body = sound.quote.body
    domain = body if isinstance(body, Domain) else None
    parts = {"platform": _platform(info, sound, domain)}
    if domain is not None and domain.tee_tcb_svn[1]:
        parts["tdx module"] = _module(info, domain)
    parts["quoting enclave"] = _enclave(identity, sound.quote.enclave.svn)
    for name, status in parts.items():
        if status == REVOKED:
            raise _refused(name, REVOKED, "revoked")
    return Levels(parts=parts)


def require_agreement(levels: Levels, joined: str) -> None:
    """Refuse a joined status that is better than its parts, or worse than all of them.

    Raises:
        IntegrityError: The two verifiers disagree.
    """
    if levels.current != (joined == UP_TO_DATE):
        listed = ", ".join(f"{name} {status}" for name, status in levels.parts.items())
        raise IntegrityError(
            f"dcap second verifier: found {joined}, the first {listed}",
            code="dcap.second-status",
        )


def _platform(info: Mapping[str, Any], sound: SoundQuote, domain: Domain | None) -> str:
    platform = sound.platform
    for level in _levels(info, "tcb info"):
        tcb = level["tcb"]
        least = (*_svns(tcb, "sgxtcbcomponents"), _number(tcb, "pcesvn"))
        if not _reaches((*platform.components, platform.pcesvn), least):
            continue
        if domain is None or _reaches(*_tdx_svns(tcb, domain)):
            return _status(level)
    raise _refused("platform", "no level", "level")


def _tdx_svns(tcb: Mapping[str, Any], domain: Domain) -> tuple[Sequence[int], Sequence[int]]:
    # A module with a major version has levels of its own, in its identity.
    start = _MODULE_BYTES if domain.tee_tcb_svn[1] else 0
    return domain.tee_tcb_svn[start:], _svns(tcb, "tdxtcbcomponents")[start:]


def _module(info: Mapping[str, Any], domain: Domain) -> str:
    name = f"TDX_{domain.tee_tcb_svn[1]:02X}"
    identities = info.get("tdxModuleIdentities")
    found = [
        item
        for item in (identities if isinstance(identities, list) else [])
        if isinstance(item, dict) and item.get("id") == name
    ]
    if len(found) != 1:
        raise _refused("tdx module", f"no identity {name}", "module")
    for level in _levels(found[0], "tdx module"):
        if domain.tee_tcb_svn[0] >= _number(level["tcb"], "isvsvn"):
            return _status(level)
    raise _refused("tdx module", "no level", "level")


def _enclave(identity: Mapping[str, Any], svn: int) -> str:
    for level in _levels(identity, "qe identity"):
        if svn >= _number(level["tcb"], "isvsvn"):
            status = _status(level)
            if status not in _ENCLAVE_STATES:
                raise _refused("quoting enclave", status[:40], "qe-status")
            return status
    raise _refused("quoting enclave", "no level", "level")


def _levels(value: Mapping[str, Any], what: str) -> Iterator[Mapping[str, Any]]:
    levels = value.get("tcbLevels")
    if not isinstance(levels, list):
        raise _malformed(f"{what} without levels")
    for level in levels:
        if not isinstance(level, dict) or not isinstance(level.get("tcb"), dict):
            raise _malformed(f"{what} with a level of another form")
        yield level


def _svns(tcb: Mapping[str, Any], name: str) -> tuple[int, ...]:
    listed = tcb.get(name)
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise _malformed(f"a level without {name}")
    return tuple(_number(item, "svn") for item in listed)


def _number(value: Mapping[str, Any], name: str) -> int:
    found = value.get(name)
    if not isinstance(found, int) or isinstance(found, bool):
        raise _malformed(f"a level without a number {name}")
    return found


def _status(level: Mapping[str, Any]) -> str:
    found = level.get("tcbStatus")
    if not isinstance(found, str):
        raise _malformed("a level without a status")
    return found


def _reaches(found: Sequence[int], least: Sequence[int]) -> bool:
    if len(found) != len(least):
        raise _malformed(f"a level of {len(least)} versions against {len(found)}")
    return all(have >= need for have, need in zip(found, least, strict=True))


def _refused(part: str, found: str, cause: str) -> EvidenceRefusedError:
    return EvidenceRefusedError(
        f"dcap {part}: found {found} by Intel's account, agreed a level that counts",
        code=f"dcap.{cause}",
        hint="the firmware of this machine is withdrawn or unknown; update it, or fetch newer"
        " collateral",
    )


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"dcap collateral: found {found}", code="dcap.collateral")
