# SPDX-License-Identifier: Apache-2.0
"""Which EPYC generation is this, and how does it write its firmware versions?

A ``TCB_VERSION`` is eight bytes, and which byte means what depends on the
product (AMD 56860 section 2.2). Turin moved every component but one: read with
the older layout it compares wrong bytes, silently.

======  =================  =================
byte    Milan, Genoa       Turin
======  =================  =================
0       boot loader        FMC
1       TEE                boot loader
2       reserved           TEE
3       reserved           SNP
4, 5    reserved           reserved
6       SNP                reserved
7       microcode          microcode
======  =================  =================
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from cleanroom.errors import MalformedError
from cleanroom.kernel.record import dataclass

TCB_BYTES = 8

_FAMILY_ZEN_3_4 = 0x19
_FAMILY_ZEN_5 = 0x1A


class Product(Enum):
    """A generation that this verifier knows; the value is AMD's name for it."""

    MILAN = "Milan"
    GENOA = "Genoa"
    TURIN = "Turin"


_OLDER = {0: "bootloader", 1: "tee", 6: "snp", 7: "microcode"}
LAYOUTS: Mapping[Product, Mapping[int, str]] = {
    Product.MILAN: _OLDER,
    Product.GENOA: _OLDER,
    Product.TURIN: {0: "fmc", 1: "bootloader", 2: "tee", 3: "snp", 7: "microcode"},
}
COMPONENTS: Mapping[Product, frozenset[str]] = {
    product: frozenset(layout.values()) for product, layout in LAYOUTS.items()
}
# Chips with a name of their own and the keys and layout of an older product
# (AMD 57230 section 3.2).
_NAMED_APART: Mapping[str, Product] = {"Bergamo": Product.GENOA, "Siena": Product.GENOA}
# AMD 57230 table 9: every family and model of a product, so an unknown one is refused
# instead of being read with a layout that may not be its own.
_MODELS = (
    (Product.MILAN, _FAMILY_ZEN_3_4, range(0x10)),
    (Product.GENOA, _FAMILY_ZEN_3_4, range(0x10, 0x20)),
    (Product.GENOA, _FAMILY_ZEN_3_4, range(0xA0, 0xB0)),
    (Product.TURIN, _FAMILY_ZEN_5, range(0x12)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcb:
    """Firmware versions, as eight bytes and by name.

    Attributes:
        raw: The eight bytes, as they stand in a report.
        components: Name to security version number.
    """

    raw: bytes
    components: Mapping[str, int]


def read_tcb(raw: bytes, product: Product) -> Tcb:
    """Read eight bytes with the layout of one product.

    Raises:
        MalformedError: Not eight bytes.
    """
    if len(raw) != TCB_BYTES:
        raise MalformedError(
            f"snp tcb: found {len(raw)} bytes against {TCB_BYTES}", code="snp.tcb-length"
        )
    return Tcb(raw=raw, components={name: raw[index] for index, name in LAYOUTS[product].items()})


def product_of_cpu(family: int, model: int) -> Product:
    """Name the product of a CPUID family and model, as a report of version 3 gives them.

    Raises:
        MalformedError: No product that this verifier knows.
    """
    for product, its_family, models in _MODELS:
        if family == its_family and model in models:
            return product
    raise MalformedError(
        f"snp product: found family {family:#x} model {model:#x}, agreed "
        + ", ".join(item.value for item in Product),
        code="snp.product",
        hint="a newer verifier may know this processor",
    )


def product_of_name(name: str) -> Product:
    """Name the product of a certificate's product extension, such as ``Milan-B0``.

    Behind a hyphen stands the stepping; a cloud's certificate and newer ones have none.

    Raises:
        MalformedError: No product that this verifier knows.
    """
    family = name.partition("-")[0]
    for product in Product:
        if family == product.value:
            return product
    if family in _NAMED_APART:
        return _NAMED_APART[family]
    raise MalformedError(
        "snp product: found another name in the certificate, agreed "
        + ", ".join(item.value for item in Product),
        code="snp.product",
    )
