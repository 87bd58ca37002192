# SPDX-License-Identifier: Apache-2.0
"""AWS Signature Version 4 for one POST: checked against the test suite that AWS published.

Source: AWS General Reference, "Create a signed AWS API request", and aws-sig-v4-test-suite.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import field

from cleanroom.kernel.record import dataclass

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who asks.

    Attributes:
        key_id: Access key id.
        secret: Secret access key.
        session: Session token; empty for long-lived keys.
    """

    key_id: str
    secret: str = field(repr=False)
    session: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """For which service and when a request counts."""

    region: str
    service: str
    at: dt.datetime


def sign_post(
    credentials: Credentials, scope: Scope, *, headers: Mapping[str, str], path: str, body: bytes
) -> dict[str, str]:
    """Return all headers of a POST without a query, signed over all of them.

    Args:
        credentials: Who asks.
        scope: Service, region and time in UTC.
        headers: ``host`` and all others that are to be sent, names in lower case.
        path: Absolute and already escaped.
        body: Its exact bytes.
    """
    stamp = scope.at.strftime("%Y%m%dT%H%M%SZ")
    sent = dict(headers) | {"x-amz-date": stamp}
    if credentials.session:
        sent["x-amz-security-token"] = credentials.session
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{' '.join(sent[name].split())}\n" for name in sorted(sent))
    digest = hashlib.sha256(body).hexdigest()
    canonical = f"POST\n{path}\n\n{lines}\n{names}\n{digest}"
    day = scope.at.strftime("%Y%m%d")
    place = f"{day}/{scope.region}/{scope.service}/aws4_request"
    told = f"{_ALGORITHM}\n{stamp}\n{place}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret}".encode()
    for part in (day, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, told.encode(), "sha256").hex()
    return sent | {
        "authorization": f"{_ALGORITHM} Credential={credentials.key_id}/{place}, "
        f"SignedHeaders={names}, Signature={signature}"
    }
