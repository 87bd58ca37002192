# SPDX-License-Identifier: Apache-2.0
"""The second verifier: dcap-qvl, which also derives the TCB level.

Two verifiers that share no code must both accept, because each kind of mistake
was once made by one of them. This one reads quote and collateral from the bytes
by itself; what it read is compared with what we read.
"""

from __future__ import annotations

import datetime as dt
import importlib
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.facts import UNAPPRAISED
from cleanroom.attestation.platforms.tdx.collateral import Collateral
from cleanroom.attestation.platforms.tdx.parse import PckName
from cleanroom.attestation.platforms.tdx.structure import SoundQuote
from cleanroom.errors import IntegrityError, UnavailableError
from cleanroom.kernel.record import dataclass

LIBRARY = "dcap_qvl"
STATUSES = frozenset(
    {
        "UpToDate",
        "SWHardeningNeeded",
        "ConfigurationNeeded",
        "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",
        "OutOfDateConfigurationNeeded",
        "TDRelaunchAdvised",
        "TDRelaunchAdvisedConfigurationNeeded",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How good a platform's firmware is, in Intel's words.

    Attributes:
        status: One of ``STATUSES``, or ``UNAPPRAISED``.
        advisories: Advisories that apply.
    """

    status: str
    advisories: frozenset[str]


NO_LEVEL = Level(status=UNAPPRAISED, advisories=frozenset())


def load_library(name: str = LIBRARY) -> ModuleType:
    """Import the second verifier when it is needed.

    Raises:
        UnavailableError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UnavailableError(
            f"{name}: not installed, and a TDX or SGX quote needs two verifiers",
            code="dcap.library",
            hint="install the extra: pip install 'cleanroom[tdx]'",
        ) from None


def require_second_opinion(
    sound: SoundQuote,
    collateral: Collateral,
    *,
    at: dt.datetime,
    load: Callable[[], ModuleType] = load_library,
) -> Level:
    """Return the TCB level, if the second verifier accepts the same quote too.

    Args:
        sound: A quote that our verifier accepted.
        collateral: The collateral that our checks accepted.
        at: The time to judge by.
        load: Returns the library.

    Raises:
        UnavailableError: The library is not installed.
        IntegrityError: It refuses, or it read something else than we did.
    """
    library = load()
    # Only the nine texts that we checked: from a tenth it would take another PCK chain. A
    # quote without a chain of its own gets the one that we verified, not what came along.
    texts = dict(collateral.texts)
    if isinstance(sound.quote.chain, PckName):
        texts["pck_certificate_chain"] = sound.chain.pem().decode("ascii")
    root = sound.chain.root.public_bytes(Encoding.DER)
    try:
        parsed = library.QuoteCollateralV3.from_json(json.dumps(texts))
        report = library.verify_with_root_ca(sound.quote.raw, parsed, root, int(at.timestamp()))
        written = json.loads(report.to_json())
    # The library raises ValueError alone; its words may quote the evidence.
    except ValueError:
        raise IntegrityError(
            "dcap second verifier: refused what the first accepted",
            code="dcap.second-verifier",
            hint="no TCB level may match, or the verifiers disagree; both must accept",
        ) from None
    if _report_data(written) != sound.quote.body.report_data.hex():
        raise IntegrityError(
            "dcap second verifier: read another report than the first", code="dcap.second-reading"
        )
    if report.status not in STATUSES:
        raise IntegrityError(
            "dcap second verifier: found a status beside " + ", ".join(sorted(STATUSES)),
            code="dcap.status",
        )
    return Level(status=report.status, advisories=frozenset(report.advisory_ids))


def _report_data(written: dict[str, Any]) -> str:
    bodies = list(written.get("report", {}).values())
    # A TDX 1.5 body holds the fields of 1.0 one level deeper.
    while len(bodies) == 1 and isinstance(bodies[0], dict) and "base" in bodies[0]:
        bodies = [bodies[0]["base"]]
    return str(bodies[0].get("report_data", "")) if len(bodies) == 1 else ""
