# SPDX-License-Identifier: Apache-2.0
"""What happens inside the enclave: attest, obtain keys, compute, gate, commit.

The runner never sees a party's private keys, profile or passphrase. It reads the
room, speaks to every owner's broker, and writes a sealed result and a receipt.
"""
