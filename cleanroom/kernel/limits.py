# SPDX-License-Identifier: Apache-2.0
"""Every size that is refused when exceeded, in one place.

A limit is part of a format: two parties who disagree about it disagree about
what is valid. Sizes are in bytes of the encoded form unless the name says otherwise.
"""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

MAX_PARTY_BYTES = 16 * KIB
MAX_CONTRACT_BYTES = 256 * KIB
MAX_DATASET_BYTES = 4 * MIB  # one [[parts]] entry is about 180 bytes, so 20,000 parts fit
MAX_POLICY_BYTES = 256 * KIB
MAX_QUERY_BYTES = 64 * KIB
MAX_APPROVAL_BYTES = 8 * KIB
MAX_RUN_BYTES = 16 * KIB
MAX_REVOCATION_BYTES = 8 * KIB
MAX_REQUEST_KEY_BYTES = 2 * KIB
MAX_ALLOWANCE_BYTES = 1 * MIB
MAX_AUTHORITIES_BYTES = 32 * KIB
MAX_SSHSIG_BYTES = 8 * KIB
MAX_CODE_BYTES = 64 * KIB
MAX_ENVELOPE_BYTES = 4 * MIB
MAX_RECEIPT_BYTES = 8 * MIB
MAX_BUNDLE_BYTES = 32 * MIB
MAX_STATE_ENTRY_BYTES = 256 * MIB
MAX_RESULT_BYTES = 64 * MIB
MAX_SEALED_RESULT_BYTES = 256 * MIB  # padded to a power of two, then base64
MAX_CHILD_OUTPUT_BYTES = 512 * MIB
MAX_RUNTIME_DATA_BYTES = 32 * KIB
# A GPU with both manifests and seven revocation answers is about 80 KiB as text, a
# machine's firmware log at most 512 KiB: eight GPUs fit, and a receipt that embeds
# them fits an envelope.
MAX_EVIDENCE_BYTES = 2 * MIB
MAX_EVIDENCE_ITEM_BYTES = 1 * MIB  # one machine or device as bytes, collateral included
MAX_STRANGERS_BYTES = 16 * MIB  # event and IMA logs of long-running machines
MAX_SOURCE_FILE_BYTES = 1 * MIB
MAX_NOTE_BYTES = 64 * KIB
MAX_LOG_ENTRY_BYTES = 2**16 - 1  # C2SP tlog-tiles: a 16-bit length before each entry
MAX_NOTE_SIGNATURES = 64
MAX_PROOF_HASHES = 63  # RFC 6962 audit path of a tree below 2**63 leaves

MAX_NESTING = 32
MAX_SAFE_INTEGER = 2**53 - 1  # RFC 8785 section 3.2.2.3 (I-JSON integers)
MAX_INTEGER_DIGITS = 16
MAX_NAME = 64

# How many entries a document may list: enough for real use, too few to be a burden.
MAX_PARTIES = 16
MAX_CONTRACT_DATASETS = 64
MAX_LINKS = 64
MAX_LISTED_QUERIES = 1024
MAX_COLUMNS = 2048
MAX_PARTS = 20_000
MAX_CODE_FILES = 16
MAX_PARAMETERS = 32
MAX_PARAMETER_VALUES = 1024
MAX_REVOCATIONS = 256
MAX_TEXT = 2000
