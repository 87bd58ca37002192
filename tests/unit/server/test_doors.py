# SPDX-License-Identifier: Apache-2.0
import socket
import ssl

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from cleanroom.errors import MalformedError, RefusedError, UnavailableError
from cleanroom.server.callers import LocalDoor
from cleanroom.server.certificate import CertificateFiles, open_certificate
from cleanroom.server.doors import Network, open_network
from tests.support.host_certificates import host_certificate
from tests.support.served_brokers import free_loopback_address
from tests.support.test_pki import ec_key

PUBLISHED = "https://broker.example"


def door(listen, *, certificate=None):
    """Open a door for other machines and close it again."""
    network = Network(listen=listen, certificate=certificate)
    opened = open_network(network, published=PUBLISHED, door=LocalDoor())
    opened.leave()
    return opened


def test_a_proxy_on_this_machine_needs_no_certificate_of_ours():
    listen = free_loopback_address().removeprefix("http://")
    assert door(listen).tls is None
    assert door(listen.replace("127.0.0.1", "localhost")).tls is None


@pytest.mark.parametrize("listen", ["0.0.0.0:8443", "192.0.2.1:8443", "[::]:8443"])
def test_other_machines_are_served_with_tls_only(listen):
    with pytest.raises(RefusedError) as refused:
        door(listen)
    assert refused.value.code == "broker.tls"


@pytest.mark.parametrize(
    "listen", ["", "8443", ":8443", "broker.example:8443", "1.2.3:80", "127.0.0.1:65536", "[::g]:1"]
)
def test_a_place_to_listen_on_is_an_address_and_a_port(listen):
    with pytest.raises(MalformedError) as refused:
        door(listen)
    assert refused.value.code == "broker.listen-form"


def test_a_port_that_is_taken_is_unavailable():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(UnavailableError) as refused:
            door(f"127.0.0.1:{taken.getsockname()[1]}")
        assert refused.value.code == "broker.listen"


def test_a_certificate_speaks_tls_1_3_and_nothing_older(tmp_path):
    listen = free_loopback_address().removeprefix("http://")
    opened = door(listen, certificate=host_certificate(tmp_path).files)
    assert opened.tls.minimum_version is ssl.TLSVersion.TLSv1_3


def test_a_key_that_others_can_read_is_refused(tmp_path):
    files = host_certificate(tmp_path).files
    files.key.chmod(0o640)
    with pytest.raises(RefusedError):
        open_certificate(files)


def test_a_key_of_another_certificate_is_refused(tmp_path):
    (tmp_path / "other").mkdir()
    files = host_certificate(tmp_path).files
    other = host_certificate(tmp_path / "other").files
    with pytest.raises(MalformedError) as refused:
        open_certificate(CertificateFiles(chain=files.chain, key=other.key))
    assert refused.value.code == "broker.certificate"


def test_an_encrypted_key_never_asks_on_the_terminal(tmp_path):
    files = host_certificate(tmp_path).files
    secret = BestAvailableEncryption(b"passphrase")
    files.key.write_bytes(
        ec_key("host tests").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)
    )
    with pytest.raises(MalformedError):
        open_certificate(files)


def test_a_certificate_that_is_not_there_is_unavailable(tmp_path):
    files = host_certificate(tmp_path).files
    files.chain.unlink()
    with pytest.raises(UnavailableError):
        open_certificate(files)
