# SPDX-License-Identifier: Apache-2.0
"""Whom we believe about Azure's attestation service: nobody until a key set is vouched for.

The service's keys have no public root. Its addresses have one form, which keeps a
fetch from going where a token says.
"""

from __future__ import annotations

import re

PLATFORM = "maa-jwt"

# Shared providers, instances of customers, and Microsoft's own test instances; in the public
# cloud and in those of governments.
ISSUER = re.compile(r"https://[a-z0-9]{3,24}\.[a-z0-9]{2,8}(\.test)?\.attest\.azure\.(net|us|cn)")
