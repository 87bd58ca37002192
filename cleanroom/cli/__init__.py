# SPDX-License-Identifier: Apache-2.0
"""How does a person ask? One module per noun; every command calls one function."""
