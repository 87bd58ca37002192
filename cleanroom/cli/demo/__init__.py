# SPDX-License-Identifier: Apache-2.0
"""Two invented organisations that go through the whole line on one machine."""
