# SPDX-License-Identifier: Apache-2.0
"""Canonical bytes, digests, time and limits: what every other layer stands on."""
