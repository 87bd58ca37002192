# SPDX-License-Identifier: Apache-2.0
"""Is this the one result of its run? Every owner's broker countersigned it, and only it.

Brokers countersign one receipt a run, whatever is retried. So whoever brings a
result, and however late: if all of them signed for it, there is no other.
"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.contract.logged_statement import logged_from_json
from cleanroom.contract.statements import verify_commit
from cleanroom.envelope.dsse import parse_envelope
from cleanroom.errors import IntegrityError, MalformedError
from cleanroom.identity.party import PartyDocument
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_RECEIPT_BYTES
from cleanroom.kernel.strict_json import parse_json

_WHAT = "receipt.json"
_MEMBER = "countersignatures"


def require_the_result(
    receipt: bytes, *, run: str, result: Digest, owners: Mapping[str, PartyDocument]
) -> None:
    """Raise unless all owners' brokers countersigned this receipt and result of this run.

    The rest of a receipt is judged by whoever reads it; here only one party's claim
    that it has a result is kept from standing in the place of the genuine one.

    Args:
        receipt: The file.
        run: Run id.
        result: Digest of the sealed result.
        owners: Owner to party document, of all owners of the run's contract.

    Raises:
        MalformedError: Not a receipt.
        IntegrityError: A countersignature is missing, forged, or of another receipt.
    """
    value = parse_json(receipt, what=_WHAT, limit=MAX_RECEIPT_BYTES)
    if not isinstance(value, dict) or not isinstance(value.get(_MEMBER), dict):
        raise MalformedError(f"{_WHAT}: has no countersignatures", code="hub.receipt")
    envelope = parse_envelope(
        {name: item for name, item in value.items() if name != _MEMBER},
        what=_WHAT,
        limit=MAX_RECEIPT_BYTES,
    )
    digest, found = Digest.of(envelope.payload), value[_MEMBER]
    for owner, document in owners.items():
        what = f"{_WHAT}: countersignature of {owner}"
        if owner not in found:
            raise IntegrityError(f"{what}: missing", code="hub.countersignature")
        commit = verify_commit(
            logged_from_json(found[owner], what=what).statement,
            party=owner,
            broker_key=document.broker_key,
            what=what,
        )
        digest.require(commit.receipt, what=f"{what}: receipt")
        result.require(commit.result, what=f"{what}: result")
        if commit.run != run:
            raise IntegrityError(f"{what}: of another run", code="hub.other-run")
