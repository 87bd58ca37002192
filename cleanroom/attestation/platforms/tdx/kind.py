# SPDX-License-Identifier: Apache-2.0
"""The ``tdx`` and ``sgx-dcap`` kinds for the command line: files, and plain words."""

from __future__ import annotations

import functools

from cleanroom.attestation.platform import About, Kind
from cleanroom.attestation.platforms.tdx.claims import SGX_PLATFORM, TDX_PLATFORM
from cleanroom.attestation.platforms.tdx.intake import (
    quote_item,
    recognises_sgx,
    recognises_tdx,
    requests_of,
)
from cleanroom.attestation.platforms.tdx.verify import SGX_VERIFIER, TDX_VERIFIER

KINDS: tuple[Kind, ...] = (
    Kind(
        verifier=TDX_VERIFIER,
        about=About(
            title="Intel TDX quote",
            proves=(
                "A genuine Intel processor runs a machine whose memory its host cannot read.",
                "Which firmware it was launched from (MRTD), and its run-time registers since.",
                "That the guest asked for these 64 bytes to be signed.",
            ),
            does_not_prove=(
                "That the processor's firmware is current: only Intel's collateral says that.",
                "What the registers mean: an event log that replays to them does.",
                "That nobody probes the memory bus: keys were extracted that way.",
                "When it was made: it is as fresh as the nonce inside.",
            ),
            example="cat /sys/kernel/config/tsm/report/request/outblob > quote.bin",
        ),
        recognises=recognises_tdx,
        intake=functools.partial(quote_item, TDX_PLATFORM),
        collateral_requests=requests_of,
    ),
)

FOREIGN: tuple[Kind, ...] = (
    Kind(
        verifier=SGX_VERIFIER,
        about=About(
            title="Intel SGX quote (DCAP)",
            proves=(
                "A genuine Intel processor runs this enclave (MRENCLAVE) of this signer.",
                "That the enclave asked for these 64 bytes to be signed.",
            ),
            does_not_prove=(
                "That the processor's firmware is current: only Intel's collateral says that.",
                "That a runner of ours is inside: it never runs in an enclave.",
            ),
            example="gramine-sgx-quote-view quote.bin",
        ),
        recognises=recognises_sgx,
        intake=functools.partial(quote_item, SGX_PLATFORM),
        collateral_requests=requests_of,
    ),
)
