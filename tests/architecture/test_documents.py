# SPDX-License-Identifier: Apache-2.0
"""Links lead somewhere, and every format has its page."""

from __future__ import annotations

import re

from tests.support import docs_index
from tests.support.source_tree import ROOT, python_files

PAGES = sorted(
    path
    for place in (ROOT, ROOT / "docs", ROOT / "docs" / "protocol", ROOT / "docs" / "adr")
    for path in place.glob("*.md")
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
FORMAT = re.compile(r"\"(?:urn:)?cleanroom[.:]([a-z-]+)[.:]v0\"")
PROTOCOL = "\n".join(
    path.read_text("utf-8") for path in sorted((ROOT / "docs" / "protocol").glob("*.md"))
)
FORMATS = sorted(
    {name for path in python_files("cleanroom") for name in FORMAT.findall(path.read_text("utf-8"))}
)


def test_every_link_leads_somewhere():
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in PAGES
        for link in LINK.findall(page.read_text("utf-8"))
        if not link.startswith(("http", "mailto:")) and not (page.parent / link).exists()
    ]
    assert broken == []


def test_every_format_has_a_page():
    missing = [
        name
        for name in FORMATS
        if f"cleanroom.{name}.v0" not in PROTOCOL and f"cleanroom:{name}:v0" not in PROTOCOL
    ]
    assert missing == []


def test_the_index_lists_every_page():
    text = docs_index.INDEX.read_text("utf-8")
    assert text == docs_index.current(text), "run make docs"
