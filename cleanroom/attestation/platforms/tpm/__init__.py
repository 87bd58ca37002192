# SPDX-License-Identifier: Apache-2.0
"""A TPM 2.0: quotes over platform configuration registers, and the logs behind them.

Read top down: :mod:`parse` turns bytes into fields, :mod:`verify` says whether a
quote is genuine, :mod:`event_log`, :mod:`ima` and :mod:`runtime_log` explain the
values that it signs, :mod:`endorsement` says whose key signed, and :mod:`client`
asks a chip. Structure numbers are those of the TCG library specification,
part 2 (revision 1.59).
"""
