# SPDX-License-Identifier: Apache-2.0
"""Links lead somewhere, and every format has its page."""

from __future__ import annotations

import re

import pytest

from tests.support.source_tree import ROOT, python_files

PAGES = sorted(
    str(path.relative_to(ROOT))
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


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    text = (ROOT / page).read_text("utf-8")
    relative = [link for link in LINK.findall(text) if not link.startswith(("http", "mailto:"))]
    broken = [link for link in relative if not ((ROOT / page).parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_page(name):
    assert f"cleanroom.{name}.v0" in PROTOCOL or f"cleanroom:{name}:v0" in PROTOCOL


@pytest.mark.parametrize("directory", ["protocol", "adr"])
def test_the_index_names_every_page(directory):
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = [path.name for path in (ROOT / "docs" / directory).glob("*.md")]
    assert [name for name in pages if f"{directory}/{name}" not in index] == []
