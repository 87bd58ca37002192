# SPDX-License-Identifier: Apache-2.0
"""Whom endorsements of Azure's utility VM are believed from."""

from __future__ import annotations

from cleanroom.kernel.digest import Digest

PLATFORM = "azure-uvm"
# Microsoft Supply Chain RSA Root CA 2022, until 2047-02-17.
ROOT = Digest.parse("sha256:23ffe2b8bdb9a1711515d4cffda04bc7f793d513c76c243f1020507d8669b7db")
# Purpose that Microsoft's policy (did:x509) asks of the signer: one product of many below the root.
PURPOSE = "1.3.6.1.4.1.311.76.59.1.2"
FEEDS = frozenset({"ContainerPlat-AMD-UVM", "ConfAKS-AMD-UVM"})
