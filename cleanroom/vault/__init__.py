# SPDX-License-Identifier: Apache-2.0
"""Sealing and opening data: plaintext exists only with its owner and inside a runner.

This layer knows bytes, keys and columns. It does not know who agreed to what, and
it never decides whether somebody may have a key.
"""
