# SPDX-License-Identifier: Apache-2.0
"""A confined child that maps a table, reads a column of it, and says what it allocated."""

import json
import mmap
import sys
import time
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc


def work(answer: BinaryIO) -> None:
    """Read the table whose descriptor standard input names."""
    descriptor = int(sys.stdin.buffer.read())
    began = time.perf_counter()
    mapped = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
    table = pa.ipc.open_stream(pa.py_buffer(mapped)).read_all()
    opened = time.perf_counter() - began
    total = pc.sum(table["amount"]).as_py()
    read = time.perf_counter() - began - opened
    found = {"open": opened, "sum": read, "allocated": pa.total_allocated_bytes(), "total": total}
    answer.write(json.dumps(found).encode())
