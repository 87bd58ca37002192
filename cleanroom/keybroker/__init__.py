# SPDX-License-Identifier: Apache-2.0
"""May keys go there? The relying party that each owner runs for itself.

A broker trusts its owner's pins, its own clock and its own memory. It is the
memory that no operator can roll back: nonces, uses, releases, withdrawals and
the heads of disclosure histories live here and nowhere else.
"""
