# SPDX-License-Identifier: Apache-2.0
"""What a receiver finds in a sealed result: a table, or the rule that withheld it.

Both forms are padded to the same steps, so an operator cannot tell by its size
whether a run was refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cleanroom.disclosure.released import Released
from cleanroom.disclosure.result import ResultTable, decode_result
from cleanroom.errors import (
    CleanroomError,
    DisclosureRefusedError,
    MalformedError,
    ResourcesExceededError,
)
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.canonical import canonical_json
from cleanroom.kernel.limits import MAX_RESULT_BYTES
from cleanroom.kernel.strict_json import parse_json
from cleanroom.kernel.wire_model import WireModel, validate_shape
from cleanroom.receipt.model import CheckRecord, ReceiptBody
from cleanroom.vault.sealed_result import ResultContext, open_result

REFUSAL_FORMAT = "cleanroom.refused-result.v0"
# What a query or contract limits, held by the engine, by a sandbox, or counted at the end.
LIMITED = frozenset(
    {
        *(f"engine.{limit}" for limit in ("memory", "time", "rows", "disk")),
        *(f"sandbox.{limit}" for limit in ("memory", "time", "processor", "output", "disk")),
        *(f"disclosure.{limit}" for limit in ("rows", "result-size")),
    }
)
_WHAT = "result"
_STATE = "disclosure state"


class _CheckWire(WireModel):
    rule: str
    parameters: dict[str, str | int]
    verdict: str
    withheld: str


class _ChecksWire(WireModel):
    checks: list[_CheckWire]


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


def read_refusal(value: Mapping[str, Any]) -> DisclosureRefusedError:
    """Return the error that :func:`encode_refusal` described, from its parsed JSON.

    Raises:
        MalformedError: It describes none.
    """
    words = {name: value.get(name) for name in ("code", "message", "hint")}
    if not all(isinstance(word, str) for word in words.values()):
        raise MalformedError(f"{_WHAT}: a refusal of no known form", code="result.format")
    kind = ResourcesExceededError if words["code"] in LIMITED else DisclosureRefusedError
    return kind(str(words["message"]), code=str(words["code"]), hint=str(words["hint"]))


def read_result(
    sealed: bytes, body: ReceiptBody, *, party: str, receiving: ReceivingKey
) -> ResultTable:
    """Open a sealed result as one of its receivers.

    Raises:
        RefusedError: It is not sealed to this party.
        IntegrityError: It is another run's, or altered.
        ResourcesExceededError: The run needed more than its query or contract allows; says of what.
        DisclosureRefusedError: The gate released nothing for another reason; says which rule.
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
        raise read_refusal(value)
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
        [
            {
                "rule": check.rule,
                "parameters": dict(check.parameters),
                "verdict": check.verdict,
                "withheld": check.withheld,
            }
            for check in checks
        ]
    )


def checks_from_json(data: bytes) -> tuple[CheckRecord, ...]:
    """Read checks back from the sealed state.

    Raises:
        MalformedError: Not what :func:`checks_to_json` writes; owners together can
            write entries, so nothing in one is taken for granted.
    """
    value = parse_json(data, what=_STATE, limit=MAX_RESULT_BYTES)
    lines = validate_shape(_ChecksWire, {"checks": value}, what=_STATE).checks
    return tuple(
        CheckRecord(
            rule=line.rule,
            parameters=line.parameters,
            verdict=line.verdict,
            withheld=line.withheld,
        )
        for line in lines
    )
