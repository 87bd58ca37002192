# SPDX-License-Identifier: Apache-2.0
"""An append-only log that cannot forget, and proofs that it did not.

RFC 6962 Merkle trees, C2SP signed checkpoints and the C2SP tile layout on one
local directory. It refuses to know what an entry means.
"""
