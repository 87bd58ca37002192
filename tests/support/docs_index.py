# SPDX-License-Identifier: Apache-2.0
"""Writes the lists of pages in ``docs/README.md``; a test checks that they are current.

Run ``python -m tests.support.docs_index`` from the root of the checkout, or ``make docs``.
"""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
INDEX = DOCS / "README.md"
SECTIONS = {"protocol": "Formats", "adr": "Decisions"}


def listed(directory: str) -> str:
    """Return one line a page: its title, linked."""
    lines = []
    for path in sorted((DOCS / directory).glob("*.md")):
        title = path.read_text("utf-8").splitlines()[0].lstrip("# ").replace("|", "/")
        lines.append(f"- [{title}]({directory}/{path.name})")
    return "\n".join(lines)


def current(text: str) -> str:
    """Return the index with its lists brought up to date."""
    for directory in SECTIONS:
        begin, end = f"<!-- {directory} -->", f"<!-- end {directory} -->"
        found = re.compile(f"{begin}.*?{end}", flags=re.DOTALL)
        lines = f"{begin}\n\n{listed(directory)}\n\n{end}"
        text = found.sub(lambda _, lines=lines: lines, text)
    return text


if __name__ == "__main__":
    INDEX.write_text(current(INDEX.read_text("utf-8")), "utf-8")
