# SPDX-License-Identifier: Apache-2.0
import ctypes
import errno
import os
import termios

import cbor2
import pytest

from cleanroom.attestation.platforms.nitro import KINDS
from cleanroom.attestation.platforms.nitro.collect import (
    MAX_ANSWER_BYTES,
    NSM_REQUEST,
    Message,
    NitroCollector,
    system_ioctl,
)
from cleanroom.attestation.platforms.nitro.verify import NitroVerifier
from cleanroom.errors import MalformedError, UnavailableError
from tests.support.nitro_forge import make_document, nitro_chain
from tests.support.test_pki import AT

BINDING = bytes(range(100, 164))
(KIND,) = KINDS


class SecureModule:
    """The kernel's side of ``/dev/nsm``: reads and writes the caller's buffers by address."""

    def __init__(self, answer=None, *, size=None):
        self.answer = answer
        self.size = size
        self.asked = []

    def __call__(self, descriptor, request, message):
        assert descriptor >= 0
        assert request == NSM_REQUEST
        assert message.response.length == MAX_ANSWER_BYTES
        raw = ctypes.string_at(message.request.address, message.request.length)
        self.asked.append(cbor2.loads(raw))
        answer = self.answer if self.answer is not None else self.attest()
        ctypes.memmove(message.response.address, answer, len(answer))
        message.response.length = self.size or len(answer)
        return 0

    def attest(self):
        given = self.asked[-1]["Attestation"]
        return cbor2.dumps({"Attestation": {"document": make_document(**given)}})


@pytest.fixture
def root(tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nsm").touch()
    return tmp_path


def test_a_document_carries_the_binding(root):
    module = SecureModule()
    collector = NitroCollector(root=root, ioctl=module)
    assert collector.missing() == ()
    item = collector.collect(binding=BINDING)
    assert item.platform == collector.platform == "nitro"
    assert module.asked == [
        {"Attestation": {"user_data": BINDING, "nonce": None, "public_key": None}}
    ]
    claims = NitroVerifier(root=nitro_chain()[-1].pin).verify(item, at=AT)
    assert claims.carried[0].found == BINDING


def test_a_machine_without_the_device_says_so(tmp_path):
    collector = NitroCollector(root=tmp_path, ioctl=SecureModule())
    (sentence,) = collector.missing()
    assert str(tmp_path / "dev/nsm") in sentence
    with pytest.raises(UnavailableError, match="^nitro: the secure module gave no document"):
        collector.collect(binding=BINDING)


def test_a_device_that_may_not_be_opened_is_named(root):
    device = root / "dev" / "nsm"
    device.unlink()
    device.mkdir(mode=0o000)
    collector = NitroCollector(root=root, ioctl=SecureModule())
    with pytest.raises(UnavailableError):
        collector.collect(binding=BINDING)


def test_a_device_without_permission_is_named(root, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    (sentence,) = NitroCollector(root=root, ioctl=SecureModule()).missing()
    assert "may not be read and written" in sentence


def test_a_device_that_refuses_is_unavailable(root):
    def refuse(*_arguments):
        raise OSError(errno.ENOTTY, "no such request")

    with pytest.raises(UnavailableError) as refused:
        NitroCollector(root=root, ioctl=refuse).collect(binding=BINDING)
    assert refused.value.code == "nitro.no-document"


def test_the_kernel_writes_into_the_message():
    message = Message()
    reading, writing = os.pipe()
    os.write(writing, b"12345")
    assert system_ioctl(reading, termios.FIONREAD, message) == 0
    assert message.request.address == 5
    os.close(reading)
    os.close(writing)


def test_the_real_kernel_refuses_the_request_on_a_plain_file(root):
    with pytest.raises(UnavailableError):
        NitroCollector(root=root, ioctl=system_ioctl).collect(binding=BINDING)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00",
        cbor2.dumps({"Error": "InvalidOperation"}),
        cbor2.dumps({"Attestation": []}),
        cbor2.dumps({"Attestation": {"document": "text"}}),
    ],
)
def test_an_answer_without_a_document_is_malformed(root, answer):
    with pytest.raises(MalformedError, match="^nitro module: found "):
        NitroCollector(root=root, ioctl=SecureModule(answer)).collect(binding=BINDING)


def test_an_answer_beyond_its_room_is_malformed(root):
    with pytest.raises(MalformedError, match="beyond its room"):
        NitroCollector(root=root, ioctl=SecureModule(size=MAX_ANSWER_BYTES + 1)).collect(
            binding=BINDING
        )


def test_a_short_binding_is_refused(root):
    with pytest.raises(MalformedError, match="^binding: found 63 bytes"):
        NitroCollector(root=root, ioctl=SecureModule()).collect(binding=BINDING[:63])


def test_strangers_files_become_evidence():
    import base64  # noqa: PLC0415

    document = make_document()
    for form in (document, base64.b64encode(document), document.hex().encode() + b"\n"):
        assert KIND.recognises(form)
        item = KIND.intake(form, [])
        assert item.report == document
        assert KIND.collateral_requests(item) == ()
    assert not KIND.recognises(b"something else")
    with pytest.raises(MalformedError, match="the root is pinned"):
        KIND.intake(document, [b"root"])
