# SPDX-License-Identifier: Apache-2.0
"""Evidence of a machine with a TPM, collected through the product from a fake one."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography import x509

from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.facts import RuntimeEvent
from cleanroom.attestation.platforms.tpm.algorithms import Hash
from cleanroom.attestation.platforms.tpm.collect import (
    EVENT_LOG_FILE,
    IMA_LOG_FILE,
    TpmCollector,
)
from cleanroom.attestation.platforms.tpm.event_log import parse_event_log, replay
from cleanroom.attestation.platforms.tpm.ima import parse_ima_log, replay_ima
from cleanroom.attestation.platforms.tpm.parse import PcrSelection
from cleanroom.attestation.platforms.tpm.report import TpmReport, encode_report, parse_report
from cleanroom.attestation.platforms.tpm.transport import Transport
from cleanroom.attestation.runtime_log import events_of
from tests.support.attested_runs import make_runtime
from tests.support.source_tree import ROOT as ROOT_DIRECTORY
from tests.support.test_pki import Authority, issue, make_root
from tests.support.tpm_fake import FakeTpm
from tests.support.tpm_forge import AK
from tests.support.tpm_logs import EFI_ACTION, SEPARATOR, Entry, event_log, ima_entry

RUNTIME = make_runtime()
BINDING = bind64(RUNTIME.raw)
EVENTS = events_of(runner=RUNTIME.runner, contract=RUNTIME.contract, query=RUNTIME.query)
SELECTION = PcrSelection(bank=Hash.SHA256, pcrs=frozenset({*range(11), 14}))
EVENT_LOG = event_log(
    Entry(register=0, kind=8, data=b"firmware"),
    Entry(register=4, data=b"boot loader"),
    *(Entry(register=index, kind=SEPARATOR, data=bytes(4)) for index in range(8)),
    Entry(register=9, kind=EFI_ACTION, data=b"kernel and initial file system"),
)
IMA_LOG = ima_entry(b"boot_aggregate", b"aggregate") + ima_entry(b"/usr/bin/python3", b"python")

ROOT = make_root("TPM maker")
INTERMEDIATE = issue("TPM maker, attestation keys", issuer=ROOT, ca=True)


def certificates(key: Any, *, issuer: Authority = INTERMEDIATE, **changes: Any) -> bytes:
    """Certify a key below the test root; returns the chain as PEM, its own first."""
    leaf = issue("attestation key", issuer=issuer, key=key, **changes)
    return leaf.pem + issuer.pem + ROOT.pem


def machine(root: Path, *, logs: bool = True) -> FakeTpm:
    """Make a started machine: registers that its logs explain, and the logs as files."""
    fake = FakeTpm()
    (root / "dev").mkdir(parents=True)
    (root / "dev" / "tpmrm0").touch()
    if logs:
        for name, data in ((EVENT_LOG_FILE, EVENT_LOG), (IMA_LOG_FILE, IMA_LOG)):
            (root / name).parent.mkdir(parents=True)
            (root / name).write_bytes(data)
        fake.registers |= replay(parse_event_log(EVENT_LOG), bank=Hash.SHA256)
        fake.registers[10] = replay_ima(parse_ima_log(IMA_LOG), bank=Hash.SHA256)
    return fake


def collector(root: Path, fake: Transport, **changes: Any) -> TpmCollector:
    """Make the collector of a run on that machine."""

    @contextlib.contextmanager
    def connect() -> Iterator[Transport]:
        yield fake

    made = TpmCollector(
        platform="tpm",
        connect=connect,
        root=root,
        selection=SELECTION,
        register=14,
        events=EVENTS,
    )
    return replace(made, **changes)


def collected(root: Path, *, certified: bool = False, **changes: Any) -> EvidenceItem:
    """Collect good evidence; ``certified`` adds the key's certificates."""
    item = collector(root, machine(root), **changes).collect(binding=BINDING)
    if not certified:
        return item
    return with_items(item, **{"ak-certificates": certificates(AK.private)})


def with_items(item: EvidenceItem, **items: bytes | None) -> EvidenceItem:
    """Replace items of the collateral; None removes one."""
    kept = dict(item.collateral) | items
    return replace(item, collateral={name: data for name, data in kept.items() if data is not None})


def with_report(item: EvidenceItem, **changes: Any) -> EvidenceItem:
    """Change fields of the report."""
    report: TpmReport = replace(parse_report(item.report), **changes)
    return replace(item, report=encode_report(report))


def with_events(
    item: EvidenceItem, events: Sequence[RuntimeEvent], register: int = 14
) -> EvidenceItem:
    """Change the runtime log of the report."""
    log = replace(parse_report(item.report).runtime, events=tuple(events), register=register)
    return with_report(item, runtime=log)


def certificate_of(pem: bytes) -> x509.Certificate:
    """Read the first certificate of a chain."""
    return x509.load_pem_x509_certificates(pem)[0]


SERVE = """#!{python} -IB
import socket, sys
sys.path.insert(0, {root!r})
from tests.support.tpm_fake import FakeTpm
fake, line = FakeTpm(), socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
while command := line.recv(4096):
    line.sendall(fake(command))
"""


def fake_swtpm(directory: Path) -> str:
    """Put a program named swtpm into a directory that serves the fake; returns its path."""
    program = directory / "swtpm"
    program.write_text(SERVE.format(python=sys.executable, root=str(ROOT_DIRECTORY)))
    program.chmod(0o755)
    return str(directory)
