# SPDX-License-Identifier: Apache-2.0
"""The key usage extension with a few of its nine bits."""

from __future__ import annotations

from cryptography import x509

_BITS = (
    "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
    " key_cert_sign crl_sign encipher_only decipher_only"
)


def key_usage(*wanted: str) -> x509.KeyUsage:
    """Make a key usage of these bits alone."""
    return x509.KeyUsage(**{name: name in wanted for name in _BITS.split()})
