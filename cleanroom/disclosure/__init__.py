# SPDX-License-Identifier: Apache-2.0
"""May this result leave? Dynamic, stateful, and blind to what admission concluded.

The package computes counts, rules and released values from (group, unit,
contribution) partials. It trusts no count that analysis code reports.
"""
