# SPDX-License-Identifier: Apache-2.0
"""What happens inside the enclave: attest, get keys, run, gate, commit, hand out."""
