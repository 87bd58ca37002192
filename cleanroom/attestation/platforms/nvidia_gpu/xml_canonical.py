# SPDX-License-Identifier: Apache-2.0
"""Write a small XML document in its one canonical form (C14N 1.1), and read that form.

A signature over XML covers its canonical octets, so whoever verifies must derive
exactly those. This writer takes the XML that reference manifests are made of and
refuses the rest: document types, entities, processing instructions, comments, CDATA
sections, ``xml:`` attributes, other encodings. What is left needs few rules, and
everything is read from canonical octets only: a mistake here can refuse a good
document, never let a reader see what was not signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import NoReturn
from xml.etree import ElementTree as ET
from xml.parsers import expat

from cleanroom.errors import MalformedError
from cleanroom.kernel.strict_json import decode_text

MAX_XML_BYTES = 256 * 1024
MAX_ELEMENTS = 4096
MAX_DEPTH = 16
MAX_ATTRIBUTES = 64

# A namespace and a local name.
Name = tuple[str, str]


@dataclass(slots=True, kw_only=True)
class Shape:
    """How elements of one tag and one list of attribute names are written.

    Attributes:
        name: Namespace and local name of the element.
        in_order: Puts values as written into canonical order; one value alone comes as itself.
        head: The start tag up to the declarations of namespaces.
        tail: The rest of it, with a place for every value.
        end: The end tag.
    """

    name: Name
    in_order: Callable[[list[str]], object]
    head: str
    tail: str
    end: str


class Scope:
    """The namespaces that are in scope, and the shapes that were read in it.

    A manifest repeats seven attribute names some sixty times, so each list of names is
    resolved and ordered once.

    Attributes:
        namespaces: Prefix to namespace; the default has the prefix ``""``.
        shapes: Tag and attribute names, as written, to their shape.
    """

    def __init__(self, namespaces: Mapping[str, str]) -> None:
        """Start with no shape read."""
        self.namespaces = namespaces
        self.shapes: dict[tuple[str, tuple[str, ...]], Shape] = {}

    def shape(self, tag: str, names: tuple[str, ...]) -> Shape:
        """Resolve names, and order attributes as C14N 1.1 section 2.3 says; keep the shape.

        Raises:
            MalformedError: One attribute under two prefixes, or a prefix without a namespace.
        """
        keys = [self._resolve(name) for name in names]
        if len(set(keys)) != len(keys):
            raise _malformed("one attribute twice under two prefixes")
        order = tuple(sorted(range(len(names)), key=keys.__getitem__))
        found = Shape(
            name=self._resolve(tag) if ":" in tag else (self.namespaces[""], tag),
            in_order=itemgetter(*order) if order else tuple,
            head=f"<{tag}",
            tail="".join(f' {names[at]}="%s"' for at in order) + ">",
            end=f"</{tag}>",
        )
        self.shapes[tag, names] = found
        return found

    def _resolve(self, name: str) -> tuple[str, str]:
        # The default namespace does not apply to attributes.
        prefix, colon, local = name.rpartition(":")
        if not colon:
            return "", name
        if not prefix or not local or prefix not in self.namespaces:
            raise _malformed("a prefix without a namespace")
        return self.namespaces[prefix], local


@dataclass(slots=True, kw_only=True)
class Part:
    """One element and what is within, as it stands in a document.

    Attributes:
        name: Its namespace and local name.
        depth: How many elements are around it.
        alone: Its start tag where nothing is around it.
        pieces: The canonical text of the whole document.
        start: Where its start tag is in that text.
        end: Where what follows its end tag is.
    """

    name: Name
    depth: int
    alone: str
    pieces: list[str]
    start: int
    end: int = 0

    def canonical(self) -> bytes:
        """Write it alone, as C14N 1.1 octets without comments."""
        # At the top of what is written stand all namespaces in scope; what is within
        # declares the same as it does in the whole document.
        return "".join((self.alone, *self.pieces[self.start + 1 : self.end])).encode("utf-8")

    def holds(self, other: Part) -> bool:
        """Tell whether another part is within this one."""
        return self.start < other.start and other.end < self.end

    def around(self) -> bytes:
        """Write the document that it stands in, without it."""
        kept = (*self.pieces[: self.start], *self.pieces[self.end :])
        return "".join(kept).encode("utf-8")


def parts_of(data: bytes, names: frozenset[Name]) -> tuple[Part, ...]:
    """Return the elements of some names, in the order of the document.

    Args:
        data: A document of the accepted subset.
        names: Namespaces and local names.

    Raises:
        MalformedError: Oversize, not well-formed, another encoding, or a construct
            that this subset leaves out.
    """
    builder = _Builder(names)
    # Before the parser, which would follow a byte order mark, or the zeros of UTF-16,
    # into another encoding.
    text = decode_text(data, what="xml", limit=MAX_XML_BYTES)
    if "\0" in text:
        raise _malformed("a zero byte")
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
    return tuple(builder.found)


def canonical(data: bytes) -> bytes:
    """Write a whole document as C14N 1.1 octets without comments.

    Raises:
        MalformedError: As :func:`parts_of`.
    """
    return parts_of(data, frozenset())[0].canonical()


def read_octets(octets: bytes) -> ET.Element:
    """Read what :meth:`Part.canonical` or :meth:`Part.around` wrote.

    The standard library's reader does. It would follow document types and entities,
    and canonical octets hold none.

    Raises:
        MalformedError: A namespace that XML keeps for itself.
    """
    try:
        return ET.fromstring(octets)  # noqa: S314 - no document type, no entity
    except ET.ParseError:
        raise _malformed("text that is not well-formed") from None


class _Builder:
    """Write the canonical text from expat's events; lives for one document.

    The parts found are those of the wanted names, or the root if none is wanted.
    """

    def __init__(self, wanted: frozenset[Name]) -> None:
        self.found: list[Part] = []
        self._wanted = wanted
        self._pieces: list[str] = []
        self._count = 0
        self._outside = Scope({"": ""})
        self._open: list[tuple[Scope, Shape, Part | None]] = []

    def start(self, tag: str, attributes: list[str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._open) == MAX_DEPTH:
            raise _malformed(f"more than {MAX_ELEMENTS} elements, or {MAX_DEPTH} levels")
        if len(attributes) > 2 * MAX_ATTRIBUTES:
            raise _malformed(f"more than {MAX_ATTRIBUTES} attributes")
        outer = scope = self._open[-1][0] if self._open else self._outside
        names, values = tuple(attributes[::2]), attributes[1::2]
        shape = scope.shapes.get((tag, names))
        if shape is None:
            scope, shape, values = _new_shape(tag, names, values, outer=outer)
        # An ancestor wrote the namespaces that are the same around it.
        written = _written(outer.namespaces, scope.namespaces) if scope is not outer else ""
        part = None
        if shape.name in self._wanted or not (self._wanted or self._open):
            part = self._part(shape, _start_tag(shape, values, _written({}, scope.namespaces)))
        self._pieces.append(_start_tag(shape, values, written))
        self._open.append((scope, shape, part))

    def end(self, _tag: str) -> None:
        _, shape, part = self._open.pop()
        self._pieces.append(shape.end)
        if part is not None:
            part.end = len(self._pieces)

    def characters(self, text: str) -> None:
        self._pieces.append(_element_text(text))

    def declaration(self, version: str, encoding: str | None, _standalone: int) -> None:
        if version != "1.0" or (encoding or "utf-8").lower() != "utf-8":
            raise _malformed("a declaration of other than XML 1.0 in UTF-8")

    def forbidden(self, *_arguments: object) -> NoReturn:
        raise _malformed("a document type, entity, instruction, comment or CDATA section")

    def _part(self, shape: Shape, alone: str) -> Part:
        part = Part(
            name=shape.name,
            depth=len(self._open),
            alone=alone,
            pieces=self._pieces,
            start=len(self._pieces),
        )
        self.found.append(part)
        return part


def _new_shape(
    tag: str, names: tuple[str, ...], values: list[str], *, outer: Scope
) -> tuple[Scope, Shape, list[str]]:
    if not any(name.startswith("xmlns") for name in names):
        return outer, outer.shape(tag, names), values
    declared: dict[str, str] = {}
    kept: list[tuple[str, str]] = []
    for name, value in zip(names, values, strict=True):
        if name.startswith("xmlns"):
            declared[name] = value
        else:
            kept.append((name, value))
    # What declares has a scope of its own, so no other element shares its shape.
    scope = Scope(_declare(outer.namespaces, declared))
    shape = scope.shape(tag, tuple(name for name, _ in kept))
    return scope, shape, [value for _, value in kept]


def _start_tag(shape: Shape, values: list[str], namespaces: str) -> str:
    if not values:
        return f"{shape.head}{namespaces}>"
    # All of them in one go; a zero byte is in no document.
    escaped = _attribute_text("\0".join(values)).split("\0")
    return shape.head + namespaces + shape.tail % shape.in_order(escaped)


def _attribute_text(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")


def _element_text(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\r", "&#xD;")


def _written(outer: Mapping[str, str], inner: Mapping[str, str]) -> str:
    """Write the namespaces that are not the same around an element, by prefix."""
    return "".join(
        f' {f"xmlns:{prefix}" if prefix else "xmlns"}="{_attribute_text(namespace)}"'
        for prefix, namespace in sorted(inner.items())
        if outer.get(prefix, "") != namespace
    )


def _declare(outer: Mapping[str, str], declared: Mapping[str, str]) -> dict[str, str]:
    namespaces = dict(outer)
    for name, namespace in declared.items():
        prefix, colon, local = name.partition(":")
        # xml: attributes would be inherited by C14N, and these two prefixes are not ours to bind.
        if prefix != "xmlns" or local in {"xml", "xmlns"} or (colon and not (local and namespace)):
            raise _malformed("a namespace declaration that XML does not allow")
        namespaces[local] = namespace
    return namespaces


def _malformed(found: str) -> MalformedError:
    return MalformedError(
        f"xml: found {found}, agreed plain elements of XML 1.0 in UTF-8", code="xml.malformed"
    )
