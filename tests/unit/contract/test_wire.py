# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from cleanroom.contract.approval import parse_approval
from cleanroom.contract.document_render import render_approval, render_query
from cleanroom.contract.query import parse_query
from cleanroom.errors import MalformedError
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.limits import MAX_APPROVAL_BYTES
from tests.support.room_documents import approval_terms, build_room, standard_query

VALID = render_approval(
    approval_terms("hospital", contract=Digest.of(b"c"), query=Digest.of(b"q"))
).decode()


@pytest.mark.parametrize(
    ("old", "new", "message", "code"),
    [
        ("sequence = 1\n", "", "sequence: found no such clause, agreed it is mandatory", "missing"),
        (
            "sequence = 1\n",
            "sequenze = 1\n",
            "sequenze: found an unknown clause",
            "unknown-key",
        ),
        (
            "sequence = 1\n",
            "sequence = 1\nextra = 1\n",
            "extra: found an unknown clause",
            "unknown-key",
        ),
        (
            "sequence = 1\n",
            'sequence = "1"\n',
            "sequence: found another type, agreed a whole",
            "type",
        ),
        ("sequence = 1\n", "sequence = true\n", "sequence: found another type", "type"),
        (
            "sequence = 1\n",
            "sequence = 0\n",
            "sequence: found a value out of range, agreed at least 1",
            "value",
        ),
        (
            '"approve"',
            '"maybe"',
            "decision: found another value, agreed 'approve' or 'reject'",
            "value",
        ),
        ('"hospital"', '"Hospital"', "approver: found another form, agreed a name such", "value"),
        (
            "expires = 2026-12-22T12:00:00Z",
            'expires = "soon"',
            "expires: found another type, agreed a time",
            "type",
        ),
        (".approval.v0", ".approval.v9", "format: found another marker", "format"),
        (
            'format = "cleanroom.approval.v0"\n',
            "",
            "format: found none, agreed 'cleanroom.app",
            "format",
        ),
    ],
)
def test_a_wrong_clause_is_named_with_what_was_found_and_agreed(old, new, message, code):
    assert old in VALID
    with pytest.raises(MalformedError) as refused:
        parse_approval(VALID.replace(old, new).encode(), what="approvals/hospital.toml")
    assert refused.value.message.startswith(f"approvals/hospital.toml: {message}")
    assert refused.value.code == f"approval.{code}"
    assert refused.value.hint


def test_a_value_is_never_quoted():
    with pytest.raises(MalformedError) as refused:
        parse_approval(VALID.replace("groups by ward", "secret\\u202eward").encode())
    assert "secret" not in str(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("sequenze = 1\n", "probably sequence is meant"),
        ("xyz = 1\n", ""),
        ("sequence = 1\nq = 1\n", ""),
    ],
)
def test_a_misspelt_clause_is_told_which_one_is_missing(change, said):
    with pytest.raises(MalformedError) as refused:
        parse_approval(VALID.replace("sequence = 1\n", change).encode())
    assert refused.value.code == "approval.unknown-key"
    assert refused.value.hint.startswith(said)


def test_an_unknown_key_is_shown_without_control_characters():
    data = VALID.replace("sequence = 1\n", 'sequence = 1\n"\\u001b[2J" = 1\n')
    with pytest.raises(MalformedError, match=r"^approval.toml: \?\?2J: found an unknown clause"):
        parse_approval(data.encode())


@pytest.mark.parametrize(
    "text", ["\\u0007", "\\u202e", "\\u200b", "\\u2028", "\\u061c", "\\u00ad", "\\ufff9", "\\n", ""]
)
def test_text_that_could_deceive_a_terminal_is_refused(text):
    data = VALID.replace("groups by ward and plan only", text)
    with pytest.raises(MalformedError, match="reason: found another form, agreed one line of text"):
        parse_approval(data.encode())


def test_an_oversize_document_is_refused_before_it_is_read():
    data = VALID.encode() + b"#" * MAX_APPROVAL_BYTES
    with pytest.raises(MalformedError) as refused:
        parse_approval(data)
    assert refused.value.code == "format.oversize"


def test_entries_of_lists_are_counted_from_one():
    data = render_query(standard_query()).replace(b'type = "date"', b'type = "day"')
    with pytest.raises(MalformedError, match=r"^query.toml: parameters\[3\].type: found another"):
        parse_query(data)


def test_lists_have_a_least_and_a_greatest_length():
    valid = render_query(standard_query())
    few = valid.replace(b'values = ["north", "south"]', b"values = []")
    with pytest.raises(MalformedError, match=r"parameters\[1\].values: found fewer, agreed at lea"):
        parse_query(few)
    names = ", ".join(f'"party-{number}"' for number in range(17))
    many = valid.replace(b'receivers = ["insurer"]', f"receivers = [{names}]".encode())
    with pytest.raises(MalformedError, match="receivers: found more, agreed at most 16"):
        parse_query(many)


def test_documents_keep_their_exact_bytes_and_digest():
    file = build_room().bundle.query
    query = parse_query(file.data)
    assert query.raw == file.data
    assert query.digest == Digest.of(file.data)
