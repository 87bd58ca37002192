# SPDX-License-Identifier: Apache-2.0
"""Examine a stranger's evidence: what it is, whether it is genuine, what it says.

No contract is involved, so nothing here can lead to a key: the outcome is a list
of lines for a reader. What no careful relying party accepts without saying so
(debug mode) is refused; what many still run (a broken product) is a warning.
"""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from cleanroom.attestation import registry
from cleanroom.attestation.binding import BINDING_BYTES, Channel, expected_in
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import (
    GpuFacts,
    MaaFacts,
    NoManifest,
    NoRuntimeLog,
    QuoteFacts,
    SnpFacts,
    TdxFacts,
)
from cleanroom.attestation.foreign_facts import SgxFacts
from cleanroom.attestation.platform import Check, Claims, Kind, TokenVerifier
from cleanroom.attestation.progress import listening
from cleanroom.attestation.tokens.keys import trust_key_set
from cleanroom.attestation.verifier import require_declared
from cleanroom.contract.attestation_profile import BROKEN_PRODUCTS
from cleanroom.errors import CleanroomError, EvidenceRefusedError, MalformedError
from cleanroom.kernel.record import dataclass

UP_TO_DATE = "UpToDate"
_INTELS = (b'"tcbInfo"', b'"enclaveIdentity"', b'"tcb_info"')
_UNKNOWN = "no kind that is known"
ALIASES = {
    "az-snp-vtpm": "snp-azure-vtpm",
    "az-tdx-vtpm": "tdx-azure-vtpm",
    "sgx": "sgx-dcap",
    "sim": "simulated",
    "sample": "simulated",
    "sev-snp": "snp",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Nonce:
    """What a stranger's verifier sent to be put into the evidence.

    Attributes:
        value: All of it; never compared as a prefix.
        place: Where it must be found; empty means the kind's usual place.
    """

    value: bytes
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCompared:
    """Nobody says which nonce was sent, so the evidence may be of any time and purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What the reader accepts although no contract would by default.

    Attributes:
        debug: Evidence of a machine that its host can look into.
    """

    debug: bool


def kind_named(name: str) -> Kind:
    """Find a kind by its name or by Trustee's.

    Raises:
        MalformedError: No such kind.
    """
    known = {kind.name: kind for kind in registry.all_kinds()}
    wanted = ALIASES.get(name, name)
    if wanted not in known:
        raise MalformedError(
            f"kind: found {name!r}, agreed {', '.join(sorted(known))}",
            code="attestation.kind",
            hint="cleanroom attest kinds",
        )
    return known[wanted]


def trusting(kind: Kind, document: bytes, *, issuer: str, at: dt.datetime) -> Kind:
    """Return a kind that believes a key set because the reader vouches for it.

    Raises:
        MalformedError: The kind has no key sets, or the document is none.
    """
    if not isinstance(kind.verifier, TokenVerifier):
        raise MalformedError(
            f"key set: {kind.name} believes pinned roots only", code="attestation.key-set"
        )
    vouched = trust_key_set(document, issuer=issuer, fetched_at=at)
    return replace(kind, verifier=kind.verifier.trusting(vouched))


def recognise(data: bytes) -> Kind:
    """Find the one kind that bytes look like.

    Raises:
        MalformedError: None of them, or several.
    """
    found = [kind for kind in registry.all_kinds() if kind.recognises(data)]
    if len(found) != 1:
        names = ", ".join(kind.name for kind in found)
        beside = _resembles(data)
        raise MalformedError(
            f"evidence: found {f'what could be {names}' if found else beside},"
            " agreed one kind of evidence",
            code="attestation.kind",
            hint="name it with --kind; cleanroom attest kinds lists them"
            if found or beside == _UNKNOWN
            else "give it with --collateral, beside the report that it belongs to",
        )
    return found[0]


def _resembles(data: bytes) -> str:
    """Name what people take for evidence and what only comes beside it."""
    text = data.lstrip()
    for words, holds in (
        ("certificates", text.startswith(b"-----BEGIN CERTIFICATE")),
        ("a revocation list", text.startswith(b"-----BEGIN X509 CRL")),
        ("a certificate or list in DER", _is_der(data)),
        ("collateral of Intel's", any(name in text for name in _INTELS)),
        ("a key set", text.startswith(b"{") and b'"keys"' in text and b'"kty"' in text),
        ("a firmware's event log", b"Spec ID Event03" in data[:128]),
    ):
        if holds:
            return words
    return _UNKNOWN


def _is_der(data: bytes) -> bool:
    # A sequence whose length of two bytes is all the rest.
    return data[:2] == b"\x30\x82" and int.from_bytes(data[2:4], "big") == len(data) - 4


def examine(
    kind: Kind,
    item: EvidenceItem,
    *,
    nonce: Nonce | NotCompared,
    accepted: Accepted,
    at: dt.datetime,
    tell: Callable[[Check], None],
) -> Claims:
    """Verify one piece of evidence and tell each check that held, also before a refusal.

    Raises:
        MalformedError: Not of its format, or the nonce belongs into no place of it.
        IntegrityError: A signature, pin or digest does not match.
        EvidenceRefusedError: Out of its time, another nonce, or debug mode.
        UnavailableError: An optional package that this kind needs is not installed.
    """
    with listening() as steps:
        try:
            claims = kind.verifier.verify(item, at=at)
        except CleanroomError:
            # A reader of a refusal learns how far the evidence came.
            for step in steps:
                tell(Check(name=step, found="holds"))
            raise
    if _answers(kind):
        require_declared(kind.verifier, claims)
    for check in claims.checks:
        tell(check)
    if isinstance(nonce, NotCompared):
        if _answers(kind):
            tell(Check(name="nonce", found="NOT COMPARED: none was given, so it may be a replay"))
    else:
        tell(_compare(kind, claims, nonce))
    tell(_judge_debug(claims, accepted))
    return claims


def _answers(kind: Kind) -> bool:
    # What a vendor published for everybody answers nobody's question. Nothing of that kind
    # is bound to a run, so none of it leads to a key.
    return kind.verifier.carriers != {}


def warnings_about(claims: Claims) -> tuple[str, ...]:
    """List what genuine evidence leaves open, worst first."""
    return tuple(_warnings(claims))


def _compare(kind: Kind, claims: Claims, nonce: Nonce) -> Check:
    place = nonce.place or kind.verifier.nonce_place
    for item in claims.carried:
        if item.place != place:
            continue
        if hmac.compare_digest(item.found, nonce.value):
            return Check(name="nonce", found=f"{place} carries exactly what was given")
        if _is_ours(item.channel, item.found, nonce.value):
            return Check(name="nonce", found=f"{place} carries what is derived from the binding")
        raise EvidenceRefusedError(
            f"nonce: {place} carries {item.found.hex()}, given {nonce.value.hex()}",
            code="attestation.binding",
            hint="the evidence was made for another request, or is a replay",
        )
    places = ", ".join(item.place for item in claims.carried) or "none"
    raise MalformedError(
        f"nonce: found no place {place!r}, agreed one of {places}", code="attestation.place"
    )


def _is_ours(channel: Channel, found: bytes, given: bytes) -> bool:
    if channel is Channel.FREE or len(given) != BINDING_BYTES:
        return False
    return hmac.compare_digest(expected_in(channel, given), found)


def _judge_debug(claims: Claims, accepted: Accepted) -> Check:
    if not claims.debug:
        return Check(name="debug", found="off")
    if not accepted.debug:
        raise EvidenceRefusedError(
            "debug: found on, agreed forbidden",
            code="attestation.debug",
            hint="its host can read its memory; --accept-debug to look at it all the same",
        )
    return Check(name="debug", found="ON, accepted by the reader: its host can read its memory")


def _warnings(claims: Claims) -> Iterable[str]:
    if not claims.confidential:
        yield f"NOT CONFIDENTIAL: {claims.platform} protects no memory from its host"
    for fact in claims.facts:
        if isinstance(fact, SnpFacts):
            yield from _snp_warnings(fact)
        elif isinstance(fact, TdxFacts | SgxFacts):
            yield from _intel_warnings(fact)
        elif isinstance(fact, QuoteFacts):
            yield from _quote_warnings(fact)
        elif isinstance(fact, GpuFacts):
            yield from _gpu_warnings(fact)
        elif isinstance(fact, MaaFacts) and fact.guest:
            yield "guest attestation: the hardware measured firmware, and nothing that runs on it"


def _snp_warnings(fact: SnpFacts) -> Iterable[str]:
    if fact.product in BROKEN_PRODUCTS:
        yield f"{fact.product} is broken (arXiv 2605.12990): contracts deny it by default"
    if fact.vmpl:
        yield f"asked for at privilege level {fact.vmpl}, not by the most privileged software"


def _intel_warnings(fact: TdxFacts | SgxFacts) -> Iterable[str]:
    if fact.tcb_status != UP_TO_DATE:
        advisories = ", ".join(sorted(fact.advisories)) or "none named"
        yield f"firmware is {fact.tcb_status} by Intel's account; advisories: {advisories}"


def _quote_warnings(fact: QuoteFacts) -> Iterable[str]:
    if fact.key_trust == "unproven":
        yield "nobody vouches for the attestation key: any software could hold it"
    if isinstance(fact.runtime, NoRuntimeLog):
        yield "no log of the runtime register: it does not say which code runs now"


def _gpu_warnings(fact: GpuFacts) -> Iterable[str]:
    if isinstance(fact.driver_rim, NoManifest) or isinstance(fact.vbios_rim, NoManifest):
        yield "no reference manifest for driver and VBIOS: their measurements were not judged"
    if fact.revocation != "checked":
        yield "revocation unknown: no OCSP answers were given"


def make_item(kind: Kind, report: bytes, files: Sequence[bytes]) -> EvidenceItem:
    """Make evidence of a stranger's files.

    Raises:
        MalformedError: They are not what the kind needs.
    """
    return kind.intake(report, files)
