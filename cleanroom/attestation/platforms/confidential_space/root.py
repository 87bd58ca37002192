# SPDX-License-Identifier: Apache-2.0
"""Whom we believe about Google Confidential Space: one root, or a key set vouched for."""

from __future__ import annotations

from cleanroom.kernel.digest import Digest

PLATFORM = "gcp-cs-jwt"
ISSUER = "https://confidentialcomputing.googleapis.com"

# "Confidential Space Root CA", RSA-4096, until 2034-01-16: vouches for tokens of type PKI.
ROOT_PIN = Digest.parse("sha256:148b293821bb0c6a317f413c8ba475814091cb22d49b9e3c94198db8e8f86c39")
