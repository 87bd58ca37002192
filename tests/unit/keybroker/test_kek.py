# SPDX-License-Identifier: Apache-2.0
"""A broker's keys under a KEK: what opens them, and what each wrong thing is called."""

import datetime as dt

import httpx2
import pytest

from cleanroom.errors import (
    IntegrityError,
    KeyRefusedError,
    MalformedError,
    RefusedError,
    UnavailableError,
)
from cleanroom.keybroker.kek.sigv4 import Credentials, Scope, sign_post
from cleanroom.keybroker.kek.uri import open_kek
from tests.support.key_services import (
    ARN,
    AZURE,
    AZURE_KEY,
    CONTEXT,
    GCP_KEY,
    KEY,
    FakeAws,
    FakeAzure,
    FakeGcp,
    FakeVault,
    azure_refusal,
    private,
    refusal,
)

NOW = dt.datetime(2026, 11, 22, 12, 0, 0, tzinfo=dt.UTC)


@pytest.fixture
def credentials(tmp_path):
    private(tmp_path / "token", b"token\n")
    private(
        tmp_path / "aws",
        b"[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = secret%\n"
        b"aws_session_token = session\n",
    )
    return tmp_path


SERVICES = {
    "vault": (FakeVault, "vault:https://vault.example:8200/transit/kek?token-file={}/token"),
    "awskms": (FakeAws, f"awskms:{ARN}?credentials-file={{}}/aws"),
    "gcpkms": (FakeGcp, f"gcpkms:{GCP_KEY}?token-file={{}}/token"),
    "azurekv": (FakeAzure, f"azurekv:{AZURE}{AZURE_KEY}?token-file={{}}/token"),
}


def opened(kind, credentials):
    make, uri = SERVICES[kind]
    service = make()
    return service, open_kek(uri.format(credentials), transport=service, clock=lambda: NOW)


@pytest.mark.parametrize("kind", SERVICES)
def test_a_service_gives_back_what_it_wrapped(kind, credentials):
    service, kek = opened(kind, credentials)
    wrapped = kek.wrap(KEY, context=CONTEXT)
    assert KEY not in wrapped
    assert kek.unwrap(wrapped, context=CONTEXT) == KEY
    assert all(request.method == "POST" for request in service.heard)
    assert str(credentials) not in kek.place


@pytest.mark.parametrize("kind", ["vault", "awskms", "gcpkms"])
def test_another_context_does_not_open(kind, credentials):
    _, kek = opened(kind, credentials)
    wrapped = kek.wrap(KEY, context=CONTEXT)
    with pytest.raises(IntegrityError) as failed:
        kek.unwrap(wrapped, context="cleanroom.wrapped-seeds.v0/insurer")
    assert failed.value.code == "kek.wrong"


@pytest.mark.parametrize("kind", SERVICES)
def test_another_key_of_the_service_does_not_open(kind, credentials):
    _, kek = opened(kind, credentials)
    _, other = opened(kind, credentials)
    with pytest.raises(IntegrityError) as failed:
        other.unwrap(kek.wrap(KEY, context=CONTEXT), context=CONTEXT)
    assert failed.value.code == "kek.wrong"


def aws(name):
    return httpx2.Response(400, json={"__type": f"com.amazonaws.kms#{name}", "message": "secret"})


REFUSALS = [
    ("vault", httpx2.Response(403, json={"errors": ["no"]}), "denied"),
    ("vault", httpx2.Response(404, json={"errors": []}), "absent"),
    ("vault", httpx2.Response(418, json={}), "answer"),
    ("awskms", aws("DisabledException"), "disabled"),
    ("awskms", aws("AccessDeniedException"), "denied"),
    ("awskms", aws("SomethingNew"), "answer"),
    ("awskms", httpx2.Response(200, json={"KeyId": "another", "CiphertextBlob": "AA=="}), "answer"),
    ("gcpkms", refusal(400, "FAILED_PRECONDITION"), "disabled"),
    ("gcpkms", refusal(403, "PERMISSION_DENIED"), "denied"),
    ("gcpkms", refusal(404, "SOMETHING"), "answer"),
    ("gcpkms", httpx2.Response(200, json={"name": "another", "ciphertext": "AA=="}), "answer"),
    ("azurekv", azure_refusal(403, "Forbidden", "KeyDisabled"), "disabled"),
    ("azurekv", azure_refusal(403, "Forbidden"), "denied"),
    ("azurekv", httpx2.Response(409, json={"error": "text"}), "answer"),
    ("azurekv", httpx2.Response(200, json={"kid": "another", "value": "AA"}), "answer"),
    ("azurekv", httpx2.Response(200, json={"kid": AZURE + AZURE_KEY, "value": "!"}), "answer"),
    ("vault", httpx2.Response(200, json={"data": {}}), "answer"),
    ("vault", httpx2.Response(200, json=[1]), "answer"),
    ("vault", httpx2.Response(200, content=b"<html>"), "answer"),
    ("vault", httpx2.Response(200, content=b'"' + b"x" * 70_000 + b'"'), "answer"),
    ("vault", httpx2.Response(302, headers={"location": "https://elsewhere"}, json={}), "answer"),
    ("gcpkms", httpx2.Response(503, json={}), "unreachable"),
    ("awskms", httpx2.Response(429, json={}), "unreachable"),
    ("azurekv", httpx2.ConnectError("no route"), "unreachable"),
]


@pytest.mark.parametrize(("kind", "answer", "code"), REFUSALS)
def test_each_wrong_answer_has_a_name_and_none_is_repeated(kind, answer, code, credentials):
    service, kek = opened(kind, credentials)
    service.instead = answer
    with pytest.raises((KeyRefusedError, UnavailableError)) as failed:
        kek.wrap(KEY, context=CONTEXT)
    assert failed.value.code == f"kek.{code}"
    assert "secret" not in failed.value.message
    assert len(service.heard) == 1


def test_bytes_that_are_no_base64_are_no_answer(credentials):
    service, kek = opened("vault", credentials)
    service.instead = httpx2.Response(200, json={"data": {"plaintext": "?"}})
    with pytest.raises(UnavailableError) as failed:
        kek.unwrap(b"vault:v1:AA==", context=CONTEXT)
    assert failed.value.code == "kek.answer"


def test_a_rotated_key_whose_old_version_is_shut_is_named_so(credentials):
    service, kek = opened("vault", credentials)
    wrapped = kek.wrap(KEY, context=CONTEXT)
    service.version = 2
    assert kek.unwrap(wrapped, context=CONTEXT) == KEY
    service.least_version = 2
    with pytest.raises(KeyRefusedError) as failed:
        kek.unwrap(wrapped, context=CONTEXT)
    assert failed.value.code == "kek.rotated"


def test_a_key_that_is_not_there_is_named_so(credentials):
    service = FakeVault()
    uri = f"vault:https://vault.example/transit/other?token-file={credentials}/token"
    with pytest.raises(KeyRefusedError) as failed:
        open_kek(uri, transport=service).wrap(KEY, context=CONTEXT)
    assert failed.value.code == "kek.absent"


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("token", b"", "kek.credentials"),
        ("token", b"two words", "kek.credentials"),
        ("token", b"l\xc3\xb6", "kek.credentials"),
        ("aws", b"[default]\naws_access_key_id = A\n", "kek.credentials"),
        ("aws", b"secret without a section", "kek.credentials"),
        ("aws", b"[default]\n\xff", "kek.credentials"),
    ],
)
def test_credentials_of_another_form_are_refused_without_quoting_them(
    credentials, name, content, code
):
    private(credentials / name, content)
    _, kek = opened("vault" if name == "token" else "awskms", credentials)
    with pytest.raises(MalformedError) as failed:
        kek.wrap(KEY, context=CONTEXT)
    assert failed.value.code == code
    assert failed.value.__context__ is None


def test_credentials_that_others_can_read_are_refused(credentials):
    (credentials / "token").chmod(0o644)
    service, kek = opened("vault", credentials)
    with pytest.raises(RefusedError):
        kek.wrap(KEY, context=CONTEXT)
    assert service.heard == []


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ({}, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            {"my-header1": "value1"},
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
    ],
)
def test_requests_are_signed_as_the_suite_of_aws_says(name, signature):
    # aws-sig-v4-test-suite: post-vanilla and post-header-key-sort.
    scope = Scope(
        region="us-east-1",
        service="service",
        at=dt.datetime(2015, 8, 30, 12, 36, tzinfo=dt.UTC),
    )
    credentials = Credentials(
        key_id="AKIDEXAMPLE", secret="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", session=""
    )
    sent = sign_post(
        credentials, scope, headers={"host": "example.amazonaws.com", **name}, path="/", body=b""
    )
    assert sent["authorization"].endswith(f"Signature={signature}")
    assert "wJalr" not in repr(credentials)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "passphrase:",
        "file:relative",
        "file:/key?token-file=/t",
        "vault:https://vault.example/transit/kek",
        "vault:https://vault.example/transit/kek?token-file=/a&token-file=/b",
        "vault:https://vault.example/transit/kek?token=secret",
        "vault:http://vault.example/transit/kek?token-file=/t",
        "awskms:alias/kek?credentials-file=/c",
        f"awskms:{ARN}?credentials-file=/c&endpoint=ftp://x",
        f"gcpkms:{GCP_KEY}/cryptoKeyVersions/1?token-file=/t",
        f"azurekv:{AZURE}/keys/kek?token-file=/t",
        "pkcs11:token=T?module-path=/m&pin-source=/p",
    ],
)
def test_a_uri_of_another_form_is_refused(uri):
    with pytest.raises(MalformedError) as failed:
        open_kek(uri)
    assert failed.value.code in {"kek.uri", "kek.address"}
    assert "secret" not in failed.value.message


def test_plain_http_reaches_this_machine_alone(credentials):
    service = FakeVault()
    uri = f"vault:http://127.0.0.1:8200/transit/kek?token-file={credentials}/token"
    assert open_kek(uri, transport=service).wrap(KEY, context=CONTEXT)
