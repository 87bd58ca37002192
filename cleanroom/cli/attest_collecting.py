# SPDX-License-Identifier: Apache-2.0
"""Ask this machine for evidence on the command line."""

from __future__ import annotations

from pathlib import Path

from cleanroom.attestation.binding import check_binding_length
from cleanroom.attestation.collectors import collector_for
from cleanroom.attestation.evidence import Evidence, encode_evidence
from cleanroom.cli.attesting import chosen_octets
from cleanroom.cli.session import Session
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.files import write_atomic
from cleanroom.runner.collecting import machine_collectors


def collect_evidence(session: Session, *, kind: str, binding: str, out: Path) -> None:
    """Collect evidence over 64 bytes and write it, or say what the machine lacks.

    Raises:
        MalformedError: The binding is not 64 bytes.
        UnavailableError: The machine lacks the device, with its path, or it does not answer.
    """
    octets = chosen_octets(binding, option="--binding")
    check_binding_length(octets)
    item = collector_for(kind, collectors=machine_collectors()).collect(binding=octets)
    data = encode_evidence(Evidence.of(item))
    write_atomic(out, data)
    digest = str(Digest.of(data))
    session.emit({"kind": kind, "evidence": digest, "file": out.name}, f"{kind} {digest}")
