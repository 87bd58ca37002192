# SPDX-License-Identifier: Apache-2.0
"""One package per platform, each split into parse, verify, claims and collect."""
