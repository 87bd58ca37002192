# SPDX-License-Identifier: Apache-2.0
"""Write an attestation clause as TOML with a comment at every table."""

from __future__ import annotations

from collections.abc import Mapping

from cleanroom.contract.attestation_plain import plain_profile
from cleanroom.contract.attestation_terms import AttestationProfile
from cleanroom.contract.toml_text import document, quote
from cleanroom.kernel.canonical import JSONValue

_COMMENTS = {
    "snp": """\
# AMD SEV-SNP. The image counts by exact launch measurement or by signer and least
# version. minimum_tcb has one entry for each product. Milan is broken (arXiv
# 2605.12990): it needs a reason in risks, and its chips named.
""",
    "tdx": """\
# Intel TDX. Every register is a list of accepted values or "any"; the module must be
# Intel's own, and both verifiers must accept the quote.
""",
    "pcrs": """\
# The TPM quote must select exactly these registers and the runtime register, which the
# runner extends with itself, the contract and the query before it runs anything.
""",
    "azure": "# The configuration of an Azure confidential VM, as its hardware report holds it.\n",
    "nitro": "# An AWS Nitro enclave: 0 to 2 image, 3 role, 4 instance, 8 signer of the image.\n",
    "workload": """\
# A Google Confidential Space token. Arguments and environment count as code; each
# accepted argument list is one line.
""",
    "maa": """\
# A token of Microsoft Azure Attestation about a report that the machine asked for itself.
# The image counts by its launch measurement, or by its signer and least version. The keys of
# the service are vouched for below, in key_sets.
""",
    "gpus": "# The machine's GPUs, each by the reference manifests of its driver and VBIOS.\n",
}

_MOMENT = "fetched_at"
_KEY_SET = """\
# Keys of a token service: whoever signs this fetched them from the issuer's own address, and
# found this digest. They count for max_collateral_age_seconds.
"""


def render_attestation(profile: AttestationProfile) -> str:
    """Write ``[attestation]`` and its tables; reading it again gives the same profile."""
    values = plain_profile(profile)
    vouched = values.pop("key_sets", [])
    head = {name: value for name, value in values.items() if not isinstance(value, dict)}
    text = """
# Which runner may get keys: platforms such as "snp", and the digests of runners
# that all parties accept. An empty list accepts nothing. "simulated" protects
# nothing and must stand alone. debug is "forbidden" or "waived: <reason>".
[attestation]
"""
    text += _entries(head)
    for name, table in values.items():
        if isinstance(table, dict):
            text += f"\n{_COMMENTS[name]}[attestation.{name}]\n{_table(name, table)}"
    listed = vouched if isinstance(vouched, list) else []
    entries = [item for item in listed if isinstance(item, dict)]
    for entry in entries:
        text += f"\n{_KEY_SET}[[attestation.key_sets]]\n{_entries(entry)}"
    return text


def render_profile(profile: AttestationProfile) -> bytes:
    """Write an attestation clause as a file of its own."""
    head = (
        "# An attestation clause to be agreed on; it takes effect where a contract holds it.\n"
        'format = "cleanroom.attestation-profile.v0"\n'
    )
    return document(head + render_attestation(profile))


def _table(name: str, table: Mapping[str, JSONValue]) -> str:
    tables = {
        key: [entry for entry in value if isinstance(entry, dict)]
        for key, value in table.items()
        if isinstance(value, list)
    }
    # TOML has no empty array of tables, so an empty list stands with the plain values.
    text = _entries({key: value for key, value in table.items() if not tables.get(key)})
    for key, entries in tables.items():
        for entry in entries:
            text += f"\n[[attestation.{name}.{key}]]\n{_entries(entry)}"
    return text


def _entries(values: Mapping[str, JSONValue]) -> str:
    # A time stands without quotes; everything else that is text stands in them.
    return "".join(
        f"{key} = {value if key == _MOMENT else _value(value)}\n" for key, value in values.items()
    )


def _value(value: JSONValue) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    return quote(value) if isinstance(value, str) else str(value)
