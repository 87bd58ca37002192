# SPDX-License-Identifier: Apache-2.0
"""Keys and pins: who a party is, and which keys on this machine act for it."""
