# SPDX-License-Identifier: Apache-2.0
"""Keys that wrap a broker's keys at rest: in a file, a token, or somebody's key service."""
