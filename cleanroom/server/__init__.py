# SPDX-License-Identifier: Apache-2.0
"""How does a peer ask? HTTP around a key broker; no decision is made here."""
