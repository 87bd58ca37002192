# SPDX-License-Identifier: Apache-2.0
import os
import socket
import threading
from contextlib import contextmanager

import pytest

from cleanroom.errors import IntegrityError, MalformedError, RefusedError, UnavailableError
from cleanroom.identity.agent import list_agent_keys, sign_with_agent
from cleanroom.identity.signers import AgentSigner
from cleanroom.identity.ssh_key import SSHPublicKey
from cleanroom.identity.wire import wire_string
from tests.support.hardware_token import SoftwareToken
from tests.support.keys import signer, signing_key
from tests.support.openssh import needs_ssh_agent, needs_ssh_keygen, new_key, running_agent

HOSPITAL = signer("hospital")
BLOB = HOSPITAL.public_key.blob
KEYS = b"\x0c\0\0\0\1" + wire_string(BLOB) + wire_string(b"comment")


@contextmanager
def agent_answering(directory, *answers):
    """An agent that gives these raw answers, one to a connection, whatever it is asked."""
    path = directory / "agent.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        listener.listen()
        listener.settimeout(5)  # a client that asks too rarely must not hang the test

        def serve():
            for answer in answers:
                try:
                    connection, _ = listener.accept()
                except TimeoutError:
                    return
                with connection:
                    length = int.from_bytes(connection.recv(4, socket.MSG_WAITALL), "big")
                    connection.recv(length, socket.MSG_WAITALL)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            thread.join()


def framed(message):
    return wire_string(message)


@needs_ssh_keygen
@needs_ssh_agent
def test_a_real_agent_lists_its_keys_and_signs(tmp_path):
    paths = [new_key(tmp_path / name) for name in ("first", "second")]
    public = [SSHPublicKey.parse(path.with_suffix(".pub").read_text().strip()) for path in paths]
    with running_agent(tmp_path, *paths) as agent:
        for path in paths:
            path.unlink()
        assert set(list_agent_keys(agent)) == {key.blob for key in public}
        for key in public:
            signature = AgentSigner(public_key=key, socket=agent).sign(b"message")
            key.verify(signature, b"message", what="document")


@needs_ssh_keygen
@needs_ssh_agent
def test_a_real_agent_without_the_key_is_unavailable(tmp_path):
    with (
        running_agent(tmp_path, new_key(tmp_path / "key")) as agent,
        pytest.raises(UnavailableError, match="does not hold the signing key") as refusal,
    ):
        AgentSigner(public_key=HOSPITAL.public_key, socket=agent).sign(b"message")
    assert "ssh-add" in refusal.value.hint


def test_a_tokens_signature_passes_through_the_agent(tmp_path):
    token = SoftwareToken(key=signing_key("token"))
    keys = b"\x0c\0\0\0\1" + wire_string(token.blob) + wire_string(b"")
    signature = token.sign(b"message")
    answers = (framed(keys), framed(b"\x0e" + wire_string(signature)))
    with agent_answering(tmp_path, *answers) as agent:
        assert AgentSigner(public_key=token.public_key, socket=agent).sign(b"message") == signature


def test_no_agent_is_unavailable(tmp_path):
    with pytest.raises(UnavailableError, match="^ssh-agent: no answer") as refusal:
        list_agent_keys(tmp_path / "absent.sock")
    assert "SSH_AUTH_SOCK" in refusal.value.hint


def test_a_path_too_long_for_a_socket_is_unavailable(tmp_path):
    with pytest.raises(UnavailableError, match="^ssh-agent: no answer"):
        list_agent_keys(tmp_path / ("x" * 120))


def test_a_declined_signature_is_refused(tmp_path):
    with (
        agent_answering(tmp_path, framed(KEYS), framed(b"\x05")) as agent,
        pytest.raises(RefusedError, match="^ssh-agent: it declined$"),
    ):
        sign_with_agent(agent, blob=BLOB, data=b"message")


@pytest.mark.parametrize("more", [b"\0", wire_string(b"second")])
def test_bytes_after_the_signature_are_refused(tmp_path, more):
    answer = framed(b"\x0e" + wire_string(HOSPITAL.sign(b"message")) + more)
    with (
        agent_answering(tmp_path, framed(KEYS), answer) as agent,
        pytest.raises(MalformedError, match="^ssh-agent: found bytes after the end$"),
    ):
        sign_with_agent(agent, blob=BLOB, data=b"message")


def test_a_signature_over_other_bytes_is_not_passed_on(tmp_path):
    wrong = framed(b"\x0e" + wire_string(HOSPITAL.sign(b"something else")))
    with (
        agent_answering(tmp_path, framed(KEYS), wrong) as agent,
        pytest.raises(IntegrityError, match="^ssh-agent:"),
    ):
        AgentSigner(public_key=HOSPITAL.public_key, socket=agent).sign(b"message")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0\0",
        framed(b""),
        framed(KEYS)[:-1],
        framed(KEYS + b"\0"),
        framed(b"\x0c\xff\xff\xff\xff" + wire_string(BLOB)),
    ],
    ids=["nothing", "cut-length", "empty", "cut", "more", "many"],
)
def test_another_answer_is_refused(tmp_path, answer):
    with (
        agent_answering(tmp_path, answer) as agent,
        pytest.raises(MalformedError, match="^ssh-agent:"),
    ):
        list_agent_keys(agent)


def test_an_answer_beyond_the_limit_is_refused_before_it_is_received(tmp_path):
    with (
        agent_answering(tmp_path, (256 * 1024 + 1).to_bytes(4, "big")) as agent,
        pytest.raises(MalformedError, match="^ssh-agent: its answer is too long$"),
    ):
        list_agent_keys(agent)
