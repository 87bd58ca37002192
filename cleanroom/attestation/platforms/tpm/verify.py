# SPDX-License-Identifier: Apache-2.0
"""Is this report of a machine with a TPM genuine? One numbered list.

Pure. Each step names the attack that it stops; the steps inside a quote are in
:mod:`quote`. Which values, registers and keys are good enough is the contract's
business and is compared in the appraisal.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import ClassVar

from cleanroom.attestation.binding import Channel
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import Facts, NoRuntimeLog, QuoteFacts, RuntimeLog
from cleanroom.attestation.platform import Check, Claims
from cleanroom.attestation.platforms.tpm import ima
from cleanroom.attestation.platforms.tpm.claims import PLACE, claims_of
from cleanroom.attestation.platforms.tpm.endorsement import require_certified
from cleanroom.attestation.platforms.tpm.event_log import (
    parse_event_log,
    replay,
    require_replayed,
)
from cleanroom.attestation.platforms.tpm.parse import parse_quote, parse_signature
from cleanroom.attestation.platforms.tpm.public import (
    QuoteKey,
    is_public_area,
    load_bare_key,
    parse_public,
    require_quote_key,
)
from cleanroom.attestation.platforms.tpm.quote import QuotedRegisters, verify_unbound_quote
from cleanroom.attestation.platforms.tpm.report import TpmReport, parse_report
from cleanroom.attestation.progress import held
from cleanroom.attestation.runtime_log import require_runtime_log
from cleanroom.errors import EvidenceRefusedError, MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass

CERTIFICATES = "ak-certificates"
EVENT_LOG = "event-log"
IMA_LOG = "ima-log"
ITEMS = frozenset({CERTIFICATES, EVENT_LOG, IMA_LOG})
CERTIFIED, UNPROVEN, UNKNOWN = "vendor-certificate", "unproven", "attributes-unknown"

_KEY_WORDS = {
    CERTIFIED: "restricted to quotes, certified below a pinned root",
    UNPROVEN: "restricted to quotes; that it lives in a TPM is its owner's word",
    UNKNOWN: "attributes not shown: it may sign anything",
}

_FIRMWARE = frozenset(range(8))  # registers that only firmware extends before the boot loader


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmVerifier:
    """Verify reports of machines with a TPM.

    Attributes:
        name: Name of the kind, as a contract writes it.
        roots: SHA-256 of the root certificates below which attestation keys are certified.
    """

    name: str
    roots: tuple[Digest, ...]

    # Tell that a TPM protects no memory from its host.
    confidential: ClassVar[bool] = False
    # The one place that the guest fills in.
    carriers: ClassVar[Mapping[str, Channel]] = MappingProxyType({PLACE: Channel.TPM})
    nonce_place: ClassVar[str] = PLACE
    facts: ClassVar[tuple[type[Facts], ...]] = (QuoteFacts,)

    @property
    def platform(self) -> str:
        """Name of the kind."""
        return self.name

    def verify(self, item: EvidenceItem, *, at: dt.datetime) -> Claims:
        """Return what a genuine report claims.

        Raises:
            MalformedError: 1. Not of its format, or 3. not a quote.
            EvidenceRefusedError: 2. The key may sign foreign data. 3. Several banks are
                quoted. 4. A certificate is out of its time.
            IntegrityError: 3. A signature or digest, 4. a certificate, or 5. to 7. a log
                does not match.
        """
        # 1. Closed and canonical: what nobody reads is a place to hide things.
        report = parse_report(item.report)
        if not item.collateral.keys() <= ITEMS:
            raise MalformedError(
                f"TPM evidence: collateral other than {', '.join(sorted(ITEMS))}",
                code="tpm.collateral",
            )
        # 2. An unrestricted key signs any bytes that look like a quote.
        key = _quote_key(report)
        held("form of the report, restricted key")
        # 3. Magic, type, signature, selection and values.
        registers = _registers(report, key)
        held(f"quote: signed, over exactly {registers.selection}")
        # 4. The key in a report is the attester's word. Only a chain to a pinned root,
        # or a contract that names the key, makes it more.
        key_trust = self._key_trust(item, report, key, at=at)
        held(f"attestation key: {_KEY_WORDS[key_trust]}")
        # 5. What was about to run, and that nothing else was extended before or after.
        runtime = _runtime_log(report, registers)
        held(f"runtime log: {_runtime_words(runtime)}")
        # 6. and 7. Logs explain quoted values completely or are not believed at all.
        checks = [
            Check(name="quote", found=f"signed, over exactly {registers.selection}"),
            Check(name="attestation key", found=_KEY_WORDS[key_trust]),
            Check(name="runtime log", found=_runtime_words(runtime)),
            *_event_log(item, registers),
            *_ima_log(item, registers),
        ]
        return claims_of(
            registers,
            platform=self.name,
            key=key,
            key_trust=key_trust,
            runtime=runtime,
            checks=checks,
        )

    def _key_trust(
        self, item: EvidenceItem, report: TpmReport, key: QuoteKey, *, at: dt.datetime
    ) -> str:
        chain = item.collateral.get(CERTIFICATES)
        # A chain that does not hold is refused, never passed over as if it were absent.
        if chain is not None:
            what = "TPM attestation certificate"
            require_certified(chain, key.key, roots=self.roots, at=at, what=what)
        # Whoever signs with a key of unknown attributes may sign anything: this is a
        # trust of its own that no contract can name.
        if not is_public_area(report.key):
            return UNKNOWN
        return UNPROVEN if chain is None else CERTIFIED


def _quote_key(report: TpmReport) -> QuoteKey:
    if not is_public_area(report.key):
        signature = parse_signature(report.signature)
        return load_bare_key(report.key, scheme=signature.scheme, hashed=signature.hash)
    return require_quote_key(parse_public(report.key))


def _registers(report: TpmReport, key: QuoteKey) -> QuotedRegisters:
    # The appraisal compares the selection with the contract's; here the values have to
    # belong to exactly what was quoted.
    selections = parse_quote(report.quote).selections
    if len(selections) != 1:
        raise EvidenceRefusedError(
            f"TPM registers: found {len(selections)} selections, agreed one bank",
            code="tpm.selection",
        )
    return verify_unbound_quote(
        report.quote,
        signature=parse_signature(report.signature),
        key=key,
        selection=selections[0],
        values=report.values,
    )


def _runtime_log(report: TpmReport, registers: QuotedRegisters) -> RuntimeLog | NoRuntimeLog:
    if isinstance(report.runtime, NoRuntimeLog):
        return report.runtime
    return require_runtime_log(
        report.runtime,
        value=registers.values.get(report.runtime.register, b""),
        hashed=registers.selection.bank.digest,
    )


def _runtime_words(runtime: RuntimeLog | NoRuntimeLog) -> str:
    if isinstance(runtime, NoRuntimeLog):
        return "none: nothing is said about what runs"
    names = ", ".join(event.name for event in runtime.events)
    return f"register {runtime.register} holds exactly {names or 'nothing'}"


def _event_log(item: EvidenceItem, registers: QuotedRegisters) -> Iterator[Check]:
    data = item.collateral.get(EVENT_LOG)
    if data is None:
        return
    bank = registers.selection.bank
    log = parse_event_log(data)
    explained = (_FIRMWARE | replay(log, bank=bank).keys()) & registers.selection.pcrs
    require_replayed(log, values=registers.values, bank=bank, registers=frozenset(explained))
    listed = ", ".join(map(str, sorted(explained)))
    yield Check(name="event log", found=f"{len(log.events)} entries replay to {listed}")


def _ima_log(item: EvidenceItem, registers: QuotedRegisters) -> Iterator[Check]:
    data = item.collateral.get(IMA_LOG)
    if data is None:
        return
    entries = ima.parse_ima(data)
    value = registers.values.get(ima.REGISTER, b"")
    ima.require_ima_replayed(entries, value=value, bank=registers.selection.bank)
    yield Check(name="IMA log", found=f"{len(entries)} files replay to register {ima.REGISTER}")
