# SPDX-License-Identifier: Apache-2.0
"""One attested run whose parts a test can change one at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from cleanroom.attestation.binding import bind64
from cleanroom.attestation.evidence import Evidence
from cleanroom.attestation.platforms.simulated.collect import collect
from cleanroom.attestation.platforms.simulated.parse import encode_signed
from cleanroom.attestation.platforms.simulated.root import published_key, published_root
from cleanroom.attestation.runtime_data import RuntimeData, make_runtime_data
from cleanroom.contract.contract import AttestationProfile, Forbidden, NoCollateral, Waived
from cleanroom.kernel.digest import Digest

NOW = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.UTC)
RUNNER = Digest.of(b"the agreed runner")
OTHER_RUNNER = Digest.of(b"a runner that nobody agreed to")
MAX_AGE = dt.timedelta(minutes=5)


def make_profile(**changes: Any) -> AttestationProfile:
    """Make the clause of a trial contract, with clauses changed by name."""
    clauses: dict[str, Any] = {
        "platforms": frozenset({"simulated"}),
        "measurements": frozenset({RUNNER}),
        "debug": Forbidden(),
        "max_evidence_age": MAX_AGE,
        "max_collateral_age": NoCollateral(),
        "clauses": (),
    }
    return AttestationProfile(**(clauses | changes))


def waived(reason: str) -> Waived:
    """Make a waiver of the debug clause."""
    return Waived(reason=reason)


def make_runtime(**changes: Any) -> RuntimeData:
    """Make the runtime data of one run of two owners."""
    members: dict[str, Any] = {
        "contract": Digest.of(b"contract"),
        "query": Digest.of(b"query"),
        "run_request": Digest.of(b"run request"),
        "run": "run-00000001",
        "runner": RUNNER,
        "sign_key": b"s" * 32,
        "hpke_key": b"h" * 1216,
        "gpus": (),
        "nonces": {"hospital": b"n" * 32, "insurer": b"m" * 32},
    }
    return make_runtime_data(**(members | changes))


def make_evidence(
    runtime: RuntimeData, *, measurement: Digest = RUNNER, issued_at: dt.datetime = NOW
) -> Evidence:
    """Collect simulated evidence over a run."""
    return Evidence.of(
        collect(binding=bind64(runtime.raw), measurement=measurement, issued_at=issued_at)
    )


def make_debug_evidence(runtime: RuntimeData) -> Evidence:
    """Sign a report whose debug flag is on, as any holder of the published key can."""
    signed = encode_signed(
        debug=True, issued_at=NOW, measurement=RUNNER, report_data=bind64(runtime.raw)
    )
    return sign_report(signed)


def sign_report(signed: bytes, *, collateral: Mapping[str, bytes] | None = None) -> Evidence:
    """Sign arbitrary report bytes with the published key."""
    return Evidence(
        platform="simulated",
        report=signed + published_key().sign(signed),
        collateral={"root": published_root()} if collateral is None else collateral,
        devices=(),
    )
