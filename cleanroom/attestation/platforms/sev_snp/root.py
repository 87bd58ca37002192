# SPDX-License-Identifier: Apache-2.0
"""AMD's roots, by SHA-256 of their DER (ATTESTATION 2.1; AMD KDS ``cert_chain``).

ARK signs itself and the two below it: ASK, which issues the VCEKs of one
product, and ASVK, which issues the VLEKs. All three are pinned, so that a chain
that travels with evidence can only ever be AMD's own.
"""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.attestation.platforms.sev_snp.product import Product
from cleanroom.kernel.digest import Digest
from cleanroom.kernel.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """The certificates of one product that count.

    Attributes:
        ark: The root.
        ask: Issuer of VCEKs.
        asvk: Issuer of VLEKs.
    """

    ark: Digest
    ask: Digest
    asvk: Digest


def _pin(digits: str) -> Digest:
    return Digest.parse(f"sha256:{digits}")


AMD_PINS: Mapping[Product, Pins] = {
    Product.MILAN: Pins(
        ark=_pin("69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd"),
        ask=_pin("67d303bd3905fd38db8b20e0793699870e7fa612eaad5dec358293fd8c0bac1b"),
        asvk=_pin("c5e081f59b7efab1fe2f8b505e159704e72f29cab7ef7cf628a05a42439082f5"),
    ),
    Product.GENOA: Pins(
        ark=_pin("4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1"),
        ask=_pin("5464738c1546aed5f2cecf1dc98c5c960a92e8913238a61711bc90ec6e828521"),
        asvk=_pin("197e610743a917d6b9bb982a5a9226ccc0a15b611be0619e626aca9151457372"),
    ),
    Product.TURIN: Pins(
        ark=_pin("1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a"),
        ask=_pin("5b77ef5fe7a7a004fd9032668fba9d0fda22f88c4442069a479636a6ae3b3185"),
        asvk=_pin("104e10a8bd060a3c20a434261a57d0588fd65a88915b4f65b08bdecaf8df1a3c"),
    ),
}
