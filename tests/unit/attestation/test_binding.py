# SPDX-License-Identifier: Apache-2.0
import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.attestation.binding import (
    BINDING_BYTES,
    Channel,
    bind32,
    bind64,
    check_binding_length,
    expected_in,
    require_binding,
)
from cleanroom.errors import EvidenceRefusedError, MalformedError

BINDING = bind64(b"{}")
SHORT = (Channel.TPM, Channel.GPU, Channel.TOKEN)
REPORT = {"channel": Channel.REPORT, "place": "report_data"}


def test_the_report_binding_is_the_labelled_sha512_of_the_sha512_of_the_exact_bytes():
    inner = hashlib.sha512(b"{}").digest()
    expected = hashlib.sha512(b"cleanroom-ra/1\x00report\x00" + inner).digest()
    assert bind64(b"{}") == expected


@pytest.mark.parametrize("name", [b"tpm", b"gpu", b"token"])
def test_each_channel_binding_is_the_labelled_sha256_of_the_report_binding(name):
    expected = hashlib.sha256(b"cleanroom-ra/1\x00" + name + b"\x00" + BINDING).digest()
    assert bind32(Channel(name), BINDING) == expected


def test_no_two_channels_share_a_binding():
    assert len({bind32(channel, BINDING) for channel in SHORT}) == len(SHORT)


@pytest.mark.parametrize("channel", [Channel.REPORT, Channel.FREE])
def test_a_place_that_takes_no_32_bytes_of_ours_gets_none(channel):
    with pytest.raises(MalformedError, match="^binding: a place of the kind") as refused:
        bind32(channel, BINDING)
    assert refused.value.code == "attestation.channel"


def test_each_channel_expects_its_own_bytes():
    assert expected_in(Channel.REPORT, BINDING) == BINDING
    assert expected_in(Channel.TPM, BINDING) == bind32(Channel.TPM, BINDING)
    token = base64.urlsafe_b64encode(bind32(Channel.TOKEN, BINDING)).rstrip(b"=")
    assert expected_in(Channel.TOKEN, BINDING) == token
    with pytest.raises(MalformedError, match="^binding:"):
        expected_in(Channel.FREE, BINDING)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_different_runtime_data_gives_a_different_binding(first, second):
    assert (bind64(first) == bind64(second)) == (first == second)


@pytest.mark.parametrize("length", [0, 1, 32, 63, 65, 128])
def test_an_expected_binding_that_is_not_64_bytes_is_refused_not_compared_as_a_prefix(length):
    with pytest.raises(MalformedError, match="^binding:") as refused:
        require_binding((BINDING * 2)[:length], BINDING, **REPORT)
    assert refused.value.code == "attestation.binding-length"


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_a_channel_binding_is_derived_from_all_64_bytes_or_not_at_all(length):
    with pytest.raises(MalformedError, match="^binding:"):
        bind32(Channel.TPM, bytes(length))


@pytest.mark.parametrize("length", [0, 1, 32, 63])
def test_found_bytes_that_are_only_a_prefix_are_refused(length):
    with pytest.raises(EvidenceRefusedError, match="^binding:") as refused:
        require_binding(BINDING, BINDING[:length], **REPORT)
    assert refused.value.code == "attestation.binding"


@given(st.integers(0, BINDING_BYTES * 8 - 1))
def test_every_flipped_bit_of_the_binding_is_refused(bit):
    flipped = bytearray(BINDING)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(EvidenceRefusedError, match="^binding:"):
        require_binding(BINDING, bytes(flipped), **REPORT)


def test_the_same_binding_passes():
    require_binding(BINDING, bytes(BINDING), **REPORT)
    check_binding_length(BINDING)
