# SPDX-License-Identifier: Apache-2.0
"""Running SQL that the gate generated over sealed parts, and nothing else.

The engine trusts neither the SQL nor the machine's files: it sees named views and
verified bytes, and what goes wrong inside never leaves in the engine's words.
"""
