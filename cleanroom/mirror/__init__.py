# SPDX-License-Identifier: Apache-2.0
"""How does a room in a hub become a directory here, and back?

Everything that works on a room works on a directory. A mirror is that directory:
pulled, used, pushed. Nothing a hub says replaces what is here unless it verifies.
"""
