# SPDX-License-Identifier: Apache-2.0
import os
import socket
import threading

import pytest

from cleanroom.attestation.platforms.tpm.transport import (
    MAX_RESPONSE_BYTES,
    open_device,
    open_socket,
)
from cleanroom.errors import MalformedError, UnavailableError
from tests.support.tpm_fake import response

GOOD = response(b"content")


def answering(path, pieces):
    """Listen once, and answer the first command with these pieces."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()

    def serve():
        connection, _ = listener.accept()
        with connection, listener:
            connection.recv(4096)
            for piece in pieces:
                connection.sendall(piece)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def ask(tmp_path, pieces):
    thread = answering(tmp_path / "tpm", pieces)
    try:
        with open_socket(tmp_path / "tpm") as transport:
            return transport(b"command")
    finally:
        thread.join()


def test_an_answer_may_come_in_pieces(tmp_path):
    assert ask(tmp_path, [GOOD[:3], GOOD[3:12], GOOD[12:]]) == GOOD


@pytest.mark.parametrize("pieces", [[], [GOOD[:9]], [GOOD[:-1]]])
def test_an_answer_that_ends_early_is_no_answer(tmp_path, pieces):
    with pytest.raises(UnavailableError, match="^TPM: the socket does not answer") as caught:
        ask(tmp_path, pieces)
    assert caught.value.code == "tpm.silent"


@pytest.mark.parametrize("size", [0, 9, MAX_RESPONSE_BYTES + 1, 2**32 - 1])
def test_an_answer_of_a_length_that_no_tpm_sends_is_refused(tmp_path, size):
    with pytest.raises(MalformedError, match="^TPM response:"):
        ask(tmp_path, [GOOD[:2] + size.to_bytes(4, "big") + GOOD[6:]])


def test_a_socket_without_a_listener_is_named(tmp_path):
    with (
        pytest.raises(UnavailableError, match="^TPM: nobody listens at absent"),
        open_socket(tmp_path / "absent"),
    ):
        pass


def test_a_device_takes_one_write_and_gives_one_read(tmp_path):
    path = tmp_path / "tpmrm0"
    os.mkfifo(path)
    with open_device(path) as transport:
        assert transport(b"command") == b"command"


def test_a_device_that_refuses_a_command_is_told():
    with (
        open_device(os.path.realpath("/dev/full")) as transport,
        pytest.raises(UnavailableError, match="^TPM: the device does not answer"),
    ):
        transport(b"command")


def test_a_machine_without_a_device_is_told(tmp_path):
    path = tmp_path / "tpmrm0"
    with (
        pytest.raises(UnavailableError, match="^TPM: cannot open .*tpmrm0") as caught,
        open_device(path),
    ):
        pass
    assert caught.value.code == "tpm.no-device"
    assert "tss" in caught.value.hint
