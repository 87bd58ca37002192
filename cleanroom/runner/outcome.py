# SPDX-License-Identifier: Apache-2.0
"""What a receiver finds in a sealed result: a table, or the rule that withheld it.

Both forms are padded to the same steps, so an operator cannot tell by its size
whether a run was refused.
"""

from __future__ import annotations

import json
from typing import Any

from cleanroom.disclosure.decide import Released
from cleanroom.disclosure.result import ResultTable, decode_result, encode_result
from cleanroom.errors import CleanroomError, DisclosureRefusedError, MalformedError
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.limits import MAX_RESULT_BYTES
from cleanroom.kernel.strict_json import parse_json
from cleanroom.receipt.model import CheckRecord, ReceiptBody
from cleanroom.vault.sealed_result import ResultContext, open_result

REFUSAL_FORMAT = "cleanroom.refused-result.v0"
_WHAT = "result"


def encode_answer(released: Released) -> bytes:
    """Write a released table for its receivers."""
    return encode_result(released)


def encode_refusal(refusal: CleanroomError) -> bytes:
    """Write why nothing was released; the words are our own and hold no data value."""
    return canonical_json(
        {
            "format": REFUSAL_FORMAT,
            "code": refusal.code,
            "message": refusal.message,
            "hint": refusal.hint,
        }
    )


def read_result(
    sealed: bytes, body: ReceiptBody, *, party: str, receiving: ReceivingKey
) -> ResultTable:
    """Open a sealed result as one of its receivers.

    Raises:
        RefusedError: It is not sealed to this party.
        IntegrityError: It is another run's, or altered.
        DisclosureRefusedError: The gate released nothing; says which rule.
    """
    context = ResultContext(
        run=body.run,
        contract=body.contract.digest,
        query=body.query.digest,
        run_request=body.run_request,
    )
    opened = open_result(sealed, context=context, party=party, receiving=receiving)
    value = parse_json(opened, what=_WHAT, limit=MAX_RESULT_BYTES)
    if isinstance(value, dict) and value.get("format") == REFUSAL_FORMAT:
        raise _refusal(value)
    return decode_result(opened)


def checks_of(released: Released) -> tuple[CheckRecord, ...]:
    """Write the gate's checks as a receipt records them."""
    return tuple(
        CheckRecord(
            rule=check.rule,
            parameters=check.parameters,
            verdict=check.verdict,
            withheld=check.withheld,
        )
        for check in released.checks
    )


def checks_to_json(checks: tuple[CheckRecord, ...]) -> bytes:
    """Write checks for the sealed state, to be repeated with the stored answer."""
    return canonical_json(
        [[check.rule, dict(check.parameters), check.verdict, check.withheld] for check in checks]
    )


def checks_from_json(data: bytes) -> tuple[CheckRecord, ...]:
    """Read checks back from the sealed state, which only a runner writes."""
    return tuple(
        CheckRecord(rule=rule, parameters=parameters, verdict=verdict, withheld=withheld)
        for rule, parameters, verdict, withheld in json.loads(data)
    )


def _refusal(value: dict[str, Any]) -> CleanroomError:
    words = {name: value.get(name) for name in ("code", "message", "hint")}
    if not all(isinstance(word, str) for word in words.values()):
        raise MalformedError(f"{_WHAT}: a refusal of no known form", code="result.format")
    return DisclosureRefusedError(
        str(words["message"]), code=str(words["code"]), hint=str(words["hint"])
    )
