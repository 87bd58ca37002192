# SPDX-License-Identifier: Apache-2.0
"""What happened: the receipt of a run, and the proof that it tells the truth.

The runner builds a receipt, every owner's broker countersigns it, and anybody
verifies it offline. This package never sees a result in the clear: it knows the
digest and the size of the sealed one, and nothing else about it.
"""
