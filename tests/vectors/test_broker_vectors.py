# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom import errors
from cleanroom.contract.released_keys import open_keys
from cleanroom.contract.statements import (
    verify_acknowledgement,
    verify_commit,
    verify_key_release,
    verify_refusal,
)
from cleanroom.envelope.dsse import parse_envelope
from cleanroom.identity.receiving import ReceivingKey
from cleanroom.kernel.limits import MAX_ENVELOPE_BYTES
from cleanroom.kernel.strict_base64 import decode_base64
from tests.support.vector_files import parse_vector, read_vectors
from tests.vectors.broker.generate import DIRECTORY, vectors

COMMITTED = read_vectors(DIRECTORY)
VERIFY = {
    "key-release": verify_key_release,
    "keys": verify_key_release,
    "commit": verify_commit,
    "refusal": verify_refusal,
    "acknowledgement": verify_acknowledgement,
}


def run(body):
    """Go the way that a runner goes."""
    said = VERIFY[body["kind"]](
        parse_envelope(body["envelope"], what="statement", limit=MAX_ENVELOPE_BYTES),
        party=body["party"],
        broker_key=decode_base64(body["broker_key"], what="key"),
    )
    if body["kind"] != "keys":
        return
    seed = decode_base64(body["hpke_seed"], what="seed")
    opened = open_keys(said, receiving=ReceivingKey.from_seed(seed))
    for held, agreed in ((opened.keys, body["keys"]), (opened.shares, body["shares"])):
        assert held == {name: decode_base64(text, what="key") for name, text in agreed.items()}


def test_the_generator_still_makes_the_committed_vectors():
    assert {name: vector.render() for name, vector in vectors().items()} == COMMITTED


@pytest.mark.parametrize("name", COMMITTED)
def test_each_vector_ends_as_it_says(name):
    vector = parse_vector(COMMITTED[name])
    if vector.expect == "success":
        run(vector.body)
        return
    expected, code = vector.expect.split()
    with pytest.raises(getattr(errors, expected)) as refused:
        run(vector.body)
    assert type(refused.value).__name__ == expected
    assert refused.value.code == code
