# SPDX-License-Identifier: Apache-2.0
import pytest

from cleanroom.errors import MalformedError
from cleanroom.identity.broker_address import validate_broker_address


@pytest.mark.parametrize(
    "address",
    [
        "unix:/run/cleanroom/hospital.sock",
        "unix:/" + "x" * 106,
        "http://127.0.0.1:8001",
        "http://[::1]:65535",
        "http://localhost:1",
        "https://broker.hospital.example",
        "https://broker.hospital.example:8443/cleanroom/v0",
    ],
)
def test_the_three_forms_are_accepted(address):
    validate_broker_address(address, what="party document")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "unix:",
        "unix:/",
        "unix:relative",
        "unix:/run/with space",
        "unix:/run/\nnewline",
        "unix:/" + "x" * 107,
        "http://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:8001/path",
        "http://127.0.0.1:8\u0660\u0660\u0661",
        "https://broker.example:8\u0660\u0660\u0661",
        "http://broker.example:8001",
        "http://127.0.0.1.evil.example:80",
        "https://user:pass@broker.example",
        "https://broker.example?query",
        "https://broker.example#fragment",
        "https://broker.example:99999",
        "https://broker.example/../x y",
        "https://-broker.example",
        "https://bröker.example",
        "HTTPS://broker.example",
        "https://" + "a" * 300,
        "ftp://broker.example",
        "file:///etc/passwd",
    ],
)
def test_every_other_form_is_refused(address):
    with pytest.raises(MalformedError, match="^party document: its broker address") as refusal:
        validate_broker_address(address, what="party document")
    assert refusal.value.code == "party.address"


def test_a_socket_whose_path_the_kernel_refuses_is_told_with_the_limit():
    with pytest.raises(MalformedError, match="a socket's path of 108 bytes, agreed at most 107"):
        validate_broker_address("unix:/" + "x" * 107, what="party document")
