# SPDX-License-Identifier: Apache-2.0
"""Write the receipt statement: what the run key signs, before anybody countersigns."""

from __future__ import annotations

from cleanroom.envelope.statement import make_statement
from cleanroom.receipt.encoding import body_to_json
from cleanroom.receipt.model import RECEIPT_PREDICATE, RESULT_SUBJECT, ReceiptBody


def build_receipt(body: ReceiptBody) -> bytes:
    """Write the receipt statement that the run key signs and the brokers countersign."""
    return make_statement(
        subjects={RESULT_SUBJECT: body.result.digest},
        predicate_type=RECEIPT_PREDICATE,
        predicate=body_to_json(body),
    )
