# SPDX-License-Identifier: Apache-2.0
"""What is known while a query is lowered: names, facts, influence, whose rows they are."""
