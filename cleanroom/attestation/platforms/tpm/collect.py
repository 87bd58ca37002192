# SPDX-License-Identifier: Apache-2.0
"""Make the report of a machine with a TPM: extend, quote, read the logs.

The runner extends itself, the contract and the query before anything of them runs,
and refuses to start where the register was touched already: whoever extended it
first could have written the same three digests and then something else.
This module and what it imports stand alone (no cryptography), so that it also runs
in a small initial file system.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from cleanroom.attestation.binding import Channel, bind32
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import NoRuntimeLog, RuntimeEvent, RuntimeLog
from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.client import Tpm
from cleanroom.attestation.platforms.tpm.ima import REGISTER, until
from cleanroom.attestation.platforms.tpm.parse import PcrSelection
from cleanroom.attestation.platforms.tpm.report import TpmReport, encode_report
from cleanroom.attestation.platforms.tpm.transport import DEVICE, Transport
from cleanroom.attestation.runtime_log import extended_digest
from cleanroom.errors import EvidenceRefusedError
from cleanroom.kernel.record import dataclass

EVENT_LOG_FILE = Path("sys/kernel/security/tpm0/binary_bios_measurements")
IMA_LOG_FILE = Path("sys/kernel/security/ima/binary_runtime_measurements")

Connect = Callable[[], AbstractContextManager[Transport]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TpmCollector:
    """Collect evidence of one kind from one TPM.

    Attributes:
        platform: Name of the kind that it makes.
        connect: Opens the TPM.
        root: Root of the file system that the logs are read from.
        selection: Bank and registers that the contract wants quoted.
        register: The runtime register, one of them.
        events: What the runner extends, in order.
    """

    platform: str
    connect: Connect
    root: Path
    selection: PcrSelection
    register: int
    events: tuple[RuntimeEvent, ...]

    def missing(self) -> tuple[str, ...]:
        """Say what this machine lacks."""
        device = self.root / DEVICE.relative_to("/")
        if device.exists():
            return ()
        return (f"{device}: not there; no TPM 2.0, or a kernel without its driver",)

    def collect(self, *, binding: bytes) -> EvidenceItem:
        """Extend the runtime register, quote, and read the logs.

        Raises:
            MalformedError: The binding is not 64 bytes.
            EvidenceRefusedError: The runtime register is not zero any more.
            UnavailableError: The TPM is missing or refuses.
        """
        with self.connect() as transport:
            report = quoted_report(
                Tpm(transport),
                binding=binding,
                selection=self.selection,
                register=self.register,
                events=self.events,
            )
        return EvidenceItem(
            platform=self.platform,
            report=encode_report(report),
            collateral=dict(self._logs(report.values)),
        )

    def _logs(self, values: Mapping[int, bytes]) -> Iterator[tuple[str, bytes]]:
        event_log = self.root / EVENT_LOG_FILE
        if event_log.is_file():
            yield "event-log", event_log.read_bytes()
        ima_log = self.root / IMA_LOG_FILE
        if ima_log.is_file() and REGISTER in values:
            # The kernel goes on measuring; entries behind the quote are another quote's.
            log = until(ima_log.read_bytes(), value=values[REGISTER], bank=self.selection.bank)
            yield "ima-log", log


def quoted_report(
    tpm: Tpm,
    *,
    binding: bytes,
    selection: PcrSelection,
    register: int,
    events: Sequence[RuntimeEvent],
) -> TpmReport:
    """Extend the runtime register with events, then quote.

    Args:
        tpm: The TPM to ask.
        binding: The 64 bytes that the evidence is bound to.
        selection: Bank and registers to quote.
        register: The runtime register, one of them.
        events: What is extended, in order; none outside a run.

    Raises:
        MalformedError: The binding is not 64 bytes.
        EvidenceRefusedError: The runtime register is not zero any more.
        UnavailableError: The TPM refuses.
    """
    qualifying_data = bind32(Channel.TPM, binding)
    # Without events nothing is claimed about running code, and no register is touched.
    if events:
        _extend(tpm, bank=selection.bank, register=register, events=events)
    values = tpm.read_registers(selection)
    with tpm.attestation_key() as key:
        quote, signature = tpm.quote(key, qualifying_data=qualifying_data, selection=selection)
    return TpmReport(
        quote=quote,
        signature=signature,
        key=key.public,
        values=values,
        runtime=RuntimeLog(register=register, events=tuple(events)) if events else NoRuntimeLog(),
    )


def _extend(tpm: Tpm, *, bank: Hash, register: int, events: Sequence[RuntimeEvent]) -> None:
    runtime = PcrSelection(bank=bank, pcrs=frozenset({register}))
    if any(tpm.read_registers(runtime)[register]):
        raise EvidenceRefusedError(
            f"TPM register {register}: found extended, agreed zero at the start",
            code="tpm.register-used",
            hint="one start of the machine serves one run; start it again",
        )
    for event in events:
        tpm.extend(register, extended_digest(event, hashed=bank.digest), bank=bank)
