# SPDX-License-Identifier: Apache-2.0
"""What an admitted query is: a closed, typed tree, and the SQL that is generated from it."""
