# SPDX-License-Identifier: Apache-2.0
"""Files that are no evidence, or of another kind, given as every kind on the command line."""

import contextlib
import io
import json

import pytest

from cleanroom.attestation import registry
from cleanroom.cli.main import run
from tests.support.processor_line import snp_item, tdx_item
from tests.vectors.attestation.nitro.generate import vectors as nitro_vectors

NITRO = nitro_vectors()["good"].body["report"]
HOSTILE = {
    "empty": b"",
    "zeros": bytes(1184),
    "ones": b"\xff" * 4096,
    "nul": b"\0",
    "object": b"{}",
    "deep": b"[" * 5000,
    "twice": b'{"v":1,"v":2}',
    "not-a-number": b'{"v":NaN}',
    "huge-number": b'{"v":' + b"9" * 5000 + b"}",
    "utf-16": '{"v":1}'.encode("utf-16"),
    "token": b"eyJhbGciOiJub25lIn0.e30.",
    "processor": snp_item().report,
    "quote": tdx_item().report,
    "document": NITRO.encode(),
}
# Exit codes: 2 misuse, 3 refused, 4 malformed, 5 integrity, 6 unavailable.
KNOWN = {2, 3, 4, 5, 6}


@pytest.mark.parametrize("kind", [kind.name for kind in registry.all_kinds()])
def test_every_kind_refuses_with_its_own_message_and_a_stable_code(kind, tmp_path):
    messages = set()
    for name, data in HOSTILE.items():
        file = tmp_path / name
        file.write_bytes(data)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run(
                [
                    *("attest", "verify", "--kind", kind, "--evidence", str(file)),
                    *("--at", "2026-11-22", "--json"),
                ]
            )
        told = json.loads(out.getvalue())
        assert status in KNOWN, (name, status)
        assert told["verified"] is False
        assert told["error"]["code"], name
        assert told["failed"]["check"], name
        assert "Traceback" not in err.getvalue()
        messages.add(told["error"]["message"])
    # What was found shows: an empty file and a foreign one do not read alike.
    assert len(messages) >= 4, messages
