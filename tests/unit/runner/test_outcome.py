# SPDX-License-Identifier: Apache-2.0
"""What of a run's resources was used up has a class of its own, whoever noticed it."""

import pytest

from cleanroom.errors import DisclosureRefusedError, MalformedError, ResourcesExceededError
from cleanroom.kernel.strict_json import parse_json
from cleanroom.runner import gate, outcome
from cleanroom.runner.sandbox import outcome as ends


def opened(error):
    """Write a refusal as a run stores it, and read it as its receiver does."""
    value = parse_json(outcome.encode_refusal(error), what="refusal", limit=1000)
    return outcome.read_refusal(value)


def test_each_limit_that_a_sandbox_holds_is_one_of_resources():
    held = {ends.TIME, ends.PROCESSOR, ends.MEMORY, ends.OUTPUT, ends.DISK}
    for code in held:
        found = opened(ends.failed(code))
        assert type(found) is ResourcesExceededError
        assert (found.code, found.exit_code) == (code, 3)
        assert "--" in found.hint
    assert {code for code in outcome.LIMITED if code.startswith("sandbox.")} == held
    assert gate.OF_RESOURCES < outcome.LIMITED


@pytest.mark.parametrize("code", [ends.CRASHED, ends.KILLED, ends.FORBIDDEN, ends.FAILED])
def test_how_else_a_process_ends_is_a_refusal_like_others(code):
    assert type(opened(ends.failed(code))) is DisclosureRefusedError


def test_a_refusal_of_another_form_is_none():
    with pytest.raises(MalformedError):
        outcome.read_refusal({"code": "sandbox.time", "message": 1, "hint": ""})
