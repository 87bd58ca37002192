# SPDX-License-Identifier: Apache-2.0
"""Read a small XML document and write it in its one canonical form (C14N 1.1).

A signature over XML covers its canonical octets, so whoever verifies must derive
exactly those. This reader takes the XML that reference manifests are made of and
refuses the rest: document types, entities, processing instructions, comments, CDATA
sections, ``xml:`` attributes, other encodings. What is left needs few rules, and
verified octets are parsed again before anything is read from them: a mistake here can
refuse a good document, never let a reader see what was not signed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from cleanroom.errors import MalformedError
from cleanroom.kernel.strict_json import decode_text

MAX_XML_BYTES = 256 * 1024
MAX_ELEMENTS = 4096
MAX_DEPTH = 16
MAX_ATTRIBUTES = 64

_TEXT = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("\r"): "&#xD;"}
_ATTRIBUTE = {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord('"'): "&quot;",
    ord("\t"): "&#x9;",
    ord("\n"): "&#xA;",
    ord("\r"): "&#xD;",
}


class Scope:
    """The namespaces that are in scope, and the names that were read in it.

    A manifest repeats seven attribute names some sixty times, so each is resolved and
    ordered once.

    Attributes:
        namespaces: Prefix to namespace; the default has the prefix ``""``.
    """

    def __init__(self, namespaces: Mapping[str, str]) -> None:
        """Start with no name read."""
        self.namespaces = namespaces
        self._names: dict[str, tuple[str, str]] = {}
        self._orders: dict[tuple[str, ...], tuple[str, ...]] = {}

    def element_name(self, tag: str) -> tuple[str, str]:
        """Resolve an element's name to namespace and local name.

        Raises:
            MalformedError: A prefix without a namespace.
        """
        return (self.namespaces[""], tag) if ":" not in tag else self.attribute_name(tag)

    def attribute_name(self, name: str) -> tuple[str, str]:
        """Resolve an attribute's name; the default namespace does not apply to it.

        Raises:
            MalformedError: A prefix without a namespace.
        """
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = self._resolve(name)
        return found

    def canonical_order(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Order attributes by namespace and local name (C14N 1.1 section 2.3).

        Raises:
            MalformedError: One attribute under two prefixes, or a prefix without a namespace.
        """
        order = self._orders.get(names)
        if order is None:
            if len({self.attribute_name(name) for name in names}) != len(names):
                raise _malformed("one attribute twice under two prefixes")
            order = self._orders[names] = tuple(sorted(names, key=self.attribute_name))
        return order

    def _resolve(self, name: str) -> tuple[str, str]:
        prefix, colon, local = name.rpartition(":")
        if not colon:
            return "", name
        if not prefix or not local or prefix not in self.namespaces:
            raise _malformed("a prefix without a namespace")
        return self.namespaces[prefix], local


@dataclass(slots=True, kw_only=True)
class Element:
    """One element, with the namespaces that are in scope.

    Attributes:
        tag: Its name as written, prefix included.
        scope: Namespaces in scope, its own declarations included.
        written: Attributes as written, in canonical order, declarations excluded.
        children: Elements and text, in order.
    """

    tag: str
    scope: Scope
    written: Mapping[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def name(self) -> tuple[str, str]:
        """Its namespace and local name."""
        return self.scope.element_name(self.tag)

    @property
    def attributes(self) -> dict[tuple[str, str], str]:
        """Namespace and local name to value."""
        resolve = self.scope.attribute_name
        return {resolve(name): value for name, value in self.written.items()}

    def elements(self) -> list[Element]:
        """Return the elements directly inside."""
        return [child for child in self.children if not isinstance(child, str)]

    def text(self) -> str:
        """Return the text directly inside."""
        return "".join(child for child in self.children if isinstance(child, str))

    def walk(self) -> Iterator[Element]:
        """Yield this element and all within."""
        yield self
        for child in self.elements():
            yield from child.walk()


def parse_xml(data: bytes) -> Element:
    """Read a document of the accepted subset.

    Raises:
        MalformedError: Oversize, not well-formed, another encoding, or a construct
            that this subset leaves out.
    """
    # Before the parser, which would follow a byte order mark, or the zeros of UTF-16,
    # into another encoding.
    text = decode_text(data, what="xml", limit=MAX_XML_BYTES)
    if "\0" in text:
        raise _malformed("a zero byte")
    builder = _Builder()
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    # A document type, the only place that declares entities, brings those, defaults and
    # other documents into what is signed.
    parser.StartDoctypeDeclHandler = builder.forbidden
    parser.ProcessingInstructionHandler = builder.forbidden
    # Canonical XML drops comments, so they could cut a text in two for one reader.
    parser.CommentHandler = builder.forbidden
    parser.StartCdataSectionHandler = builder.forbidden
    parser.XmlDeclHandler = builder.declaration
    try:
        parser.Parse(text, True)  # noqa: FBT003 - expat takes it by position: this is all of it
    except expat.ExpatError:
        raise _malformed("text that is not well-formed") from None
    return builder.root


def canonical(element: Element, *, without: Element | None = None) -> bytes:
    """Write an element and what it holds as C14N 1.1 octets, comments aside.

    Args:
        element: The apex.
        without: A descendant to leave out (the enveloped signature).
    """
    pieces: list[str] = []
    _write(element, rendered={}, without=without, pieces=pieces)
    return "".join(pieces).encode("utf-8")


class _Builder:
    """Build the tree from expat's events; lives for one document."""

    def __init__(self) -> None:
        self.open: list[Element] = []
        self.top: list[Element] = []
        self.count = 0

    @property
    def root(self) -> Element:
        return self.top[0]

    def start(self, tag: str, attributes: list[str]) -> None:
        self.count += 1
        if self.count > MAX_ELEMENTS or len(self.open) == MAX_DEPTH:
            raise _malformed(f"more than {MAX_ELEMENTS} elements, or {MAX_DEPTH} levels")
        if len(attributes) > 2 * MAX_ATTRIBUTES:
            raise _malformed(f"more than {MAX_ATTRIBUTES} attributes")
        outer = self.open[-1].scope if self.open else Scope({"": ""})
        element = _element(tag, dict(zip(attributes[::2], attributes[1::2], strict=True)), outer)
        (self.open[-1].children if self.open else self.top).append(element)
        self.open.append(element)

    def end(self, _tag: str) -> None:
        self.open.pop()

    def characters(self, text: str) -> None:
        self.open[-1].children.append(text)

    def declaration(self, version: str, encoding: str | None, _standalone: int) -> None:
        if version != "1.0" or (encoding or "utf-8").lower() != "utf-8":
            raise _malformed("a declaration of other than XML 1.0 in UTF-8")

    def forbidden(self, *_arguments: object) -> NoReturn:
        raise _malformed("a document type, entity, instruction, comment or CDATA section")


def _element(tag: str, attributes: dict[str, str], scope: Scope) -> Element:
    declared = {name: attributes.pop(name) for name in [*attributes] if name.startswith("xmlns")}
    if declared:
        scope = Scope(_declare(scope.namespaces, declared))
    order = scope.canonical_order(tuple(attributes))
    scope.element_name(tag)
    return Element(tag=tag, scope=scope, written={name: attributes[name] for name in order})


def _declare(outer: Mapping[str, str], declared: Mapping[str, str]) -> dict[str, str]:
    namespaces = dict(outer)
    for name, namespace in declared.items():
        prefix, colon, local = name.partition(":")
        # xml: attributes would be inherited by C14N, and these two prefixes are not ours to bind.
        if prefix != "xmlns" or local in {"xml", "xmlns"} or (colon and not (local and namespace)):
            raise _malformed("a namespace declaration that XML does not allow")
        namespaces[local] = namespace
    return namespaces


def _write(
    element: Element, *, rendered: Mapping[str, str], without: Element | None, pieces: list[str]
) -> None:
    namespaces = element.scope.namespaces
    pieces.append(f"<{element.tag}")
    # Namespaces by prefix, those that an ancestor wrote left out, then attributes.
    if namespaces is not rendered:
        for prefix, namespace in sorted(namespaces.items()):
            if rendered.get(prefix, "") != namespace:
                name = f"xmlns:{prefix}" if prefix else "xmlns"
                pieces.append(f' {name}="{namespace.translate(_ATTRIBUTE)}"')
    for name, value in element.written.items():
        # Letters and digits need no escape, and a measurement is nothing else.
        escaped = value if value.isalnum() else value.translate(_ATTRIBUTE)
        pieces.append(f' {name}="{escaped}"')
    pieces.append(">")
    for child in element.children:
        if isinstance(child, str):
            pieces.append(child.translate(_TEXT))
        elif child is not without:
            _write(child, rendered=namespaces, without=without, pieces=pieces)
    pieces.append(f"</{element.tag}>")


def _malformed(found: str) -> MalformedError:
    return MalformedError(f"xml: found {found}", code="xml.malformed")
