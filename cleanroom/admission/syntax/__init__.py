# SPDX-License-Identifier: Apache-2.0
"""What the engine parsed: its tree, read so that nothing in it is overlooked."""
