# SPDX-License-Identifier: Apache-2.0
"""Links lead somewhere, and every format has its page."""

from __future__ import annotations

import re

import click

from cleanroom.cli.main import cli
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


# A command line in a page: what stands in backquotes, or a line of a block, up to a comment.
COMMAND = re.compile(r"(?:^|`)cleanroom ([a-z][^`#\n]*)", re.MULTILINE)
SAID = [
    (page.relative_to(ROOT).as_posix(), said.strip())
    for page in PAGES
    if page.parent.name != "adr" and page.name != "CHANGELOG.md"
    for said in COMMAND.findall(page.read_text("utf-8").replace("\\\n", " "))
]


def unknown_words(said: str) -> list[str]:
    """List what a command line names and the program does not have."""
    words = re.split(r" (?:&&|\||>|\(|or|and) ?", said)[0].split()
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        context = click.Context(command)
        # Several commands at once are written a|b.
        found = [command.get_command(context, each) for each in name.split("|")]
        if None in found:
            return [name]
        command = found[0] or command
    known = {option for item in (cli, command) for param in item.params for option in param.opts}
    options = {word.strip("[]().,;:") for word in words if word.strip("[(").startswith("--")}
    return sorted({option.partition("=")[0] for option in options} - known - {"--help"})


def test_every_command_and_option_in_a_page_exists():
    assert len(SAID) > 60
    wrong = [(page, said, words) for page, said in SAID if (words := unknown_words(said))]
    assert wrong == []


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
