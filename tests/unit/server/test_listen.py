# SPDX-License-Identifier: Apache-2.0
import os
import socket
import stat

import pytest

from cleanroom.errors import RefusedError, UnavailableError
from cleanroom.server.listen import forget, listen, listen_on
from tests.support.served_brokers import free_loopback_address, unix_address


def test_a_unix_socket_is_private_from_its_first_moment(short_path):
    mask = os.umask(0)
    try:
        listening = listen(unix_address(short_path))
    finally:
        os.umask(mask)
    assert stat.S_IMODE((short_path / "broker.sock").stat().st_mode) == 0o600
    forget(unix_address(short_path), listening)
    assert list(short_path.iterdir()) == []


def test_the_process_keeps_its_umask(short_path):
    mask = os.umask(0o027)
    try:
        forget(unix_address(short_path), listen(unix_address(short_path)))
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(mask)


def test_a_socket_that_a_crash_left_is_replaced(short_path):
    listen(unix_address(short_path)).close()
    assert (short_path / "broker.sock").exists()
    forget(unix_address(short_path), listen(unix_address(short_path)))


def test_a_socket_that_somebody_answers_on_is_left_alone(short_path):
    first = listen(unix_address(short_path))
    with pytest.raises(UnavailableError) as refused:
        listen(unix_address(short_path))
    assert refused.value.code == "broker.address-in-use"
    assert (short_path / "broker.sock").exists()
    forget(unix_address(short_path), first)


def test_a_socket_that_somebody_else_opened_meanwhile_is_left_alone(short_path):
    first = listen(unix_address(short_path))
    (short_path / "broker.sock").unlink()
    second = listen(unix_address(short_path))
    forget(unix_address(short_path), first)
    assert (short_path / "broker.sock").exists()
    forget(unix_address(short_path), second)


@pytest.mark.parametrize("make", ["file", "directory", "link"])
def test_something_that_is_no_socket_is_never_removed(short_path, make):
    path = short_path / "broker.sock"
    if make == "file":
        path.write_text("precious")
    elif make == "directory":
        path.mkdir()
    else:
        path.symlink_to(short_path / "elsewhere")
    with pytest.raises(RefusedError) as refused:
        listen(unix_address(short_path))
    assert refused.value.code == "broker.address-taken"
    assert path.is_symlink() or path.exists()


def test_a_directory_that_is_not_there_is_unavailable(short_path):
    with pytest.raises(UnavailableError) as refused:
        listen(unix_address(short_path / "nowhere"))
    assert refused.value.code == "broker.listen"


def test_loopback_addresses_are_served():
    port = int(free_loopback_address().rpartition(":")[2])
    listening = listen_on("127.0.0.1", port)
    assert listening.getsockname() == ("127.0.0.1", port)
    with pytest.raises(UnavailableError) as refused:
        listen_on("127.0.0.1", port)
    assert refused.value.code == "broker.listen"
    listening.close()


@pytest.mark.skipif(not socket.has_ipv6, reason="the machine has no IPv6")
def test_the_other_loopback_is_served():
    port = int(free_loopback_address().rpartition(":")[2])
    try:
        listening = listen_on("::1", port)
    except UnavailableError:
        pytest.skip("the machine has no IPv6 loopback")
    assert listening.getsockname()[0] == "::1"
    listening.close()


def test_an_answer_is_sent_without_waiting_for_the_acknowledgement_of_its_head():
    # Forty milliseconds a request otherwise, on every connection that is used again.
    port = int(free_loopback_address().rpartition(":")[2])
    with (
        listen_on("127.0.0.1", port) as listening,
        socket.create_connection(("127.0.0.1", port)),
    ):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
