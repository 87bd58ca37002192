# SPDX-License-Identifier: Apache-2.0
"""Public emulators of clouds, started on loopback: moto (S3, AWS KMS) and Azurite (Azure Blob)."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx2
import pytest

from cleanroom.keybroker.kek.sigv4 import Credentials, Scope, sign_post
from tests.support.served_brokers import free_loopback_address

START_SECONDS = 300
REGION = "eu-central-1"
BUCKET = "rooms"
_MOTO = Path(sys.prefix) / "emulators" / "bin" / "python"
# Azurite's account and key are published, and the same everywhere.
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A bucket in an emulator.

    Attributes:
        url: What ``--store`` takes.
        environment: The settings that lead there.
    """

    url: str
    environment: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moto:
    """Amazon's services."""

    address: str

    def store(self) -> Store:
        """Make a bucket."""
        _ask("PUT", f"{self.address}/{BUCKET}")
        return Store(
            url=f"s3://{BUCKET}/below",
            environment={
                "AWS_ENDPOINT": self.address,
                "AWS_ALLOW_HTTP": "true",
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
            },
        )

    def key(self) -> str:
        """Make a key in KMS, and return its ARN."""
        return str(self.kms("CreateKey", {})["KeyMetadata"]["Arn"])

    def kms(self, act: str, members: dict[str, Any]) -> dict[str, Any]:
        """Ask KMS as its administrator."""
        body = json.dumps(members).encode()
        headers = {
            "host": self.address.removeprefix("http://"),
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": f"TrentService.{act}",
        }
        scope = Scope(region=REGION, service="kms", at=dt.datetime.now(dt.UTC))  # noqa: TID251
        signed = sign_post(
            Credentials(key_id="test", secret="test", session=""),
            scope,
            headers=headers,
            path="/",
            body=body,
        )
        found = json.loads(_ask("POST", self.address, headers=signed, body=body) or b"{}")
        return dict(found or {})


@contextmanager
def moto() -> Iterator[Moto]:
    """Serve S3 and KMS while the block runs, in memory."""
    if not _MOTO.exists():
        pytest.skip("moto is not installed (make .venv/.emulators)")
    address = free_loopback_address()
    host, port = address.removeprefix("http://").split(":")
    with _running(address, [str(_MOTO), "-m", "moto.server", "-H", host, "-p", port]):
        yield Moto(address=address)


@contextmanager
def azurite(directory: Path) -> Iterator[Store]:
    """Serve a container of Azure Blob while the block runs."""
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("azurite-blob is not installed (npm install --global azurite)")
    address = free_loopback_address()
    host, port = address.removeprefix("http://").split(":")
    place = ("--location", str(directory), "--disableTelemetry", "--silent")
    with _running(address, [program, "--blobHost", host, "--blobPort", port, *place]):
        _make_container(address)
        yield Store(
            url=f"az://{BUCKET}/below",
            environment={
                "AZURE_STORAGE_ACCOUNT_NAME": _ACCOUNT,
                "AZURE_STORAGE_ACCOUNT_KEY": _KEY,
                "AZURE_ENDPOINT": f"{address}/{_ACCOUNT}",
                "AZURE_ALLOW_HTTP": "true",
            },
        )


def _make_container(address: str) -> None:
    """Sign "Create Container" (Shared Key, version 2021-08-06)."""
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - the emulator looks at its own clock
    stamped = {"x-ms-date": format_datetime(now, usegmt=True), "x-ms-version": "2021-08-06"}
    ours = "".join(f"{name}:{value}\n" for name, value in stamped.items())
    text = "PUT" + "\n" * 12 + ours + f"/{_ACCOUNT}/{_ACCOUNT}/{BUCKET}\nrestype:container"
    mac = hmac.new(base64.b64decode(_KEY), text.encode(), hashlib.sha256).digest()
    signed = {"Authorization": f"SharedKey {_ACCOUNT}:{base64.b64encode(mac).decode()}"}
    _ask("PUT", f"{address}/{_ACCOUNT}/{BUCKET}?restype=container", headers=stamped | signed)


def _ask(
    method: str, url: str, *, headers: Mapping[str, str] = MappingProxyType({}), body: bytes = b""
) -> bytes:
    answer = httpx2.request(method, url, headers=dict(headers), content=body, trust_env=False)
    return answer.raise_for_status().content


@contextmanager
def _running(address: str, command: Sequence[str]) -> Iterator[None]:
    host, port = address.removeprefix("http://").split(":")
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, **quiet) as process:
        try:
            for _ in range(START_SECONDS * 10):
                assert process.poll() is None, "the emulator ended"
                with closing(socket.socket()) as probe:
                    if probe.connect_ex((host, int(port))) == 0:
                        break
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
