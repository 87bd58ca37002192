# SPDX-License-Identifier: Apache-2.0
"""Words of a driver choose one of our errors, and are in none of them."""

import pytest

from cleanroom.kernel.postgresql_refusal import refusal_to_connect

SECRET = "Zzyzx-do-not-disclose"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (f"at {SECRET}: SSL error: certificate verify failed", "x-certificate"),
        (f'certificate for "{SECRET}" does not match host name "db"', "x-name"),
        (f"{SECRET}: server does not support SSL, but SSL was required", "x-plain"),
        (f'no pg_hba.conf entry for user "{SECRET}", no encryption', "x-plain"),
        (f'root certificate file "{SECRET}" does not exist', "x-authorities"),
        (f'FATAL:  password authentication failed for user "{SECRET}"', "x-login"),
        (f"{SECRET}: fe_sendauth: no password supplied", "x-login"),
    ],
)
def test_each_cause_has_its_own_code_and_hint(words, code):
    told = refusal_to_connect(Exception(words), subject="source", area="x")
    assert told.code == code
    assert told.hint
    assert SECRET not in f"{told!r} {told.hint}"
    assert str(told).startswith("source: ")


def test_unknown_words_say_no_more():
    assert refusal_to_connect(Exception("Connection refused"), subject="source", area="x") is None
