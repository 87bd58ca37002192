# SPDX-License-Identifier: Apache-2.0
"""``--kek URI``: which key encryption key, and where its credentials lie; never a secret itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl

from cleanroom.errors import MalformedError
from cleanroom.kernel.clock import Clock, system_clock
from cleanroom.keybroker.kek.awskms import AwsKek
from cleanroom.keybroker.kek.azurekv import AzureKek
from cleanroom.keybroker.kek.file import FileKek
from cleanroom.keybroker.kek.gcpkms import GcpKek
from cleanroom.keybroker.kek.https import KeyService, Send
from cleanroom.keybroker.kek.pkcs11 import TokenKek
from cleanroom.keybroker.kek.source import Kek
from cleanroom.keybroker.kek.vault import VaultKek

FORMS = {
    "file": "file:/path/of/the/key",
    "pkcs11": "pkcs11:token=T;object=K?module-path=/lib.so&pin-source=/path",
    "vault": "vault:https://host:8200/transit/KEY?token-file=/path",
    "awskms": "awskms:arn:aws:kms:REGION:ACCOUNT:key/ID?credentials-file=/path",
    "gcpkms": "gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K?token-file=/path",
    "azurekv": "azurekv:https://NAME.vault.azure.net/keys/KEY/VERSION?token-file=/path",
}
_NAME = r"[A-Za-z0-9_.-]{1,128}"
_HOST = r"https?://[A-Za-z0-9.\[\]:-]{1,253}"
_PLACES = {
    "file": re.compile(r"(?P<path>/[^?#\x00-\x1f]{1,1024})"),
    "pkcs11": re.compile(r"token=(?P<token>[^;?#]{1,32});object=(?P<object>[^;?#]{1,64})"),
    "vault": re.compile(rf"(?P<base>{_HOST})/(?P<mount>{_NAME}(?:/{_NAME})*)/(?P<key>{_NAME})"),
    "awskms": re.compile(
        r"arn:aws[a-z-]*:kms:(?P<region>[a-z0-9-]{1,32}):[0-9]{12}:key/[a-zA-Z0-9-]+"
    ),
    "gcpkms": re.compile(
        rf"projects/{_NAME}/locations/{_NAME}/keyRings/{_NAME}/cryptoKeys/{_NAME}"
    ),
    "azurekv": re.compile(rf"(?P<base>{_HOST})(?P<key>/keys/{_NAME}/{_NAME})"),
}
_GIVEN = {
    "file": (frozenset[str](), frozenset[str]()),
    "pkcs11": (frozenset({"module-path", "pin-source"}), frozenset[str]()),
    "vault": (frozenset({"token-file"}), frozenset[str]()),
    "awskms": (frozenset({"credentials-file"}), frozenset({"endpoint"})),
    "gcpkms": (frozenset({"token-file"}), frozenset({"endpoint"})),
    "azurekv": (frozenset({"token-file"}), frozenset[str]()),
}
_Maker = Callable[[str, dict[str, str], "Send | None", Clock], Kek]


def open_kek(uri: str, *, transport: Send | None = None, clock: Clock = system_clock) -> Kek:
    """Return the key that a URI names; nothing is asked of it yet.

    Args:
        uri: One of ``FORMS``.
        transport: Sends requests of key services; the network by default.
        clock: Says when requests are signed.

    Raises:
        MalformedError: Of none of the forms.
    """
    kind, _, rest = uri.partition(":")
    place, _, query = rest.partition("?")
    found = _PLACES[kind].fullmatch(place) if kind in _PLACES else None
    if found is None:
        raise _malformed("kek: of no known form")
    needed, known = _GIVEN[kind]
    given = parse_qsl(query, keep_blank_values=True)
    named = dict(given)
    if len(named) != len(given) or not needed <= named.keys() <= needed | known:
        expected = ", ".join(sorted(needed)) or "nothing"
        raise _malformed(f"kek: after the question mark {kind} takes {expected}")
    return _MAKERS[kind](place, named | found.groupdict(), transport, clock)


def _malformed(message: str) -> MalformedError:
    return MalformedError(message, code="kek.uri", hint=f"one of: {'; '.join(FORMS.values())}")


def _file(_place: str, named: dict[str, str], _send: Send | None, _clock: Clock) -> Kek:
    return FileKek(path=Path(named["path"]))


def _pkcs11(_place: str, named: dict[str, str], _send: Send | None, _clock: Clock) -> Kek:
    return TokenKek(
        module=Path(named["module-path"]),
        token=named["token"],
        label=named["object"],
        # RFC 7512 allows a file: URI here.
        pin_file=Path(named["pin-source"].removeprefix("file:")),
    )


def _vault(place: str, named: dict[str, str], send: Send | None, _clock: Clock) -> Kek:
    return VaultKek(
        service=KeyService(place=f"vault:{place}", base=named["base"], transport=send),
        mount=named["mount"],
        key=named["key"],
        token_file=Path(named["token-file"]),
    )


def _aws(place: str, named: dict[str, str], send: Send | None, clock: Clock) -> Kek:
    base = named.get("endpoint", f"https://kms.{named['region']}.amazonaws.com")
    return AwsKek(
        service=KeyService(place=f"awskms:{place}", base=base, transport=send),
        arn=place,
        region=named["region"],
        credentials_file=Path(named["credentials-file"]),
        clock=clock,
    )


def _gcp(place: str, named: dict[str, str], send: Send | None, _clock: Clock) -> Kek:
    base = named.get("endpoint", "https://cloudkms.googleapis.com")
    return GcpKek(
        service=KeyService(place=f"gcpkms:{place}", base=base, transport=send),
        key=place,
        token_file=Path(named["token-file"]),
    )


def _azure(place: str, named: dict[str, str], send: Send | None, _clock: Clock) -> Kek:
    return AzureKek(
        service=KeyService(place=f"azurekv:{place}", base=named["base"], transport=send),
        key=named["key"],
        token_file=Path(named["token-file"]),
    )


_MAKERS: dict[str, _Maker] = {
    "file": _file,
    "pkcs11": _pkcs11,
    "vault": _vault,
    "awskms": _aws,
    "gcpkms": _gcp,
    "azurekv": _azure,
}
