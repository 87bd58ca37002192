# SPDX-License-Identifier: Apache-2.0
from cleanroom.attestation.progress import held, listening


def test_steps_go_to_whoever_listens_and_otherwise_nowhere():
    held("before")
    with listening() as outer:
        held("one")
        with listening() as inner:
            held("two")
        held("three")
    held("after")
    assert (outer, inner) == (["one", "three"], ["two"])
