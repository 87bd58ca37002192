# SPDX-License-Identifier: Apache-2.0
"""Real NVIDIA evidence that lies beside the checkout, one device at a time."""

from __future__ import annotations

import base64
import datetime as dt
import json

from cleanroom.attestation.evidence import EvidenceItem
from cleanroom.attestation.platforms.nvidia_gpu import KINDS
from tests.support.shared_vectors import shared_vector

GPU, SWITCH = KINDS
AT = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)

PAIRS = {
    "nvtrust": ("nvtrust_hopper_report.hex", "nvtrust_hopper_certchain.pem"),
    "ccc": ("ccc_hopper_report.hex", "ccc_hopper_certchain.pem"),
    "sdk": ("sdk_hopper_report.hex", "sdk_hopper_certchain.pem"),
    "sdk-570": ("sdk_hopper_report_expired.hex", "sdk_hopper_certchain_expired.pem"),
}
LISTS = {
    "nvtrust_ppcie_gpu_evidence.json": 8,
    "nvtrust_ppcie_switch_evidence.json": 4,
    "sdk_hopper_evidence.json": 1,
    "sdk_hopper_evidence_cert_hold.json": 1,
    "sdk_hopper_590_12.json": 1,
    "sdk_switch_evidence_ls10.json": 1,
}
NAMES = [*PAIRS, *(f"{name}/{number}" for name, count in LISTS.items() for number in range(count))]
DRIVER_RIM = "nvtrust_driver_rim_545.00.swidtag"
VBIOS_RIM = "nvtrust_vbios_rim_96005E0001_test.swidtag"


def real_device(name: str) -> tuple[EvidenceItem, bytes]:
    """Return the evidence of one device, and the nonce that it says to have answered."""
    if name in PAIRS:
        report, chain = (shared_vector("nvidia", file) for file in PAIRS[name])
        return GPU.intake(report, [chain]), bytes.fromhex(report.decode())[4:36]
    file, _, number = name.partition("/")
    entry = json.loads(shared_vector("nvidia", file))[int(number)]
    kind = SWITCH if entry["arch"] == "LS10" else GPU
    item = kind.intake(json.dumps(entry).encode(), [])
    return item, bytes.fromhex(entry["nonce"])


def complete_device() -> EvidenceItem:
    """Return the one real device whose both manifests are there."""
    report, chain = (shared_vector("nvidia", file) for file in PAIRS["ccc"])
    return GPU.intake(report, [chain, manifest(DRIVER_RIM), manifest(VBIOS_RIM)])


def manifest(name: str) -> bytes:
    """Return a real manifest."""
    data = shared_vector("nvidia", name)
    return base64.b64decode(data) if name.endswith(".b64") else data
